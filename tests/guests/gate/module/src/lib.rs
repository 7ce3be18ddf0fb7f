//! The wasm module of the guest gate.

palisade_sdk::filter!(palisade_guest_gate::Gate, phases: [request_headers, http_call]);
