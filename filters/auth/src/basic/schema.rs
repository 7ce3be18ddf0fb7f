//! The JSON Schema of the method's configuration.

use std::borrow::Cow;

use palisade_sdk::config::{
    Percent, Secret, Size,
    schema::{Duration, ObjectSchema, integer, text},
};
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::{BasicConfig, Cache};

impl JsonSchema for BasicConfig {
    fn schema_name() -> Cow<'static, str> {
        "Basic".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        ObjectSchema::new(generator)
            .optional_with("max_bcrypt_cost", "The highest cost of bcrypt. Default: 12.", |_| integer(4..=16))
            .optional_with("max_sha_crypt_rounds", "The most rounds of SHA crypt. Default: 100000.", |_| {
                integer(1_000..=10_000_000)
            })
            .optional::<Size>("max_argon2_memory", "The most memory of Argon2id. Default: 19MiB.")
            .optional::<bool>("allow_insecure", "Whether {PLAIN} and DES crypt are taken. Default: false.")
            .optional::<bool>(
                "strict",
                "Whether a malformed hash is an error. Default: false, which never lets its user in.",
            )
            .required_with("users", "The users and the hashes of their passwords.", |generator| {
                ObjectSchema::new(generator)
                    .required_with("htpasswd", "A file as htpasswd writes it.", |generator| {
                        ObjectSchema::new(generator).required::<Secret>("inline", "The file's text.").build()
                    })
                    .build()
            })
            .optional_with("realm", "The realm of the challenge, in place of the config's own.", |_| {
                text(r"^[ !#-\[\]-~]+$")
            })
            .optional::<bool>("hide_credentials", "Whether the upstream does not see the credential. Default: false.")
            .optional_with(
                "max_hashes_per_second",
                "How many passwords a worker hashes in a second. Default: 5.",
                |_| integer(1..=1_000),
            )
            .optional::<Percent>("max_hash_share", "How much of a worker's time hashes take. Default: 10%.")
            .optional::<Cache>("cache", "The credentials that a worker remembers.")
            .build()
    }
}

impl JsonSchema for Cache {
    fn schema_name() -> Cow<'static, str> {
        "BasicCache".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        ObjectSchema::new(generator)
            .optional::<Duration>("ttl", "How long a good credential is remembered. Default: 5m.")
            .optional_with(
                "entries",
                "How many good credentials are remembered, and how many wrong ones. Default: 1024.",
                |_| integer(0..=1_048_576),
            )
            .build()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::agreement::assert_agreement;

    fn with(field: &str, value: Value) -> Value {
        let mut config = full();
        config[field] = value;
        config
    }

    fn full() -> Value {
        json!({
            "users": {"htpasswd": {"inline": "alice:{SHA}/BkxjdExKM4UNE0GZRCpgiacJBs="}},
            "realm": "staff only",
            "strict": true,
            "allow_insecure": false,
            "hide_credentials": true,
            "max_bcrypt_cost": 12,
            "max_sha_crypt_rounds": 5000,
            "max_argon2_memory": "64MiB",
            "max_hashes_per_second": 5,
            "max_hash_share": "12.5%",
            "cache": {"ttl": "5m", "entries": 0},
        })
    }

    #[test]
    fn schema_and_reader_agree() {
        assert_agreement::<BasicConfig>(
            &[
                full(),
                json!({"users": {"htpasswd": {"inline": {"env": "USERS"}}}}),
                with("max_bcrypt_cost", json!(16.0)),
                with("cache", json!({})),
            ],
            &[
                json!({}),
                with("users", json!({})),
                with("users", json!("alice")),
                with("users", json!({"htpasswd": {"inline": ""}})),
                with("users", json!({"htpasswd": {"file": "/etc/htpasswd"}})),
                with("realm", json!("")),
                with("realm", json!("a\"b")),
                with("realm", json!("a\\b")),
                with("realm", json!("\u{e9}")),
                with("max_bcrypt_cost", json!(3)),
                with("max_bcrypt_cost", json!(17)),
                with("max_sha_crypt_rounds", json!(999)),
                with("max_argon2_memory", json!(19)),
                with("max_hashes_per_second", json!(0)),
                with("max_hashes_per_second", json!(1.5)),
                with("max_hash_share", json!(10)),
                with("max_hash_share", json!("101%")),
                with("cache", json!({"ttl": 300})),
                with("cache", json!({"entries": -1})),
            ],
        );
    }
}
