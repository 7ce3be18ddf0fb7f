//! Write Proxy-Wasm filters for Envoy and Istio as one async function.
