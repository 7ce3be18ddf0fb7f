//! The JSON Schema of the method's configuration.

use std::borrow::Cow;

use palisade_sdk::config::schema::{ObjectSchema, non_empty_list, text};
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::ApiKeyConfig;
use crate::request::Sources;

impl JsonSchema for ApiKeyConfig {
    fn schema_name() -> Cow<'static, str> {
        "ApiKey".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        ObjectSchema::new(generator)
            .required::<Sources>("from", "Where a key may stand.")
            .required_with("clients", "The clients and the digests of their keys.", |generator| {
                let client = ObjectSchema::new(generator)
                    .required_with("id", "The client's name; one with several keys is listed several times.", |_| {
                        text("^[!-~]{1,128}$")
                    })
                    .required_with("key_sha256", "The SHA-256 of the key.", |_| text("^(sha256:)?[0-9A-Fa-f]{64}$"))
                    .optional_with("not_after", "When the key ends, such as `2027-01-01T00:00:00Z`.", |_| {
                        text(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})$")
                    })
                    .build();
                non_empty_list(client)
            })
            .optional::<bool>("hide_credentials", "Whether the upstream does not see the key. Default: false.")
            .build()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::agreement::assert_agreement;

    fn with(client: Value) -> Value {
        json!({"from": [{"header": "x"}], "clients": [client], "hide_credentials": true})
    }

    #[test]
    fn schema_and_reader_agree() {
        let digest = "0aF".repeat(21) + "b";
        let client = |id: &str, digest: &str, not_after: &str| {
            with(json!({"id": id, "key_sha256": digest, "not_after": not_after}))
        };
        let end = "2027-01-01T00:00:00Z";
        assert_agreement::<ApiKeyConfig>(
            &[
                client("mobile", &digest, end),
                client("!", &format!("sha256:{digest}"), "2027-01-01t00:00:00.5-01:30"),
                json!({"from": [{"query": "k"}], "clients": [{"id": "a", "key_sha256": digest}]}),
            ],
            &[
                json!({"from": [{"header": "x"}], "clients": []}),
                client("", &digest, end),
                client("a b", &digest, end),
                client(&"a".repeat(129), &digest, end),
                client("a", "", end),
                client("a", &"0".repeat(63), end),
                client("a", &digest.replace('b', "g"), end),
                client("a", &digest, "2027-01-01"),
                client("a", &digest, "2027-01-01T00:00:00"),
                client("a", &digest, "27-01-01T00:00:00Z"),
            ],
        );
    }
}
