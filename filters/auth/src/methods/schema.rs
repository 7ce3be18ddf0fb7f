//! The JSON Schema of the sections.

use std::borrow::Cow;

use palisade_sdk::config::schema::ObjectSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::{Sections, With};
use crate::api_key::ApiKeyConfig;
use crate::basic::BasicConfig;
use crate::identity::Forward;

impl JsonSchema for Sections {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Sections".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        ObjectSchema::new(generator)
            .optional::<With<BasicConfig>>("basic", "Users and passwords.")
            .optional::<With<ApiKeyConfig>>("api_key", "API keys.")
            .build()
    }
}

impl<C: JsonSchema> JsonSchema for With<C> {
    fn schema_name() -> Cow<'static, str> {
        C::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        ObjectSchema::new(generator)
            .fields_of::<C>()
            .optional::<Forward>("forward", "What is handed over of those whom this verifies.")
            .build()
    }
}
