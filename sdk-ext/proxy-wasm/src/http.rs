//! HTTP: an HTTP context of the `proxy-wasm` crate that is one exchange of a filter.

use crate::context::Context;
use crate::log;
use palisade_sdk::{Filter, phases};
use proxy_wasm::traits::HttpContext;
use proxy_wasm::types::Action;

/// The context of one exchange.
pub struct Http<F: Filter> {
    context: Context<F>,
    root: u32,
}

impl<F: Filter> Http<F> {
    /// Whether the filter takes part in responses; a module of `filter!` has the callbacks only then.
    const SEES_RESPONSES: bool = F::PHASES.has(phases![response_headers]);

    /// The context with this id, below the [`Root`](crate::Root) with that one.
    #[must_use]
    pub fn new(context_id: u32, root_context_id: u32) -> Self {
        Self { context: Context::new(context_id), root: root_context_id }
    }
}

impl<F: Filter> proxy_wasm::traits::Context for Http<F> {
    fn on_http_call_response(&mut self, token_id: u32, num_headers: usize, body_size: usize, _num_trailers: usize) {
        self.context.http_call_response(token_id, num_headers, body_size);
    }

    fn on_grpc_call_response(&mut self, token_id: u32, status_code: u32, response_size: usize) {
        self.context.grpc_call_response(token_id, status_code, response_size);
    }
}

impl<F: Filter> HttpContext for Http<F> {
    fn on_http_request_headers(&mut self, _num_headers: usize, end_of_stream: bool) -> Action {
        log::follow();
        let id = self.context.id;
        action(self.context.callback(|runtime| {
            runtime.stream_create(id, self.root);
            runtime.request_headers(id, end_of_stream)
        }))
    }

    fn on_http_request_body(&mut self, body_size: usize, end_of_stream: bool) -> Action {
        let id = self.context.id;
        action(self.context.callback(|runtime| runtime.request_body(id, body_size, end_of_stream)))
    }

    fn on_http_request_trailers(&mut self, _num_trailers: usize) -> Action {
        action(self.context.callback(|runtime| runtime.request_trailers(self.context.id)))
    }

    fn on_http_response_headers(&mut self, _num_headers: usize, end_of_stream: bool) -> Action {
        if !Self::SEES_RESPONSES {
            return Action::Continue;
        }
        let id = self.context.id;
        action(self.context.callback(|runtime| runtime.response_headers(id, end_of_stream)))
    }

    fn on_http_response_body(&mut self, body_size: usize, end_of_stream: bool) -> Action {
        if !Self::SEES_RESPONSES {
            return Action::Continue;
        }
        let id = self.context.id;
        action(self.context.callback(|runtime| runtime.response_body(id, body_size, end_of_stream)))
    }

    fn on_http_response_trailers(&mut self, _num_trailers: usize) -> Action {
        if !Self::SEES_RESPONSES {
            return Action::Continue;
        }
        action(self.context.callback(|runtime| runtime.response_trailers(self.context.id)))
    }
}

fn action(answer: u32) -> Action {
    match answer {
        0 => Action::Continue,
        _ => Action::Pause,
    }
}
