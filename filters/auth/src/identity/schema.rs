//! The JSON Schema of the hand-over.

use std::borrow::Cow;

use palisade_sdk::config::schema::{ObjectSchema, non_empty_list, one_of, text};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{Forward, ForwardToken};

const HEADER: &str = "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$";

impl JsonSchema for Forward {
    fn schema_name() -> Cow<'static, str> {
        "Forward".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        ObjectSchema::new(generator).optional_with("claims", "What is chosen of the caller's claims.", claims).build()
    }
}

impl JsonSchema for ForwardToken {
    fn schema_name() -> Cow<'static, str> {
        "ForwardToken".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        ObjectSchema::new(generator)
            .fields_of::<Forward>()
            .optional_with("payload_header", "The header with all claims, as JSON in base64url.", |_| text(HEADER))
            .optional::<bool>("strip_token", "Whether the token stays behind. Default: false.")
            .build()
    }
}

fn claims(generator: &mut SchemaGenerator) -> Schema {
    let non_empty = || json_schema!({"type": "string", "minLength": 1});
    let claim = ObjectSchema::new(generator)
        .required_with("claim", "The claim, or the path to it: `plan.tier`.", |_| non_empty())
        .optional_with("header", "The header that the upstream finds it in.", |_| text(HEADER))
        .optional_with("as", "The name under which other filters find it. Default: that of the claim.", |_| non_empty())
        .optional_with("encoding", "How it stands in the header. Default: text.", |_| one_of(&["text", "base64url"]))
        .build();
    non_empty_list(claim)
}
