//! What operators rely on: nothing takes what has changed on its way; and what `operations/` says to Prometheus and Grafana, held
//! against an Envoy with all four filters: a metric or a label that does not exist shows nothing, and nobody notices.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "what a test cannot do without"
)]

mod exposition;
mod flipped;
mod promql;

use std::collections::BTreeSet;
use std::fs;

use palisade_issuer::Issuer;
use palisade_testbed::{Envoy, Idp, ModuleServer, Request, Upstream, checkout, http1};
use serde_json::{Value, json};

use exposition::Exposition;

/// Metrics that Envoy has from their first event on, which a test of a whole proxy does not bring about; the README of
/// their filter has them.
const RARE: [&str; 6] = [
    "palisade_rate_limit_ambiguous",
    "palisade_rate_limit_contended",
    "palisade_rate_limit_exempt",
    "palisade_rate_limit_missing_key",
    "palisade_trace_sampler_contradicting",
    "palisade_trace_sampler_untrusted",
];

#[test]
fn every_metric_and_label_of_the_rules_and_the_dashboard_is_one_that_envoy_has() {
    let exposition = exercised();
    let expressions: Vec<_> = rules().into_iter().chain(panels()).collect();
    assert!(expressions.len() > 30, "{}", expressions.len());
    let mut missing = Vec::new();
    for expression in &expressions {
        let selectors = promql::selectors(expression);
        assert!(!selectors.is_empty(), "{expression}");
        for (metric, labels) in selectors {
            if RARE.contains(&metric.as_str()) {
                assert!(!exposition.has(&metric), "{metric} is not rare");
                assert!(is_documented(&metric), "no README has {metric}");
            } else if exposition.has(&metric) {
                let unknown = labels.into_iter().filter(|label| !exposition.has_label(&metric, label));
                missing.extend(unknown.map(|label| format!("{metric} has no label {label}: {expression}")));
            } else {
                missing.push(format!("Envoy has no {metric}: {expression}"));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn every_metric_of_the_filters_stands_in_a_rule_or_on_the_dashboard() {
    let shown: BTreeSet<_> =
        rules().iter().chain(&panels()).flat_map(|it| promql::selectors(it)).map(|it| it.0).collect();
    let exposition = exercised();
    let forgotten: Vec<_> =
        exposition.names().filter(|it| it.starts_with("palisade_") && !shown.contains(*it)).collect();
    assert!(forgotten.is_empty(), "{forgotten:?}");
}

#[test]
fn every_record_has_a_name_of_its_own() {
    let records = documents("prometheus.rules.yaml");
    let mut names: Vec<_> =
        records["groups"][0]["rules"].as_array().unwrap().iter().map(|rule| &rule["record"]).collect();
    let count = names.len();
    names.sort_by_key(|name| name.to_string());
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(names.iter().all(|name| name.as_str().is_some_and(|name| name.split(':').count() == 3)), "{names:?}");
}

/// What an Envoy with `chain.yaml` says after requests of each kind.
fn exercised() -> Exposition {
    let (upstream, idp) = (Upstream::start().unwrap(), Idp::start().unwrap());
    let modules = ModuleServer::start(checkout::root().unwrap().join("dist/modules")).unwrap();
    let issuer = Issuer::new();
    let mut key = issuer.jwk("EdDSA");
    key["kid"] = json!("a");
    idp.keys(&json!({"keys": [key]}));
    let builder = Envoy::pinned("chain.yaml").unwrap();
    let builder = builder.cluster("upstream", upstream.addr()).unwrap().cluster("idp", idp.addr()).unwrap();
    let envoy = builder.cluster("palisade_modules", modules.addr()).unwrap().start().unwrap();
    let token = |subject: &str| {
        let claims = json!({"iss": "https://idp.example", "aud": "shop", "sub": subject, "exp": 4_102_444_800_u64});
        format!("Bearer {}", issuer.token("EdDSA", &json!({"alg": "EdDSA", "kid": "a"}), &claims))
    };
    let requests = [
        Request::get("/orders"),
        Request::get("/orders").header("authorization", token("alice")).header("x-auth-sub", "root"),
        // No header can hold this one.
        Request::get("/orders").header("authorization", token("a\nb")),
        Request::get("/api/orders").header("authorization", token("alice")),
        Request::get("/healthz").header("traceparent", "00-nothing"),
    ];
    // What is masked, what cannot be, and what is not looked into.
    let answers = [("application/json", "identity"), ("application/json", "gzip"), ("image/png", "identity")];
    let customers = answers.map(|(content_type, encoding)| {
        let request = Request::get("/customers/1").header("authorization", token("alice"));
        let request = request.header("x-upstream-header", format!("content-type: {content_type}"));
        let request = request.header("x-upstream-header", format!("content-encoding: {encoding}"));
        request.header("x-upstream-body", r#"{"mail": "a@example.com"}"#)
    });
    let guesses = (0..6).map(|_| Request::post("/login", ""));
    for request in requests.into_iter().chain(customers).chain(guesses) {
        // One that fails is told by its metric.
        let _ = http1::exchange(envoy.addr("ingress").unwrap(), &request);
    }
    Exposition::read(&envoy.admin("/stats/prometheus").unwrap())
}

fn rules() -> Vec<String> {
    let rules = documents("prometheus.rules.yaml");
    texts(&rules, "expr")
}

fn panels() -> Vec<String> {
    let dashboard = fs::read(checkout::root().unwrap().join("operations/grafana.json")).unwrap();
    texts(&serde_json::from_slice(&dashboard).unwrap(), "expr")
}

fn documents(file: &str) -> Value {
    let text = fs::read_to_string(checkout::root().unwrap().join("operations").join(file)).unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

/// The texts of all fields of this name, wherever they stand.
fn texts(value: &Value, name: &str) -> Vec<String> {
    match value {
        Value::Object(fields) => {
            let own = fields.get(name).and_then(Value::as_str).map(str::to_owned);
            own.into_iter().chain(fields.values().flat_map(|field| texts(field, name))).collect()
        }
        Value::Array(items) => items.iter().flat_map(|item| texts(item, name)).collect(),
        _ => Vec::new(),
    }
}

fn is_documented(metric: &str) -> bool {
    ["auth", "data-masking", "rate-limit", "trace-sampler"].into_iter().any(|filter| {
        let readme = checkout::root().unwrap().join(format!("filters/{filter}/README.md"));
        let name = metric.strip_prefix(&format!("palisade_{}_", filter.replace('-', "_")));
        name.is_some_and(|name| fs::read_to_string(readme).unwrap().contains(&format!("| `{name}` |")))
    })
}
