//! The wasm module of the trace sampler.

palisade_sdk::filter!(palisade_trace_sampler::TraceSampler, phases: [request_headers]);
