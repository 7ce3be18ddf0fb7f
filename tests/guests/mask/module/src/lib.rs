//! The wasm module of the guest mask.

palisade_sdk::filter!(palisade_guest_mask::Mask, phases: [request_headers, response_headers, response_body]);
