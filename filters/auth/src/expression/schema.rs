//! The JSON Schema of expressions.

use std::borrow::Cow;

use palisade_sdk::config::schema::{ObjectSchema, Variant, non_empty_list};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::Expression;
use crate::condition::schema::{claim, scope};

const VARIANTS: &[Variant] = &[
    ("any", "One of these holds.", items),
    ("all", "All of these hold; conditions are about the caller of the method beside them.", items),
    (
        "not",
        "This certainly does not hold: a credential that is refused, or cannot be judged, is not enough.",
        |generator| generator.subschema_for::<Expression>(),
    ),
    ("jwt", "A token for this provider.", |_| non_empty()),
    ("basic", "User and password.", no_options),
    ("api_key", "An API key.", |generator| {
        ObjectSchema::new(generator)
            .optional_with("allowed_clients", "The clients that count; all, if left out.", |_| {
                non_empty_list(non_empty())
            })
            .build()
    }),
    ("hmac", "A signature of the message.", no_options),
    ("introspection", "A token that its issuer is asked about.", no_options),
    ("claim", "A condition on a claim of the caller.", claim),
    ("scope", "The caller's token has all these scopes.", scope),
];

impl JsonSchema for Expression {
    fn schema_name() -> Cow<'static, str> {
        "Expression".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        ObjectSchema::new(generator).exactly_one(VARIANTS).build()
    }
}

fn items(generator: &mut SchemaGenerator) -> Schema {
    non_empty_list(generator.subschema_for::<Expression>())
}

fn no_options(generator: &mut SchemaGenerator) -> Schema {
    ObjectSchema::new(generator).build()
}

fn non_empty() -> Schema {
    json_schema!({"type": "string", "minLength": 1})
}
