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
