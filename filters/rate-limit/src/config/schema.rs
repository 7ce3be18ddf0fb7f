//! The JSON Schema of the configuration.

use std::borrow::Cow;

use palisade_sdk::config::schema::{Duration, ObjectSchema, integer, non_empty_list, one_of, text};
use palisade_sdk::config::{Percent, Rate, Size};
use palisade_sdk::matching::{Cidr, ClientIp, Matcher, Selector};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::cost::MOST_COUNTED;
use super::grant::{HIGHEST_BURST, MOST_TIERS, Tiers};
use super::limit::{MOST_IN_BATCH, MOST_PARTS};
use super::{Config, Cost, Deny, Exempt, Limit, LocalConfig, MOST_LIMITS, OnMissing, SHARDS, SLOTS, Storage};
use crate::headers::Headers;
use crate::rls::RlsConfig;

/// A limit of a filter that asks no services.
struct LocalLimit;

impl JsonSchema for Config {
    fn schema_name() -> Cow<'static, str> {
        "RateLimitGlobal".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        config::<Limit>(generator)
    }
}

impl JsonSchema for LocalConfig {
    fn schema_name() -> Cow<'static, str> {
        "RateLimit".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        config::<LocalLimit>(generator)
    }
}

fn config<L: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    ObjectSchema::new(generator)
        .optional::<Storage>("storage", "How much is known about keys.")
        .optional::<ClientIp>("client_ip", "Which address is the client's, for keys and matchers that ask for it.")
        .optional::<Headers>("headers", "What the client is told about its limits.")
        .optional::<Deny>("deny", "How a request is refused.")
        .required_with("limits", "The limits; all that match a request apply.", |generator| {
            let mut limits = non_empty_list(generator.subschema_for::<L>());
            limits.insert("maxItems".to_owned(), MOST_LIMITS.into());
            limits
        })
        .optional::<Vec<Exempt>>("exempt", "Requests to which no limit applies.")
        .optional::<bool>(
            "rule_by_route",
            "Whether the metadata `palisade` of a route or virtual host may name the limits. Default: false.",
        )
        .build()
}

impl JsonSchema for Storage {
    fn schema_name() -> Cow<'static, str> {
        "Storage".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        ObjectSchema::new(generator)
            .optional_with("shards", "How many tables, a power of two. Default: 256.", |_| {
                let powers: Vec<_> = (0..=SHARDS.0.ilog2()).map(|power| 1_u64 << power).collect();
                json_schema!({"enum": powers})
            })
            .optional_with("slots_per_shard", "How many keys each table has room for. Default: 128.", |_| {
                integer(1..=SLOTS.0)
            })
            .optional_with(
                "on_full",
                "What becomes of a new key when its table is full: it shares one budget with all such keys of the table, \
                 is refused, or is admitted uncounted. Default: shard_bucket.",
                |_| one_of(&["shard_bucket", "deny", "allow"]),
            )
            .build()
    }
}

impl JsonSchema for Headers {
    fn schema_name() -> Cow<'static, str> {
        "Headers".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        ObjectSchema::new(generator)
            .optional::<bool>("ietf", "RateLimit-Policy and RateLimit. Default: true.")
            .optional_with("x_ratelimit", "X-RateLimit-Limit, -Remaining and -Reset. Default: off.", |_| {
                one_of(&["off", "plain", "draft03"])
            })
            .optional_with("when", "On which responses. Default: denied.", |_| one_of(&["always", "denied", "never"]))
            .optional_with(
                "upstream",
                "What becomes of headers of these names that the upstream has set. Default: overwrite.",
                |_| one_of(&["overwrite", "append", "keep_lower"]),
            )
            .optional::<bool>(
                "shadow",
                "Whether x-ratelimit-shadow tells what a limit that is not enforced would have refused. Default: false.",
            )
            .build()
    }
}

impl JsonSchema for Deny {
    fn schema_name() -> Cow<'static, str> {
        "Deny".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        ObjectSchema::new(generator)
            .optional_with("status", "The HTTP status. Default: 429.", |_| integer(400..=599))
            .optional_with("grpc_status", "The status for a gRPC request. Default: resource_exhausted.", |_| {
                one_of(&["resource_exhausted", "unavailable"])
            })
            .optional::<bool>("problem", "Whether the body is a problem of RFC 9457. Default: false.")
            .build()
    }
}

impl JsonSchema for Exempt {
    fn schema_name() -> Cow<'static, str> {
        "Exempt".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        ObjectSchema::new(generator)
            .optional::<Cidr>("cidr", "The client's address is in this range.")
            .optional::<Matcher>("match", "The request matches.")
            .only_one_of(&["cidr", "match"])
            .build()
    }
}

impl JsonSchema for Limit {
    fn schema_name() -> Cow<'static, str> {
        "GlobalLimit".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        limit(generator).optional::<RlsConfig>("rls", "The service that is asked, which counts for all Envoys.").build()
    }
}

impl JsonSchema for LocalLimit {
    fn schema_name() -> Cow<'static, str> {
        "Limit".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        limit(generator).build()
    }
}

fn limit(generator: &mut SchemaGenerator) -> ObjectSchema<'_> {
    ObjectSchema::new(generator)
        .required_with("name", "The name in headers, metrics and a route's metadata.", |_| {
            text("^[A-Za-z0-9_-]{1,64}$")
        })
        .optional::<Matcher>("match", "The requests to which the limit applies; all, if left out.")
        .optional_with("key", "What tells apart those who have a budget of their own.", |generator| {
            let mut key = non_empty_list(generator.subschema_for::<Selector>());
            key.insert("maxItems".to_owned(), MOST_PARTS.into());
            key
        })
        .optional::<OnMissing>(
            "on_missing",
            "What becomes of a request in which a part of the key is missing. Default: {literal: \"\"}, so that \
             all such requests share a budget.",
        )
        .optional::<Rate>("rate", "So many in any time of this length.")
        .optional_with("burst", "How many of them at once. Default: all.", |_| integer(1..=HIGHEST_BURST))
        .optional_with("quota", "So many in each hour, day or month of the calendar, in UTC.", |_| {
            text("^[0-9]{1,10}/(hour|day|month)$")
        })
        .optional_with("concurrency", "So many at a time.", |_| integer(0..=MOST_COUNTED))
        .optional::<Duration>("max_duration", "When a request counts as lost for its concurrency.")
        .optional_with("unlimited", "Whether there is no limit but for the tiers.", |_| json_schema!({"const": true}))
        .optional::<Tiers>("tiers", "Other rates, by a value of the request.")
        .optional::<Cost>("cost", "How much a request takes. Default: 1.")
        .optional_with(
            "accuracy",
            "Whether each request is counted before it is admitted, or workers take tokens in batches. Default: exact.",
            |_| one_of(&["exact", "lease"]),
        )
        .optional_with("batch", "How many tokens a worker takes at a time. Default: 10.", |_| {
            integer(2..=MOST_IN_BATCH)
        })
        .optional_with(
            "on_contention",
            "What becomes of a request when other workers are faster 16 times. Default: deny.",
            |_| one_of(&["deny", "allow"]),
        )
        .optional::<bool>("enforce", "Whether it refuses, or only counts what it would refuse. Default: true.")
        .optional::<Percent>("enforce_percent", "For which part of the keys it refuses. Default: 100%.")
}

impl JsonSchema for Tiers {
    fn schema_name() -> Cow<'static, str> {
        "Tiers".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        ObjectSchema::new(generator)
            .required::<Selector>("by", "The value that names the tier.")
            .required_with("rates", "The rate of each tier; who is in none has the limit's own.", |generator| {
                let tier = ObjectSchema::new(generator)
                    .optional::<Rate>("rate", "So many in any time of this length.")
                    .optional_with("burst", "How many of them at once. Default: all.", |_| integer(1..=HIGHEST_BURST))
                    .optional_with("unlimited", "No limit.", |_| json_schema!({"const": true}))
                    .only_one_of(&["rate", "unlimited"])
                    .build();
                let rate = generator.subschema_for::<Rate>();
                json_schema!({
                    "type": "object",
                    "additionalProperties": {"anyOf": [rate, tier]},
                    "minProperties": 1,
                    "maxProperties": MOST_TIERS,
                })
            })
            .build()
    }
}

impl JsonSchema for OnMissing {
    fn schema_name() -> Cow<'static, str> {
        "OnMissing".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let literal = ObjectSchema::new(generator).required::<String>("literal", "The part's value.").build();
        json_schema!({"anyOf": [one_of(&["skip", "deny"]), literal]})
    }
}

impl JsonSchema for Cost {
    fn schema_name() -> Cow<'static, str> {
        "Cost".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        const MOST: &str = "The most that a request can cost. Default: 4294967295.";
        let max = |_: &mut SchemaGenerator| integer(1..=MOST_COUNTED);
        let request = ObjectSchema::new(generator)
            .fields_of::<Selector>()
            .optional_with("default", "The cost where the request does not say. Default: 1.", |_| {
                integer(1..=MOST_COUNTED)
            })
            .optional_with("max", MOST, max)
            .build();
        let header = ObjectSchema::new(generator)
            .required_with("response_header", "The header of the response that says it.", |_| {
                text("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")
            })
            .optional_with("default", "The cost where the response does not say. Default: 1.", |_| {
                integer(0..=MOST_COUNTED)
            })
            .optional_with("max", MOST, max)
            .build();
        let bytes = ObjectSchema::new(generator)
            .required::<Size>("response_bytes", "1 for so many bytes of the response's body.")
            .optional_with("max", MOST, max)
            .build();
        json_schema!({"anyOf": [request, header, bytes]})
    }
}

#[cfg(test)]
mod tests;
