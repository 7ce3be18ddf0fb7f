//! The JSON Schema of the sections.

use std::borrow::Cow;

use palisade_sdk::config::schema::ObjectSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::{Sections, With};
use crate::api_key::ApiKeyConfig;
use crate::basic::BasicConfig;
use crate::hmac::HmacConfig;
use crate::identity::ForwardToken;
use crate::introspection::IntrospectionConfig;
use crate::jwt::ProviderConfig;
use crate::jwt::config::schema::providers;

impl JsonSchema for Sections {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Sections".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        ObjectSchema::new(generator)
            .optional_with("jwt", "JSON Web Tokens.", |generator| {
                ObjectSchema::new(generator)
                    .required_with(
                        "providers",
                        "Whose tokens are taken, by the names that rules ask for.",
                        |generator| providers(generator.subschema_for::<With<ProviderConfig, ForwardToken>>()),
                    )
                    .build()
            })
            .optional::<With<BasicConfig>>("basic", "Users and passwords.")
            .optional::<With<ApiKeyConfig>>("api_key", "API keys.")
            .optional::<With<HmacConfig>>("hmac", "Signed requests.")
            .optional::<With<IntrospectionConfig, ForwardToken>>(
                "introspection",
                "Tokens about which a server is asked.",
            )
            .build()
    }
}

impl<C: JsonSchema, F: JsonSchema> JsonSchema for With<C, F> {
    fn schema_name() -> Cow<'static, str> {
        C::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        ObjectSchema::new(generator)
            .fields_of::<C>()
            .optional::<F>("forward", "What is handed over of those whom this verifies.")
            .build()
    }
}
