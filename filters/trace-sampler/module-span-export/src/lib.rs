//! The wasm module of the trace sampler that exports spans.

palisade_sdk::filter!(
    palisade_trace_sampler::SpanExportingTraceSampler,
    phases: [request_headers, end, background, http_call, sleep]
);
