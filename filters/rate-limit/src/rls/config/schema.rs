//! The JSON Schema of the field `rls`.

use super::{FAILURE_MODES, LONGEST_NAME, MOST_DESCRIPTORS, RlsConfig};
use palisade_sdk::config::schema::{self, ObjectSchema};
use palisade_sdk::matching::Selector;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

impl JsonSchema for RlsConfig {
    fn schema_name() -> Cow<'static, str> {
        "Rls".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        ObjectSchema::new(generator)
            .required_with("cluster", "The cluster of the rate limit service.", |_| name())
            .required_with("domain", "The domain under which the service knows its limits.", |_| name())
            .required_with("descriptors", "What the service counts by: all of these.", |generator| {
                let entry = ObjectSchema::new(generator)
                    .required_with("key", "The key by which the service knows the value.", |_| name())
                    .required::<Selector>("value", "Where the value is found.")
                    .build();
                list(&list(&entry))
            })
            .optional::<schema::Duration>("timeout", "How long the service may take to answer. Default: 20ms.")
            .required_with(
                "failure_mode",
                "What holds without an answer: the limit's own rate (local), nothing (allow), or a refusal (deny).",
                |_| schema::one_of(&FAILURE_MODES.map(|(name, _)| name)),
            )
            .optional::<schema::Duration>(
                "remember",
                "The longest that a refusal is remembered for which the service names an end. Default: 1h.",
            )
            .build()
    }
}

fn name() -> Schema {
    json_schema!({"type": "string", "minLength": 1, "maxLength": LONGEST_NAME})
}

fn list(items: &Schema) -> Schema {
    json_schema!({"type": "array", "items": items, "minItems": 1, "maxItems": MOST_DESCRIPTORS})
}

#[cfg(test)]
mod tests;
