//! The wasm module of the guest quota.

palisade_sdk::filter!(palisade_guest_quota::Quota, phases: [request_headers, grpc_call]);
