//! The JSON Schema of the section `hmac`.

use std::borrow::Cow;

use palisade_sdk::config::schema::{self, ObjectSchema, integer, non_empty_list, text};
use palisade_sdk::config::{Secret, Size};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{Client, HmacConfig, LONGEST_NAME, MOST_REMEMBERED};

impl JsonSchema for HmacConfig {
    fn schema_name() -> Cow<'static, str> {
        "Hmac".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        ObjectSchema::new(generator)
            .required_with("clients", "Who signs. A client with several keys is there several times.", |generator| {
                non_empty_list(generator.subschema_for::<Client>())
            })
            .optional_with(
                "covered",
                "What a signature has to cover. Default: @method, @authority, @path, @query where there is a query, \
                 content-digest where there is a body.",
                |_| components(),
            )
            .optional::<schema::Duration>("max_age", "How long after its creation a signature counts. Default: 300s.")
            .optional::<schema::Duration>("clock_skew", "How far clients' clocks may be ahead. Default: 60s.")
            .optional::<Size>("max_body", "The longest body that is held to be verified. Default: 1MiB.")
            .optional::<schema::Duration>("body_timeout", "How long a body may take to come. Default: 15s.")
            .optional_with(
                "replay_cache",
                "How many signatures are remembered, over all workers. Default: 65536.",
                |_| integer(64..=MOST_REMEMBERED),
            )
            .build()
    }
}

impl JsonSchema for Client {
    fn schema_name() -> Cow<'static, str> {
        "HmacClient".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let name =
            || json_schema!({"type": "string", "minLength": 1, "maxLength": LONGEST_NAME, "pattern": "^[ -~]*$"});
        ObjectSchema::new(generator)
            .required_with("id", "The client's name: the subject of its identity.", |_| name())
            .optional_with("keyid", "The key's name in signatures. Default: the id.", |_| name())
            .exactly_one(&[
                ("secret", "The shared secret, of at least 16 bytes.", |generator| generator.subschema_for::<Secret>()),
                ("secret_base64", "The same in base64, for one that is no text.", |generator| {
                    generator.subschema_for::<Secret>()
                }),
            ])
            .optional_with(
                "covered",
                "What this client's signatures have to cover, in place of the other list.",
                |_| components(),
            )
            .build()
    }
}

fn components() -> Schema {
    let mut schema = non_empty_list(text(
        "^(@(method|target-uri|authority|scheme|request-target|path|query)|[a-z0-9!#$%&'*+.^_`|~-]+)$",
    ));
    schema.insert("uniqueItems".to_owned(), true.into());
    schema
}
