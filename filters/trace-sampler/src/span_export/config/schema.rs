//! The JSON Schema of a configuration with `span_export`.

use std::borrow::Cow;

use palisade_sdk::config::schema::{self, ObjectSchema, integer, text};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::super::span::LONGEST;
use super::{MOST_IN_BATCH, MOST_QUEUED, SpanExport, WithSpanExport};
use crate::config::Config;

impl JsonSchema for WithSpanExport {
    fn schema_name() -> Cow<'static, str> {
        "TraceSamplerSpanExport".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        ObjectSchema::new(generator)
            .optional::<SpanExport>("span_export", "Where the spans of sampled requests go.")
            .fields_of::<Config>()
            .build()
    }
}

impl JsonSchema for SpanExport {
    fn schema_name() -> Cow<'static, str> {
        "SpanExport".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let name = || json_schema!({"type": "string", "minLength": 1, "maxLength": LONGEST});
        ObjectSchema::new(generator)
            .required_with("cluster", "The cluster of the collector.", |_| name())
            .optional_with("path", "Where the collector takes OTLP over HTTP. Default: /v1/traces.", |_| {
                text("^/[!-~]*$")
            })
            .optional_with("service_name", "The service of the spans. Default: unknown_service:envoy.", |_| name())
            .optional_with("queue", "The most spans that wait in a worker. Default: 2048.", |_| {
                integer(1..=MOST_QUEUED)
            })
            .optional_with(
                "batch",
                "The most spans that are sent at once. Default: 512, or the queue if that is less.",
                |_| integer(1..=MOST_IN_BATCH),
            )
            .optional::<schema::Duration>("interval", "The longest that a span waits for others. Default: 1s.")
            .optional::<schema::Duration>("timeout", "How long the collector may take to answer. Default: 10s.")
            .build()
    }
}

#[cfg(test)]
mod tests;
