//! The JSON Schema of the sections.

use std::borrow::Cow;

use palisade_sdk::config::schema::ObjectSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::Sections;

impl JsonSchema for Sections {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Sections".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        ObjectSchema::new(generator).build()
    }
}
