//! The guest stamp as one would write it with the proxy-wasm crate alone.
#![expect(missing_docs, reason = "the macro's export has no documentation")]

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Stamp { stamp: false }));
}}

/// The ends of `{"stamp":true}`: as Envoy hands it over, a serialised `google.protobuf.Struct` with `bool_value` 1; and as JSON.
const TRUE: [&[u8]; 2] = [&[4 << 3, 1], b"true}"];

#[derive(Clone, Copy)]
struct Stamp {
    stamp: bool,
}

impl Context for Stamp {}

impl RootContext for Stamp {
    fn on_configure(&mut self, _: usize) -> bool {
        let Some(config) = self.get_plugin_configuration() else { return false };
        self.stamp = TRUE.iter().any(|end| config.ends_with(end));
        true
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(*self))
    }
}

impl HttpContext for Stamp {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        if self.stamp {
            self.add_http_request_header("x-stamp", "hello");
            log::info!("stamped hello");
        }
        Action::Continue
    }
}
