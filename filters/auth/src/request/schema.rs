//! The JSON Schema of credential sources.

use std::borrow::Cow;

use palisade_sdk::config::schema::{ObjectSchema, Variant, non_empty_list, text};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{Source, Sources};

const NAME: &str = "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$";

const PLACES: &[Variant] = &[
    ("header", "The name of a header.", |_| {
        let mut name = text(NAME);
        name.insert("not".to_owned(), text("^[Cc][Oo][Oo][Kk][Ii][Ee]$").to_value());
        name
    }),
    ("cookie", "The name of a cookie.", |_| text(NAME)),
    ("query", "The name of a query parameter.", |_| json_schema!({"type": "string", "minLength": 1})),
];

impl JsonSchema for Source {
    fn schema_name() -> Cow<'static, str> {
        "Source".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        ObjectSchema::new(generator)
            .exactly_one(PLACES)
            .optional_with("prefix", "What the header's value begins with, such as `Bearer `.", |_| {
                text("^[!-+--~][ -+--~]*$")
            })
            .build()
    }
}

impl JsonSchema for Sources {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Sources".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = non_empty_list(generator.subschema_for::<Source>());
        schema.insert("uniqueItems".to_owned(), true.into());
        schema
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::agreement::assert_agreement;

    #[test]
    fn schema_and_reader_agree() {
        assert_agreement::<Sources>(
            &[
                json!([{"header": "x-key", "prefix": "Key "}, {"cookie": "a"}, {"query": "b"}]),
                json!([{"query": "\u{e9} b"}]),
                json!([{"header": "X", "prefix": "v1:"}, {"header": "x"}]),
            ],
            &[
                json!([]),
                json!({"header": "x"}),
                json!([{}]),
                json!([{"header": "x", "cookie": "y"}]),
                json!([{"header": ":path"}]),
                json!([{"header": "Cookie"}]),
                json!([{"header": ""}]),
                json!([{"header": "a b"}]),
                json!([{"header": "x", "prefix": ""}]),
                json!([{"header": "x", "prefix": " a"}]),
                json!([{"header": "x", "prefix": "a,"}]),
                json!([{"header": "x", "prefix": "a\n"}]),
                json!([{"cookie": "a=b"}]),
                json!([{"query": ""}]),
                json!([{"query": "a"}, {"query": "a"}]),
            ],
        );
    }
}
