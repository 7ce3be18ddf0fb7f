//! The probe: a filter that uses each ability of the SDK against a real host, one a request, chosen by the path.
//!
//! What it finds it tells the client: in a reply's body, or in headers named `x-probe-*`.

mod bodies;
mod callouts;
mod grpc;
mod held;
mod host;
mod together;
mod verified;

use futures_util::future::join3;
use palisade_sdk::config::{ConfigErrors, FromFields, Object, Secret};
use palisade_sdk::metrics::Family;
use palisade_sdk::{
    CallError, Counter, Event, Exchange, Filter, GrpcAnswer, GrpcError, Handle, OnFailure, Phases, Plugin, Reply,
    Request, SharedKey, labels, phases,
};
use std::time::Duration;
use together::{SharedCall, SingleFlight};

/// The filter.
pub struct Probe {
    config: Config,
    requests: SharedKey,
    background_runs: Family<Counter, 1>,
    flight: SingleFlight<Result<u16, CallError>>,
    grpc_flight: SingleFlight<Result<GrpcAnswer, GrpcError>>,
    shared_call: SharedCall,
    event: Event,
    plugin: Plugin,
}

/// Its configuration.
pub struct Config {
    /// The cluster that callouts go to.
    callouts: String,
    /// What distinguishes this configuration from another.
    label: String,
    /// What nobody else knows.
    secret: Option<Secret>,
}

impl FromFields for Config {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let callouts = object.required("callouts");
        let label = object.required("label");
        let secret = object.optional("secret");
        Some(Self { callouts: callouts?, label: label?, secret: secret? })
    }
}

impl Filter for Probe {
    type Config = Config;

    const NAME: &'static str = "probe";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const PHASES: Phases = phases![
        request_headers,
        request_body,
        request_trailers,
        response_headers,
        response_body,
        response_trailers,
        http_call,
        grpc_call,
        sleep
    ];
    const ON_FAILURE: OnFailure = OnFailure::Refuse;

    fn configure(config: Config, plugin: Plugin) -> Result<Self, ConfigErrors> {
        if config.label == "refused by configure" {
            return Err(ConfigErrors::new("label", "this one is refused"));
        }
        let requests = plugin.shared("requests");
        let background_runs = plugin.counters("background_runs", labels!["label"]);
        Ok(Self {
            config,
            requests,
            background_runs,
            flight: SingleFlight::default(),
            grpc_flight: SingleFlight::default(),
            shared_call: SharedCall::default(),
            event: Event::default(),
            plugin,
        })
    }

    async fn exchange(&self, exchange: Exchange<Self>) -> Result<(), Reply> {
        let request = exchange.request().await;
        let path = request.header(":path")?.unwrap_or_default();
        let path = String::from_utf8_lossy(&path).into_owned();
        match path.split('?').next().unwrap_or_default() {
            "/label" => self.label(request).await,
            "/host" => self.host(&request),
            "/count" => self.count(),
            "/secret" => Err(Reply::new(200, "probe_secret").body(self.secret())),
            "/signature" => host::signature(&request),
            "/event/wait" => self.wait_for_event(&request).await,
            "/event/notify" => self.notify(),
            "/memory" => Err(Reply::new(200, "probe_memory").body(host::memory_pages().to_string())),
            "/panic" => panics(),
            "/headers" => headers(request).await,
            "/snapshot" => host::snapshot(request).await,
            "/reply" => Err(Reply::new(403, "probe_reply").header("x-probe", "reply")?.body("no")),
            "/reply/split" => Err(Reply::new(403, "probe_reply").header("x-probe", "a\r\nset-cookie: b")?),
            "/split" => split(request),
            "/call" => self.call(request).await,
            "/call/error" => self.call_error(request).await,
            "/call/bytes" => self.call_bytes(request).await,
            "/call/in-body" => self.call_in_body(request).await,
            "/call/in-response" => self.call_in_response(request).await,
            "/grpc" => self.grpc(request).await,
            "/grpc/names" => self.grpc_names(request).await,
            "/grpc/label" => self.grpc_label(request).await,
            "/grpc/single-flight" => self.grpc_flight().await,
            "/sleep" => self.sleep(request).await,
            "/cancel/call" => self.cancelled_call(request).await,
            "/cancel/grpc" => self.cancelled_grpc(request).await,
            "/cancel/sleep" => self.cancelled_sleep(request).await,
            "/unordered" => self.unordered(request).await,
            "/single-flight" => self.single_flight().await,
            "/shared-call" => self.shared_call(&request).await,
            "/stall" => std::future::pending().await,
            "/body/read" => bodies::read(request).await,
            "/body/rewrite" => bodies::rewrite(request).await,
            "/body/whole" => bodies::whole(request).await,
            "/body/keep" => bodies::keep(request).await,
            "/body/too-long" => bodies::too_long(request).await,
            "/response/rewrite" => bodies::rewrite_response(request).await,
            "/response/whole" => bodies::whole_response(request).await,
            "/response/reply" => {
                request.response().await;
                Err(Reply::new(418, "probe_response").body("replaced"))
            }
            "/response/status" => Ok(request.response().await.set_status(299)?),
            "/response/status/without-body" => status_without_body(request).await,
            "/trailers" => bodies::trailers(request).await,
            route if route.starts_with("/verified/") => self.verified(request, &path).await,
            route if route.starts_with("/held/") => self.held(request, &path).await,
            _ => Ok(()),
        }
    }

    async fn background(&self, handle: Handle<Self>) {
        let runs = async {
            while handle.sleep(Duration::from_millis(50)).await.is_ok() {
                self.background_runs.increment([&self.config.label]);
            }
        };
        join3(runs, self.fly(&handle), self.fly_by_grpc(&handle)).await;
    }
}

impl Probe {
    /// Which configuration serves this request, after a callout where the query is its path.
    async fn label(&self, mut request: Request<Self>) -> Result<(), Reply> {
        request.set_header("x-probe-label", &self.config.label)?;
        self.ask_query(&request).await?;
        let mut response = request.response().await;
        response.set_header("x-probe-label", &self.config.label)?;
        Ok(())
    }
}

/// Duplicates and bytes that are no text, in both directions.
async fn headers(mut request: Request<Probe>) -> Result<(), Reply> {
    let map = request.headers()?;
    let lines = map.all("x-twice").count();
    let joined = request.joined("x-twice")?.unwrap_or_default();
    let first = request.header("x-twice")?.unwrap_or_default();
    request.set_header("x-probe-bytes", [0x80, 0xE9, 0xFF])?;
    request.add_header("x-probe-added", "1")?;
    request.add_header("x-probe-added", "2")?;
    request.remove_header("x-twice")?;
    let mut response = request.response().await;
    response.set_header("x-probe-lines", lines.to_string())?;
    response.set_header("x-probe-joined", joined)?;
    response.set_header("x-probe-first", first)?;
    Ok(())
}

/// Tries to give a response with a body a status that allows none.
async fn status_without_body(request: Request<Probe>) -> Result<(), Reply> {
    let mut response = request.response().await;
    let mut refused = 0_u32;
    for status in [204, 205, 304] {
        refused = refused.saturating_add(u32::from(response.set_status(status).is_err()));
    }
    response.set_header("x-probe-refused", refused.to_string())?;
    Ok(())
}

#[expect(clippy::panic, reason = "what a filter must not do, to see what comes of it")]
fn panics() -> ! {
    panic!("the probe panics as it was told")
}

/// Tries to split a request and to desynchronise its framing; nothing of it may reach the upstream.
fn split(mut request: Request<Probe>) -> Result<(), Reply> {
    let attempts = [
        ("x-probe", &b"a\r\nx-smuggled: 1"[..]),
        ("x-probe", b"a\nb"),
        ("x-probe", b"a\0b"),
        ("x-probe\r\nx-smuggled", b"1"),
        ("x-probe", b"a\x01b"),
        ("x-probe", b"a\x7Fb"),
        ("x-probe", b" a"),
        ("x-probe", b"a\t"),
        ("content-length", b"0"),
        ("transfer-encoding", b"chunked"),
        ("host", b"evil"),
        ("connection", b"x-probe"),
        ("upgrade", b"websocket"),
        ("te", b"trailers"),
        ("keep-alive", b"timeout=5"),
        ("proxy-connection", b"keep-alive"),
        ("http2-settings", b"AAMAAABkAAQAAP__"),
        (":method", b"GET /smuggled HTTP/1.1"),
        (":path", b"/a HTTP/1.1"),
        (":path", b"/a\tb"),
        (":authority", b"a b"),
        (":scheme", b"http x"),
        (":status", b"200"),
    ];
    let refused = attempts.iter().filter(|(name, value)| request.set_header(name, value).is_err()).count();
    let removed = request.remove_header(":method").is_err() && request.remove_header("content-length").is_err();
    request.set_header("x-probe-refused", format!("{refused}/{} {removed}", attempts.len()))?;
    Ok(())
}
