//! The guest probe in a module of the proxy-wasm crate that has work of its own, which a request asks for with `x-own`:
//! `call` asks the callouts' cluster for `/own` and counts the request by way of a queue; `mark` marks the exchange
//! behind each answer to a callout.
#![expect(missing_docs, reason = "the macro's export has no documentation")]

use palisade_guest_probe::Probe;
use palisade_proxy_wasm::{Http, Root, log_to_host};
use proxy_wasm::hostcalls::{define_metric, increment_metric};
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, MetricType};
use std::time::Duration;

proxy_wasm::main! {{
    log_to_host();
    proxy_wasm::set_root_context(|id| Box::new(OwnRoot { id, palisade: Root::new(id), queue: None }));
}}

struct OwnRoot {
    id: u32,
    palisade: Root<Probe>,
    queue: Option<u32>,
}

struct OwnHttp {
    palisade: Http<Probe>,
    queue: Option<u32>,
    call: Option<u32>,
    answer: Option<String>,
    marks: bool,
}

impl Context for OwnRoot {
    fn on_http_call_response(&mut self, token: u32, headers: usize, body: usize, trailers: usize) {
        self.palisade.on_http_call_response(token, headers, body, trailers);
    }

    fn on_grpc_call_response(&mut self, token: u32, status: u32, size: usize) {
        self.palisade.on_grpc_call_response(token, status, size);
    }
}

impl RootContext for OwnRoot {
    fn on_configure(&mut self, size: usize) -> bool {
        self.queue = Some(self.register_shared_queue("own"));
        self.palisade.on_configure(size)
    }

    fn on_tick(&mut self) {
        self.palisade.on_tick();
    }

    fn on_queue_ready(&mut self, queue: u32) {
        while let Ok(Some(_)) = self.dequeue_shared_queue(queue) {
            count("own.queued");
        }
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        let palisade = Http::new(id, self.id);
        Some(Box::new(OwnHttp { palisade, queue: self.queue, call: None, answer: None, marks: false }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl Context for OwnHttp {
    fn on_http_call_response(&mut self, token: u32, headers: usize, body: usize, trailers: usize) {
        if self.call == Some(token) {
            self.answer = self.get_http_call_response_header(":status");
            count("own.answered");
        }
        self.palisade.on_http_call_response(token, headers, body, trailers);
        if self.marks {
            self.set_property(vec!["own.mark"], Some(b"1"));
        }
    }

    fn on_grpc_call_response(&mut self, token: u32, status: u32, size: usize) {
        self.palisade.on_grpc_call_response(token, status, size);
    }
}

impl HttpContext for OwnHttp {
    fn on_http_request_headers(&mut self, headers: usize, end_of_stream: bool) -> Action {
        let own = self.get_http_request_header("x-own");
        self.marks = own.as_deref() == Some("mark");
        let action = self.palisade.on_http_request_headers(headers, end_of_stream);
        if own.as_deref() == Some("call") {
            if let Some(queue) = self.queue {
                let _ = self.enqueue_shared_queue(queue, Some(b"a request"));
            }
            let headers = vec![(":method", "GET"), (":path", "/own"), (":authority", "callouts")];
            self.call = self.dispatch_http_call("callouts", headers, None, vec![], Duration::from_secs(5)).ok();
        }
        action
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        self.palisade.on_http_request_body(size, end_of_stream)
    }

    fn on_http_request_trailers(&mut self, trailers: usize) -> Action {
        self.palisade.on_http_request_trailers(trailers)
    }

    fn on_http_response_headers(&mut self, headers: usize, end_of_stream: bool) -> Action {
        if let Some(answer) = &self.answer {
            self.set_http_response_header("x-own", Some(answer));
        }
        if self.get_property(vec!["own.mark"]).is_some() {
            self.set_http_response_header("x-own-mark", Some("1"));
        }
        self.palisade.on_http_response_headers(headers, end_of_stream)
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        self.palisade.on_http_response_body(size, end_of_stream)
    }

    fn on_http_response_trailers(&mut self, trailers: usize) -> Action {
        self.palisade.on_http_response_trailers(trailers)
    }
}

fn count(name: &str) {
    if let Ok(metric) = define_metric(MetricType::Counter, name) {
        let _ = increment_metric(metric, 1);
    }
}
