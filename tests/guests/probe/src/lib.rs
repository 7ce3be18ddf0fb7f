//! The probe: a filter that uses each ability of the SDK against a real host, one a request, chosen by the path.
//!
//! What it finds it tells the client: in a reply's body, or in headers named `x-probe-*`.

mod bodies;
mod callouts;
mod host;

use palisade_sdk::config::{ConfigErrors, FromFields, Object};
use palisade_sdk::{
    Counter, Exchange, Filter, Handle, OnFailure, Phases, Plugin, Reply, Request, SharedKey, filter, phases,
};
use std::time::Duration;

filter!(
    Probe,
    phases: [
        request_headers, request_body, request_trailers,
        response_headers, response_body, response_trailers,
        http_call, sleep,
    ]
);

struct Probe {
    config: Config,
    requests: SharedKey,
    background_runs: Counter,
    plugin: Plugin,
}

struct Config {
    /// The cluster that callouts go to.
    callouts: String,
    /// What distinguishes this configuration from another.
    label: String,
}

impl FromFields for Config {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let callouts = object.required("callouts");
        let label = object.required("label");
        Some(Self { callouts: callouts?, label: label? })
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
        sleep
    ];
    const ON_FAILURE: OnFailure = OnFailure::Refuse;

    fn configure(config: Config, plugin: Plugin) -> Result<Self, ConfigErrors> {
        if config.label == "refused by configure" {
            return Err(ConfigErrors::new("label", "this one is refused"));
        }
        let requests = plugin.shared("requests");
        let background_runs = plugin.counter("background_runs", &[("label", &config.label)]);
        Ok(Self { config, requests, background_runs, plugin })
    }

    async fn exchange(&self, exchange: Exchange<Self>) -> Result<(), Reply> {
        let request = exchange.request().await;
        let path = request.header(":path")?.unwrap_or_default();
        let path = String::from_utf8_lossy(&path).into_owned();
        match path.split('?').next().unwrap_or_default() {
            "/label" => self.label(request).await,
            "/host" => self.host(&request),
            "/headers" => headers(request).await,
            "/snapshot" => host::snapshot(request).await,
            "/reply" => Err(Reply::new(403, "probe_reply").header("x-probe", "reply")?.body("no")),
            "/reply/split" => Err(Reply::new(403, "probe_reply").header("x-probe", "a\r\nset-cookie: b")?),
            "/split" => split(request),
            "/call" => self.call(request).await,
            "/call/error" => self.call_error(request).await,
            "/call/in-body" => self.call_in_body(request).await,
            "/call/in-response" => self.call_in_response(request).await,
            "/sleep" => self.sleep(request).await,
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
            "/trailers" => bodies::trailers(request).await,
            _ => Ok(()),
        }
    }

    async fn background(&self, handle: Handle<Self>) {
        while handle.sleep(Duration::from_millis(50)).await.is_ok() {
            self.background_runs.increment();
        }
    }
}

impl Probe {
    /// Which configuration serves this request, at its beginning and at its end.
    async fn label(&self, request: Request<Self>) -> Result<(), Reply> {
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

/// Tries to split a request and to desynchronise its framing; nothing of it may reach the upstream.
fn split(mut request: Request<Probe>) -> Result<(), Reply> {
    let attempts = [
        ("x-probe", &b"a\r\nx-smuggled: 1"[..]),
        ("x-probe", b"a\nb"),
        ("x-probe", b"a\0b"),
        ("x-probe\r\nx-smuggled", b"1"),
        ("content-length", b"0"),
        ("transfer-encoding", b"chunked"),
        (":status", b"200"),
    ];
    let refused = attempts.iter().filter(|(name, value)| request.set_header(name, value).is_err()).count();
    let removed = request.remove_header(":method").is_err() && request.remove_header("content-length").is_err();
    request.set_header("x-probe-refused", format!("{refused}/{} {removed}", attempts.len()))?;
    Ok(())
}
