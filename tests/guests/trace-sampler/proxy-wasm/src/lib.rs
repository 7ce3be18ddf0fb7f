//! The trace sampler in a module of the proxy-wasm crate.
#![expect(missing_docs, reason = "the macro's export has no documentation")]

use palisade_proxy_wasm::{Root, log_to_host};
use palisade_trace_sampler::TraceSampler;

proxy_wasm::main! {{
    log_to_host();
    proxy_wasm::set_root_context(|id| Box::new(Root::<TraceSampler>::new(id)));
}}
