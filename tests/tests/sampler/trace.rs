//! The trace context that reached the upstream.

use palisade_testbed::{Headers, Response};

/// The fields of a `traceparent`, and all of `tracestate`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trace {
    pub(crate) trace_id: String,
    pub(crate) parent_id: String,
    pub(crate) flags: String,
    /// The lines, joined with `,`; empty where there is none.
    pub(crate) state: String,
}

impl Trace {
    /// Of a response with the upstream's echo.
    ///
    /// # Panics
    ///
    /// If there is not exactly one `traceparent`, or it is none.
    pub(crate) fn of(response: &Response) -> Self {
        let echo = response.echo().unwrap();
        Self::new(&echo.header("traceparent"), &echo.header("tracestate"))
    }

    /// Of the headers of a request.
    pub(crate) fn read(headers: &Headers) -> Self {
        let lines = |name| headers.all(name).into_iter().map(|line| String::from_utf8(line.to_vec()).unwrap());
        let (parents, states): (Vec<_>, Vec<_>) = (lines("traceparent").collect(), lines("tracestate").collect());
        Self::new(
            &parents.iter().map(String::as_str).collect::<Vec<_>>(),
            &states.iter().map(String::as_str).collect::<Vec<_>>(),
        )
    }

    pub(crate) fn sampled(&self) -> bool {
        self.flags == "01" || self.flags == "03"
    }

    fn new(parents: &[&str], states: &[&str]) -> Self {
        let [parent] = parents else { panic!("{} lines of traceparent: {parents:?}", parents.len()) };
        let fields: Vec<_> = parent.split('-').collect();
        let ["00", trace_id, parent_id, flags @ ("00" | "01" | "02" | "03")] = fields.as_slice() else {
            panic!("{parent:?} is no traceparent of version 00")
        };
        for (id, length) in [(trace_id, 32), (parent_id, 16)] {
            let is_id = id.len() == length && id.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
            assert!(is_id && id.bytes().any(|digit| digit != b'0'), "{parent:?}");
        }
        let [trace_id, parent_id, flags] = [trace_id, parent_id, flags].map(|field| (*field).to_owned());
        Self { trace_id, parent_id, flags, state: states.join(",") }
    }
}

/// An id as `traceparent` writes it.
pub(crate) fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A `traceparent` of this trace.
pub(crate) fn traceparent(trace_id: &str, flags: &str) -> String {
    format!("00-{trace_id}-00f067aa0ba902b7-{flags}")
}
