//! One Envoy with two listeners: behind one a chain of four modules, behind the other the fused one.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Error, Result, anyhow};
use palisade::build::{Source, Workspace, build};
use palisade::catalog;
use palisade::lock::{Lock, Module};
use palisade_testbed::envoy::config::capabilities_mut;
use palisade_testbed::{Answer, Envoy, Idp, Request, Upstream, checkout, http1};
use serde_json::{Map, Value, json};

pub(crate) const CHAIN: &str = "chain";
pub(crate) const FUSED: &str = "fused";

/// The filters, in the order in which requests meet them.
pub(crate) const FILTERS: [&str; 4] = ["auth", "rate-limit", "trace-sampler", "data-masking"];

/// Headers whose values are never the same.
const CHANGING: [&str; 5] = ["date", "traceparent", "tracestate", "x-envoy-upstream-service-time", "x-request-id"];

pub(crate) struct Mesh {
    envoy: Envoy,
    pub(crate) upstream: Upstream,
    pub(crate) idp: Idp,
}

/// A message, as far as it is the same each time.
type Seen = (Vec<(String, String)>, Vec<u8>);

impl Mesh {
    /// Starts it, with an identity provider that has no keys yet; `hold_headers` says whether bodies come while headers are held.
    pub(crate) fn start(hold_headers: bool) -> Self {
        let (upstream, idp) = (Upstream::start().unwrap(), Idp::start().unwrap());
        upstream.on("/plain", Answer::default().header("content-type", "text/plain").body("hello b@c.example"));
        idp.answer_jwks(Answer::with_status(500));
        let listeners = [chain(hold_headers).unwrap(), fused(&configuration(), hold_headers).unwrap()];
        // Five modules are compiled.
        let envoy = Envoy::from_value(bootstrap(&listeners)).concurrency(1).start_timeout(Duration::from_secs(300));
        let envoy = envoy.cluster("upstream", upstream.addr()).unwrap().cluster("idp", idp.addr()).unwrap();
        Self { envoy: envoy.start().unwrap(), upstream, idp }
    }

    pub(crate) fn addr(&self, listener: &str) -> SocketAddr {
        self.envoy.addr(listener).unwrap()
    }

    /// Sends a request through both; what client and upstream see must be the same. Returns the status of a
    /// response that came whole.
    pub(crate) fn same(&self, request: &Request) -> Option<u16> {
        let seen = [CHAIN, FUSED].map(|listener| {
            self.upstream.forget();
            let response = http1::exchange(self.addr(listener), request).ok();
            let received: Vec<_> = self.upstream.received();
            // How far a request has come that is refused on its way, is a matter of time.
            let received = received.iter().filter(|received| received.ended.is_some()).map(|received| {
                let trailers = lines(&received.trailers);
                (received.method.clone(), received.path.clone(), seen(&received.headers, &received.body), trailers)
            });
            let status = response.as_ref().map(|response| response.status);
            (status, response.map(|response| seen(&response.headers, &response.body)), received.collect::<Vec<_>>())
        });
        let [chain, fused] = seen;
        assert_eq!(chain, fused, "{request:?}");
        fused.0
    }

    /// How many requests the samplers of both have decided about.
    pub(crate) fn decisions(&self) -> u64 {
        let name = "palisade.trace_sampler.decisions;tier=default;reason=probability;sampled=false";
        self.envoy.stat(&format!("wasmcustom.{name}")).unwrap()
    }
}

fn seen(headers: &palisade_testbed::Headers, body: &[u8]) -> Seen {
    (lines(headers), body.to_vec())
}

fn lines(headers: &palisade_testbed::Headers) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let line = |(name, value): (&[u8], &[u8])| {
        let (name, value) = (text(name).to_lowercase(), text(value));
        let value = match CHANGING.contains(&name.as_str()) {
            true => String::new(),
            // What remains is told with when that is reset.
            false => value.split(";t=").next().unwrap_or_default().to_owned(),
        };
        (name, value)
    };
    headers.iter().map(line).collect()
}

/// `cargo run -p palisade-issuer -- key EdDSA '{"kid": "a"}'`
pub(crate) fn keys() -> Value {
    json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": "L97pqU6ZmmStKNzSaadjqMF8tCqdsNiHmp8kmswKeOM"}]})
}

pub(crate) fn configuration() -> Value {
    let detectors = json!([{"type": "email", "action": {"replace": "[email]"}}]);
    json!({
        "auth": {
            "api_key": {
                "from": [{"header": "x-api-key"}],
                "clients": [{"id": "mobile", "key_sha256": palisade_testbed::sha256(b"hello")}],
                "hide_credentials": true,
                "forward": {"claims": [{"claim": "sub", "header": "x-auth-sub"}]},
            },
            "jwt": {"providers": {"main": {
                "issuer": "https://idp.example", "audiences": ["shop"],
                "jwks": {"remote": {"cluster": "idp", "path": "/jwks.json", "startup_wait": "30s"}},
                "forward": {"claims": [{"claim": "sub", "header": "x-auth-sub"}]},
            }}},
            "rules": [{"name": "held", "match": {"path": {"prefix": "/held"}}, "require": {"jwt": "main"}}],
            "default": {"require": {"api_key": {}}},
        },
        "rate_limit": {"limits": [
            {"name": "few", "key": [{"header": "x-user"}], "rate": "1/1d",
                "match": {"headers": [{"name": "x-user", "present": true}]}},
            {"name": "caller", "key": [{"header": "x-auth-sub"}], "rate": "1000/1d"},
        ]},
        "trace_sampler": {
            "rules": [{"name": "vip", "match": {"headers": [{"name": "x-user-tier", "exact": "vip"}]}, "sample": "100%"}],
            "default": {"sample": "0.000001%"},
        },
        "data_masking": {
            "rules": [
                {"name": "blocked", "match": {"path": {"prefix": "/blocked"}}, "direction": ["request", "response"],
                    "detectors": [{"type": "credit_card", "action": {"block": {}}}]},
                {"name": "all", "direction": ["request", "response"], "detectors": detectors},
            ],
            "headers": [{"name": "x-contact", "direction": ["request"]}, {"name": "x-end", "direction": ["request"]}],
        },
    })
}

/// What Envoy logs when it refuses a configuration of the fused module.
pub(crate) fn refusal(configuration: &Value) -> String {
    let bootstrap = bootstrap(&[fused(configuration, true).unwrap()]);
    let started = Envoy::from_value(bootstrap).start_timeout(Duration::from_secs(300)).start();
    format!("{:#}", started.map(|_| ()).unwrap_err())
}

fn bootstrap(listeners: &[Value]) -> Value {
    let clusters = ["upstream", "idp"].map(cluster);
    json!({"static_resources": {"listeners": listeners, "clusters": clusters}})
}

/// The listener of the four modules.
fn chain(hold_headers: bool) -> Result<Value> {
    let dist = checkout::root()?.join("dist");
    let lock = Lock::read_verified(&dist)?;
    let mut chain = Vec::new();
    for filter in FILTERS.map(|filter| filter.replace('-', "_")) {
        let module = lock.module(&filter).with_context(|| format!("dist has no {filter}"))?;
        chain.push(plugin(CHAIN, module, &dist, &configuration()[&filter], hold_headers)?);
    }
    Ok(listener(CHAIN, chain))
}

/// The listener of the one module.
fn fused(configuration: &Value, hold_headers: bool) -> Result<Value> {
    let (folder, module) = fused_module()?;
    Ok(listener(FUSED, vec![plugin(FUSED, &module, &folder, configuration, hold_headers)?]))
}

/// The one module, and the folder that it is in.
pub(crate) fn fused_module() -> Result<(PathBuf, Module)> {
    static BUILT: OnceLock<Result<(PathBuf, Module), String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| build_fused().map_err(|error| format!("{error:#}")));
    built.clone().map_err(|error| anyhow!("building the fused module: {error}"))
}

fn build_fused() -> Result<(PathBuf, Module)> {
    let filters = FILTERS.map(|name| catalog::find(name).map_err(Error::msg));
    let out = checkout::root()?.join("target/guests/fused");
    let source = Source::Fused(filters.into_iter().collect::<Result<_>>()?);
    let module = build(&Workspace::find()?, &source, &out)?.into_iter().next();
    Ok((out, module.context("the build gave no module")?))
}

fn plugin(chain: &str, module: &Module, folder: &Path, own: &Value, hold_headers: bool) -> Result<Value> {
    let mut plugin = json!({
        "name": module.name,
        "failure_policy": "FAIL_CLOSED",
        "allow_on_headers_stop_iteration": hold_headers,
        "vm_config": {
            "vm_id": format!("{chain} {}", module.name),
            "runtime": "envoy.wasm.runtime.v8",
            "code": {"local": {"filename": folder.join(&module.file)}},
        },
        "configuration": {"@type": "type.googleapis.com/google.protobuf.Struct", "value": own},
    });
    let allowed: Map<_, _> = module.capabilities().into_iter().map(|name| (name.to_owned(), json!({}))).collect();
    *capabilities_mut(&mut plugin, checkout::envoy_release()?) = allowed.into();
    Ok(json!({"name": module.name, "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm", "config": plugin,
    }}))
}

fn listener(name: &str, mut filters: Vec<Value>) -> Value {
    filters.push(json!({"name": "envoy.filters.http.router", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
    }}));
    json!({
        "name": name,
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "filter_chains": [{"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": name,
            "codec_type": "AUTO",
            "http_protocol_options": {"enable_trailers": true},
            "use_remote_address": true,
            "route_config": {"name": "all", "virtual_hosts": [{
                "name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "upstream"}}],
            }]},
            "http_filters": filters,
        }}]}],
    })
}

fn cluster(name: &str) -> Value {
    json!({
        "name": name, "type": "STATIC", "connect_timeout": "10s",
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http_protocol_options": {"enable_trailers": true}},
        }},
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [
            {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 1}}}},
        ]}]},
    })
}
