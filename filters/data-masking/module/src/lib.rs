//! The wasm module of the data masking filter.

palisade_sdk::filter!(
    palisade_data_masking::DataMasking,
    phases: [request_headers, request_body, request_trailers, response_headers, response_body, response_trailers]
);
