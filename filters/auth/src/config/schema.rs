//! The JSON Schema of the configuration.

use std::borrow::Cow;

use palisade_sdk::config::Rules;
use palisade_sdk::config::schema::{ObjectSchema, text};
use palisade_sdk::matching::ClientIp;
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::Config;
use crate::methods::Sections;
use crate::policy::{AmbiguousPaths, Policy};

impl JsonSchema for Config {
    fn schema_name() -> Cow<'static, str> {
        "Auth".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        ObjectSchema::new(generator)
            .fields_of::<Sections>()
            .fields_of::<Rules<Policy>>()
            .required::<Policy>("default", "What holds where no rule matches.")
            .optional::<ClientIp>("client_ip", "Which address is the client's, for rules and selectors that ask for it.")
            .optional::<AmbiguousPaths>(
                "ambiguous_paths",
                "What becomes of a path that servers read in different ways, where a rule is about paths. Default: reject.",
            )
            .optional::<bool>(
                "bypass_cors_preflight",
                "Whether CORS preflight requests, which hold no credentials, pass where one is required. Default: false.",
            )
            .optional_with("realm", "The realm of challenges. Default: palisade.", |_| text(r"^[ !#-\[\]-~]+$"))
            .optional::<bool>("expose_reason", "Whether clients learn why they are refused. Default: false.")
            .build()
    }
}

#[cfg(test)]
mod tests;
