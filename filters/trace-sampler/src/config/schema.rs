//! The JSON Schema of the configuration.

use std::borrow::Cow;

use palisade_sdk::{
    config::{
        Percent, Rules,
        schema::{ObjectSchema, integer, non_empty_list, one_of, text},
    },
    matching::{Cidr, ClientIp},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::writing::Tracestate;
use super::{Config, MOST_PER_SECOND, Parent, ParentPolicy, Rate, Sampling};
use crate::{force::Force, trust::Trust};

impl JsonSchema for Config {
    fn schema_name() -> Cow<'static, str> {
        "TraceSampler".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        ObjectSchema::new(generator)
            .optional_with(
                "mode",
                "Who writes the trace context: the filter, Envoy's tracer, or the filter behind it. Default: propagate.",
                |_| one_of(&["propagate", "envoy_decision", "upstream"]),
            )
            .optional_with("envoy_signal", "How Envoy learns of a decision. Default: request_id.", |_| {
                one_of(&["request_id", "force_trace_header", "decision_header"])
            })
            .optional::<Parent>("parent", "The caller's trace.")
            .optional_with(
                "on_unknown_randomness",
                "What to make of a trace id that nobody calls random. Default: assume.",
                |_| one_of(&["assume", "erase_th"]),
            )
            .optional_with(
                "propagators",
                "The formats of trace context in use; the first that decides counts. Default: w3c.",
                |_| {
                    let mut schema = non_empty_list(one_of(&["w3c", "b3", "b3multi", "xray", "datadog"]));
                    schema.insert("uniqueItems".to_owned(), true.into());
                    schema
                },
            )
            .optional_with("parent_id", "When a continued trace gets a new parent id. Default: on_change.", |_| {
                one_of(&["on_change", "always", "preserve"])
            })
            .optional::<bool>(
                "emit_unsampled_roots",
                "Whether a request that starts a trace and is not sampled gets a traceparent. Default: true.",
            )
            .optional::<Tracestate>("tracestate", "The sampling threshold in tracestate.")
            .optional::<Force>("force", "Who may force a trace.")
            .optional::<ClientIp>("client_ip", "Which address is the client's, for rules that ask for it.")
            .fields_of::<Rules<Sampling>>()
            .required_with("default", "What holds where no rule matches.", |generator| {
                ObjectSchema::new(generator).fields_of::<Rate>().build()
            })
            .build()
    }
}

impl JsonSchema for Sampling {
    fn schema_name() -> Cow<'static, str> {
        "Sampling".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        ObjectSchema::new(generator)
            .fields_of::<Rate>()
            .optional_with("parent", "When the caller decides about these requests.", |generator| {
                ObjectSchema::new(generator)
                    .required::<ParentPolicy>("policy", "As in the config's own parent.")
                    .build()
            })
            .build()
    }
}

impl JsonSchema for Rate {
    fn schema_name() -> Cow<'static, str> {
        "Rate".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let per_second = |generator: &mut SchemaGenerator| {
            let traces = |_: &mut SchemaGenerator| integer(1..=MOST_PER_SECOND);
            ObjectSchema::new(generator).required_with("per_second", "So many traces a second.", traces).build()
        };
        ObjectSchema::new(generator)
            .required::<Percent>(
                "sample",
                "How many requests are sampled; 0% in a rule is never, but under a caller's debug flag.",
            )
            .optional_with("reservoir", "The least that is sampled, if as many requests come.", per_second)
            .optional_with("cap", "The most that is sampled.", per_second)
            .build()
    }
}

impl JsonSchema for Parent {
    fn schema_name() -> Cow<'static, str> {
        "Parent".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        ObjectSchema::new(generator)
            .optional::<ParentPolicy>(
                "policy",
                "When the caller decides. Default: respect; ignore in the mode upstream.",
            )
            .optional::<Trust>("trust", "Whose traces are continued; everybody's, if left out.")
            .build()
    }
}

impl JsonSchema for ParentPolicy {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ParentPolicy".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        one_of(&["respect", "ignore", "respect_if_sampled"])
    }
}

impl JsonSchema for Trust {
    fn schema_name() -> Cow<'static, str> {
        "Trust".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = ObjectSchema::new(generator)
            .optional::<Vec<Cidr>>("cidrs", "Addresses of trusted peers.")
            .optional_with(
                "principals",
                "URIs in the certificates of trusted peers; a * at the end is any rest.",
                |_| json_schema!({"type": "array", "items": text(r"^([^*]+\*?|\*)$")}),
            )
            .build();
        schema.insert("minProperties".to_owned(), 1.into());
        schema
    }
}

impl JsonSchema for Tracestate {
    fn schema_name() -> Cow<'static, str> {
        "Tracestate".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        ObjectSchema::new(generator)
            .optional::<bool>("ot", "Whether the threshold is written. Default: true.")
            .optional_with("precision", "The significant hexadecimal digits of a threshold. Default: 4.", |_| {
                integer(1..=14)
            })
            .build()
    }
}

impl JsonSchema for Force {
    fn schema_name() -> Cow<'static, str> {
        "Force".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let digest = || text("^[0-9A-Fa-f]{64}$");
        ObjectSchema::new(generator)
            .optional_with("header", "The header that holds a token. Default: x-debug-trace.", |_| {
                text("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")
            })
            .required_with(
                "token_sha256",
                "The SHA-256 digests of the tokens that force a trace.",
                |_| json_schema!({"anyOf": [digest(), non_empty_list(digest())]}),
            )
            .build()
    }
}

#[cfg(test)]
mod tests;
