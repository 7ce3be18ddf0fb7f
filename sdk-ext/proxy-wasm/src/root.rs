//! Root: a root context of the `proxy-wasm` crate that is one plugin configuration of a filter.

use crate::context::Context;
use crate::http::Http;
use crate::log;
use palisade_sdk::{Filter, phases, shell};
use proxy_wasm::traits::{HttpContext, RootContext};
use proxy_wasm::types::ContextType;

/// The root context of a filter: its configuration, its background task, and the ticks.
pub struct Root<F: Filter> {
    context: Context<F>,
}

impl<F: Filter> Root<F> {
    /// The root context with this id, to be made when the host creates that.
    #[must_use]
    pub fn new(id: u32) -> Self {
        const {
            assert!(
                F::PHASES.are_complete(),
                "a body or trailers phase needs the headers of its side, a response phase needs request_headers, and \
                 background an event that it waits for"
            );
        }
        Self { context: Context::new(id) }
    }
}

impl<F: Filter> proxy_wasm::traits::Context for Root<F> {
    fn on_http_call_response(&mut self, token_id: u32, num_headers: usize, body_size: usize, _num_trailers: usize) {
        self.context.http_call_response(token_id, num_headers, body_size);
    }

    fn on_grpc_call_response(&mut self, token_id: u32, status_code: u32, response_size: usize) {
        self.context.grpc_call_response(token_id, status_code, response_size);
    }
}

impl<F: Filter> RootContext for Root<F> {
    fn on_configure(&mut self, plugin_configuration_size: usize) -> bool {
        log::refresh();
        let id = self.context.id;
        if (F::PHASES.has(phases![http_call]) || F::PHASES.has(phases![grpc_call]))
            && let Err(error) = shell::set_effective_context(id)
        {
            // The crate's dispatcher panics at the first answer.
            shell::write_log(4, &format!("{}: configuration refused: without callouts, {error}", F::NAME));
            return false;
        }
        self.context.callback(|runtime| runtime.configure(id, plugin_configuration_size))
    }

    fn on_tick(&mut self) {
        log::refresh();
        self.context.callback(|runtime| runtime.tick(self.context.id));
    }

    fn create_http_context(&self, context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Http::<F>::new(context_id, self.context.id)))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}
