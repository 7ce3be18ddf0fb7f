//! The guest gate in a module of the proxy-wasm crate.
#![expect(missing_docs, reason = "the macro's export has no documentation")]

use palisade_guest_gate::Gate;
use palisade_proxy_wasm::{Root, log_to_host};

proxy_wasm::main! {{
    log_to_host();
    proxy_wasm::set_root_context(|id| Box::new(Root::<Gate>::new(id)));
}}
