//! The JSON Schema of the section `introspection`.

use std::borrow::Cow;

use palisade_sdk::config::schema::{self, ObjectSchema, integer, non_empty_list, one_of, text};
use palisade_sdk::config::{Secret, Size};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{IntrospectionConfig, LONGEST_TEXT, MOST_CACHED};
use crate::request::Sources;

impl JsonSchema for IntrospectionConfig {
    fn schema_name() -> Cow<'static, str> {
        "Introspection".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        ObjectSchema::new(generator)
            .required_with("cluster", "The cluster of the authorization server.", |_| name())
            .optional_with("authority", "The server's host. Default: the cluster's name.", |_| bounded("^[!-~]+$"))
            .optional_with("path", "Where the server is asked. Default: /introspect.", |_| bounded("^/[!-~]*$"))
            .required_with("client_id", "As whom the filter asks.", |_| name())
            .required::<Secret>("client_secret", "The secret of this client.")
            .optional::<schema::Duration>("timeout", "How long the server may take to answer. Default: 1s.")
            .optional::<schema::Duration>("cache", "How long an answer counts at most. Default: 30s.")
            .optional_with("cache_size", "How many answers a worker keeps. Default: 1024.", |_| {
                integer(1..=MOST_CACHED)
            })
            .optional_with("issuer", "Who must have issued the token. Default: anybody.", |_| name())
            .optional_with("audiences", "For whom the token must be meant, one of these. Default: anybody.", |_| {
                non_empty_list(name())
            })
            .optional_with("scopes", "What the token must permit, all of these. Default: nothing.", |_| {
                non_empty_list(bounded(r"^[!#-\[\]-~]+$"))
            })
            .optional::<schema::Duration>("clock_skew", "How far the clocks may be apart. Default: 60s.")
            .optional::<Sources>("from", "Where the token stands. Default: authorization, with the scheme Bearer.")
            .optional::<Size>("max_token", "The longest token that is asked about. Default: 8KiB.")
            .optional_with(
                "on_error",
                "What becomes of a request while the server is unavailable. Default: refuse.",
                |_| one_of(&["refuse", "allow_if_jwt_valid"]),
            )
            .build()
    }
}

fn name() -> Schema {
    json_schema!({"type": "string", "minLength": 1, "maxLength": LONGEST_TEXT})
}

fn bounded(pattern: &str) -> Schema {
    let mut schema = text(pattern);
    schema.insert("maxLength".to_owned(), LONGEST_TEXT.into());
    schema
}
