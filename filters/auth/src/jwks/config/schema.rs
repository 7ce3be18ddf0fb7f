//! The JSON Schema of a remote key set.

use std::borrow::Cow;

use palisade_sdk::config::schema::{self, ObjectSchema, text};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{LONGEST, RemoteConfig};

impl JsonSchema for RemoteConfig {
    fn schema_name() -> Cow<'static, str> {
        "RemoteJwks".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let limited = |pattern: &str| json_schema!({"allOf": [text(pattern), {"maxLength": LONGEST}]});
        ObjectSchema::new(generator)
            .required_with("cluster", "The cluster of the identity provider.", |_| limited("^[!-~]+$"))
            .required_with("path", "The path of the key set there.", |_| limited("^/[!-~]*$"))
            .optional_with("authority", "The `Host` of the request. Default: the cluster's name.", |_| {
                limited("^[!-.0-~]+$")
            })
            .optional::<schema::Duration>("refresh", "How long a key set counts as fresh. Default: 10m.")
            .optional::<schema::Duration>("timeout", "How long a fetch may take. Default: 5s.")
            .optional::<schema::Duration>(
                "startup_wait",
                "How long a request waits for keys at most, before the first have come or where its token names an \
                 unknown one. Default: 500ms.",
            )
            .optional::<schema::Duration>(
                "stale_ttl",
                "How long a key set may be used after it should have been refreshed. Default: 24h.",
            )
            .build()
    }
}
