//! The wasm module of the guest stamp.

palisade_sdk::filter!(palisade_guest_stamp::Stamp, phases: [request_headers]);
