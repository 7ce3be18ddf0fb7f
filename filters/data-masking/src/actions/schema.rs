//! The JSON Schema of an action.

use std::borrow::Cow;

use palisade_sdk::config::Secret;
use palisade_sdk::config::schema::{ObjectSchema, Variant, integer, non_empty_list, one_of, text};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{Action, STATUSES, cipher, fpe, mask, pseudonym};

const VARIANTS: [Variant; 8] = [
    ("mask", "Characters become others.", mask),
    (
        "replace",
        "A text stands in the place of the match; {{type}} in it is the detector's or field's name.",
        replacement,
    ),
    ("hash", "The beginning of HMAC-SHA256 stands in its place.", hash),
    ("token", "A short word made by HMAC-SHA256 stands in its place.", token),
    ("fpe", "Other digits stand in the place of its digits.", fpe),
    ("encrypt", "A ciphertext stands in its place.", encrypt),
    ("decrypt", "What was encrypted stands in its place.", decrypt),
    ("block", "The message is answered.", block),
];

impl JsonSchema for Action {
    fn schema_name() -> Cow<'static, str> {
        "Action".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let object = ObjectSchema::new(generator).exactly_one(&VARIANTS).build();
        json_schema!({"anyOf": [one_of(&["remove", "report"]), object]})
    }
}

fn mask(generator: &mut SchemaGenerator) -> Schema {
    let kept = |_: &mut SchemaGenerator| integer(0..=mask::MOST_KEPT);
    ObjectSchema::new(generator)
        .optional_with("char", "What stands for a character. Default: *.", |_| {
            one_of(&mask::CHARACTERS.map(|(name, _)| name))
        })
        .optional_with("keep_first", "How many characters stay at the beginning. Default: 0.", kept)
        .optional_with("keep_last", "How many stay at the end. Default: 0.", kept)
        .optional::<bool>(
            "keep_separators",
            "Whether blanks and punctuation stay, and count for neither. Default: false.",
        )
        .build()
}

fn replacement(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string"})
}

fn hash(generator: &mut SchemaGenerator) -> Schema {
    pseudonym(generator, "hash_")
        .optional_with("len", "How many hexadecimal digits. Default: 32.", |_| integer(pseudonym::HASH))
        .build()
}

fn token(generator: &mut SchemaGenerator) -> Schema {
    pseudonym(generator, "tok_").build()
}

fn pseudonym<'g>(generator: &'g mut SchemaGenerator, prefix: &str) -> ObjectSchema<'g> {
    keyed(generator, "hmac-sha256").optional_with("prefix", &format!("What it begins with. Default: {prefix}."), |_| {
        text(pseudonym::PREFIX_PATTERN)
    })
}

fn fpe(generator: &mut SchemaGenerator) -> Schema {
    keyed(generator, "ff1")
        .optional_with("radix", "Digits are decimal.", |_| integer(10..=10))
        .optional_with("keep_last", "How many digits stay at the end. Default: 0.", |_| integer(0..=fpe::MOST_KEPT))
        .optional::<bool>("luhn_fix", "Whether the Luhn digit is right exactly where it was. Default: false.")
        .optional_with("direction", "Which way. Default: encrypt.", |_| one_of(&["encrypt", "decrypt"]))
        .build()
}

fn encrypt(generator: &mut SchemaGenerator) -> Schema {
    named(keyed(generator, "aes-siv")).build()
}

fn decrypt(generator: &mut SchemaGenerator) -> Schema {
    let key = named(ObjectSchema::new(generator).required::<Secret>("key", "At least 16 bytes.")).build();
    algorithm(ObjectSchema::new(generator), "aes-siv")
        .required_with("keys", "The keys that may have been used.", |_| non_empty_list(key))
        .build()
}

fn block(generator: &mut SchemaGenerator) -> Schema {
    ObjectSchema::new(generator)
        .optional_with("status", "The status of the answer. Default: 403.", |_| integer(STATUSES))
        .build()
}

fn keyed<'g>(generator: &'g mut SchemaGenerator, alg: &'static str) -> ObjectSchema<'g> {
    algorithm(ObjectSchema::new(generator), alg).required::<Secret>("key", "At least 16 bytes.")
}

fn algorithm<'g>(object: ObjectSchema<'g>, alg: &'static str) -> ObjectSchema<'g> {
    object.optional_with("alg", "The algorithm: there is one.", |_| one_of(&[alg]))
}

fn named(object: ObjectSchema<'_>) -> ObjectSchema<'_> {
    object.required_with("key_id", "The name of the key, which the ciphertext tells.", |_| text(cipher::KEY_ID_PATTERN))
}
