//! The span of one sampled request, by OpenTelemetry's
//! [conventions for HTTP servers](https://opentelemetry.io/docs/specs/semconv/http/http-spans/).

use std::borrow::Cow;
use std::time::Duration;

use palisade_sdk::{HeaderMap, matching::Field};
use prost::Message;

use super::otlp::{KeyValue, Span, Status};
use crate::{
    action::Change,
    sampler::Decision,
    traceparent::{self, Inbound},
};

/// The longest text in a span, in bytes: what a client sends is cut here.
pub(crate) const LONGEST: usize = 256;
/// The longest `tracestate` that a span repeats, in bytes; a longer one is left out, since a part of it is none.
const LONGEST_TRACESTATE: usize = 512;

const SERVER: i32 = 2;
const ERROR: i32 = 2;
/// The bits of a span's flags that say whether its parent is on another host.
const HAS_IS_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

/// The methods whose names a span may have; any other a client may have made up.
const METHODS: [&str; 10] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"];

/// The span of an exchange that is not over yet.
pub(crate) struct OpenSpan(Span);

/// What is known of an exchange when it is over.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    /// The time since the Unix epoch.
    pub(crate) time: Duration,
    /// The status that the client was sent, if it was sent any.
    pub(crate) status: Option<u16>,
    /// Why the exchange broke off, if it did; empty where nobody knows.
    pub(crate) broken: Option<Vec<u8>>,
    /// The name of the route that was taken.
    pub(crate) route: Option<Vec<u8>>,
}

// === impl OpenSpan ===

impl OpenSpan {
    /// The span of a request with these headers, if it is sampled.
    pub(crate) fn begin(headers: &HeaderMap, decision: &Decision<'_>, time: Duration) -> Option<Self> {
        let action = &decision.outcome.action;
        // Whoever exports spans gives each sampled request a parent id of its own: that of its span.
        let Change::Set(outbound) = &action.traceparent else { return None };
        let Inbound::Valid { traceparent: own, .. } = traceparent::read(Some(outbound)) else { return None };
        if !own.sampled {
            return None;
        }
        let parent = match traceparent::read(headers.joined("traceparent").as_deref()) {
            Inbound::Valid { traceparent: inbound, .. } if inbound.trace_id == own.trace_id => Some(inbound.parent_id),
            _ => None,
        };
        let trace_state = match &action.tracestate {
            Change::Set(list) => Some(list.as_slice().into()),
            Change::Keep => headers.joined("tracestate"),
            Change::Remove => None,
        };
        let trace_state = trace_state.filter(|list| list.len() <= LONGEST_TRACESTATE);

        let remote = if parent.is_some() { IS_REMOTE } else { 0 };
        let mut span = Self(Span {
            trace_id: own.trace_id.to_be_bytes().into(),
            span_id: own.parent_id.to_be_bytes().into(),
            trace_state: trace_state.and_then(|list| String::from_utf8(list.into_owned()).ok()).unwrap_or_default(),
            parent_span_id: parent.map(|id| id.to_be_bytes().into()).unwrap_or_default(),
            name: "HTTP".to_owned(),
            kind: SERVER,
            start_time_unix_nano: nanoseconds(time),
            end_time_unix_nano: 0,
            attributes: Vec::with_capacity(10),
            status: None,
            flags: u32::from(own.flags()) | HAS_IS_REMOTE | remote,
        });
        span.describe(headers);
        span.set("palisade.tier", decision.tier.name().as_bytes());
        span.set("palisade.reason", decision.outcome.verdict.reason.name().as_bytes());
        Some(span)
    }

    fn describe(&mut self, headers: &HeaderMap) {
        let line = |name| headers.all(name).next();
        if let Some(method) = line(":method") {
            match METHODS.iter().find(|known| known.as_bytes() == method) {
                Some(known) => {
                    self.set("http.request.method", method);
                    self.0.name = (*known).to_owned();
                }
                None => {
                    self.set("http.request.method", b"_OTHER");
                    self.set("http.request.method_original", method);
                }
            }
        }
        if let Field::One(path) = headers.field(":path") {
            // A query may hold what no collector should know.
            let path = path.split(|byte| matches!(byte, b'?' | b'#')).next();
            self.set("url.path", path.unwrap_or_default());
        }
        if let Some(scheme) = line(":scheme") {
            self.set("url.scheme", scheme);
        }
        if let Some(authority) = line(":authority") {
            let (address, port) = server(authority);
            self.set("server.address", address);
            if let Some(port) = port {
                self.0.attributes.push(KeyValue::integer("server.port", port));
            }
        }
        if let Some(agent) = line("user-agent") {
            self.set("user_agent.original", agent);
        }
    }

    /// The encoded span of an exchange that is over.
    pub(crate) fn end(mut self, ending: &Ending) -> Vec<u8> {
        if let Some(route) = ending.route.as_deref().filter(|route| !route.is_empty()) {
            self.0.name.push(' ');
            self.0.name.push_str(&text(route));
        }
        if let Some(status) = ending.status {
            self.0.attributes.push(KeyValue::integer("http.response.status_code", status));
        }
        if let Some(kind) = ending.error() {
            self.set("error.type", &kind);
            self.0.status = Some(Status { code: ERROR });
        }
        // A clock that was set back in between makes no span of negative length.
        self.0.end_time_unix_nano = nanoseconds(ending.time).max(self.0.start_time_unix_nano);
        self.0.encode_to_vec()
    }

    fn set(&mut self, key: &str, value: &[u8]) {
        self.0.attributes.push(KeyValue::text(key, text(value)));
    }
}

// === impl Ending ===

impl Ending {
    /// The kind of error that it was, if it was one: the status of a failure, else why the exchange broke off.
    fn error(&self) -> Option<Cow<'_, [u8]>> {
        match (self.status, self.broken.as_deref()) {
            (Some(status @ 500..), _) => Some(status.to_string().into_bytes().into()),
            (_, Some([])) => Some(b"_OTHER".into()),
            (_, broken) => broken.map(Cow::Borrowed),
        }
    }
}

/// The host and the port of an authority, without credentials that should not be there.
fn server(authority: &[u8]) -> (&[u8], Option<u16>) {
    let host = authority.rsplit(|byte| *byte == b'@').next().unwrap_or_default();
    let colon = host.iter().rposition(|byte| *byte == b':');
    let split = colon.and_then(|colon| {
        let (name, port) = host.split_at_checked(colon)?;
        Some((name, str::from_utf8(port.get(1..)?).ok()?.parse().ok()?))
    });
    match split {
        // The last colon of an IPv6 address without brackets is none before a port.
        Some((name, port)) if !name.contains(&b':') || name.ends_with(b"]") => (name, Some(port)),
        _ => (host, None),
    }
}

/// Bytes as text: what is not UTF-8 is replaced, for protobuf knows no other, and what is too long is cut.
fn text(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        let replacement = if chunk.invalid().is_empty() { "" } else { "\u{FFFD}" };
        for part in [chunk.valid(), replacement] {
            let room = LONGEST.saturating_sub(text.len());
            text.push_str(part.get(..part.floor_char_boundary(room)).unwrap_or_default());
            if part.len() > room {
                return text;
            }
        }
    }
    text
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
