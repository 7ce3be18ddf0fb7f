//! The JSON Schema of policies.

use std::borrow::Cow;

use palisade_sdk::config::Percent;
use palisade_sdk::config::schema::{ObjectSchema, Variant, one_of};
use palisade_sdk::matching::Selector;
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::{AmbiguousPaths, Policy, Share};
use crate::expression::Expression;

const ACCESS: &[Variant] = &[
    ("require", "Who may pass.", SchemaGenerator::subschema_for::<Expression>),
    ("allow", "Everybody may pass.", |_| one_of(&["anonymous"])),
    ("deny", "Nobody may pass.", |_| one_of(&["all"])),
];

impl JsonSchema for Policy {
    fn schema_name() -> Cow<'static, str> {
        "Policy".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        ObjectSchema::new(generator)
            .exactly_one(ACCESS)
            .optional::<bool>("enforce", "Whether a denial stops the request, or is only counted. Default: true.")
            .optional::<Share>("enforce_percent", "The share of clients whom a denial stops.")
            .build()
    }
}

impl JsonSchema for Share {
    fn schema_name() -> Cow<'static, str> {
        "Share".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        ObjectSchema::new(generator)
            .required::<Percent>("percent", "How many of all clients.")
            .required::<Selector>("by", "What tells clients apart; a request without it is stopped.")
            .build()
    }
}

impl JsonSchema for AmbiguousPaths {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "AmbiguousPaths".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        one_of(&["reject", "normalize"])
    }
}
