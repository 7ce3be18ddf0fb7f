//! The JSON Schema of the config of a provider.

use std::borrow::Cow;

use palisade_sdk::config::Size;
use palisade_sdk::config::schema::{self, ObjectSchema, integer, non_empty_list, one_of, text};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{Keys, LARGEST_CACHE, ProviderConfig};
use crate::jose::{Algorithm, KeySet};
use crate::jwks::RemoteConfig;
use crate::request::Sources;

/// The schema of [`providers`](super::providers).
#[must_use]
pub fn providers(provider: Schema) -> Schema {
    let mut providers = schema::map("^[A-Za-z0-9_-]{1,64}$", provider);
    providers.insert("minProperties".to_owned(), 1.into());
    providers
}

impl JsonSchema for ProviderConfig {
    fn schema_name() -> Cow<'static, str> {
        "JwtProvider".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let names = Algorithm::ALL.map(|(name, _)| name);
        ObjectSchema::new(generator)
            .required_with("issuer", "The `iss` of the tokens, compared byte by byte.", |_| text("."))
            .optional_with("audiences", "One of these must be in `aud`. Default: `aud` does not matter.", |_| {
                non_empty_list(text("."))
            })
            .optional::<bool>(
                "lenient_audience",
                "Whether audiences are compared without http:// or https:// and one / at the end. Default: false.",
            )
            .required::<Keys>("jwks", "The keys that sign the tokens.")
            .optional_with("algorithms", "How tokens may be signed. Default: RS256, ES256, EdDSA, PS256.", |_| {
                let mut list = non_empty_list(one_of(&names));
                list.insert("uniqueItems".to_owned(), true.into());
                list
            })
            .optional_with(
                "typ",
                "The `typ` that tokens must have. Default: none or any but dpop+jwt, secevent+jwt and logout+jwt.",
                |_| non_empty_list(text(".")),
            )
            .optional_with("require", "Claims that must be there. Default: exp.", |_| {
                json_schema!({"type": "array", "items": text(".")})
            })
            .optional::<schema::Duration>("clock_skew", "How far the issuer's clock may be off. Default: 60s.")
            .optional::<schema::Duration>("max_token_age", "How old a token may be by its `iat`, which it needs then.")
            .optional::<bool>("reject_future_iat", "Whether a token with a future `iat` is refused. Default: false.")
            .optional::<bool>(
                "strict_kid",
                "Whether a token that names a key needs a key of that name, and none without a name will do. Default: false.",
            )
            .optional::<Size>("max_token", "The longest token, up to 60KiB. Default: 8KiB.")
            .optional::<Sources>("from", "Where tokens are looked for. Default: authorization, as a Bearer token.")
            .optional_with("cache", "The tokens that were verified lately, in each worker.", |generator| {
                ObjectSchema::new(generator)
                    .optional_with("entries", "How many; 0 for none. Default: 1024.", |_| integer(0..=LARGEST_CACHE))
                    .optional::<schema::Duration>("ttl", "How long, unless a token expires before. Default: 5m.")
                    .build()
            })
            .build()
    }
}

impl JsonSchema for Keys {
    fn schema_name() -> Cow<'static, str> {
        "Jwks".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let key = json_schema!({"type": "object", "required": ["kty"]});
        let keys = json_schema!({"type": "array", "items": key, "minItems": 1, "maxItems": KeySet::MOST_KEYS});
        let set = json_schema!({"type": "object", "required": ["keys"], "properties": {"keys": keys}});
        let mut schema = ObjectSchema::new(generator)
            .optional_with(
                "inline",
                "A key set (RFC 7517), or a string that holds one.",
                |_| json_schema!({"anyOf": [set, {"type": "string"}]}),
            )
            .optional::<RemoteConfig>("remote", "Where a key set is fetched.")
            .build();
        schema.insert("oneOf".to_owned(), serde_json::json!([{"required": ["inline"]}, {"required": ["remote"]}]));
        schema
    }
}
