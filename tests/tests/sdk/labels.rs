//! Labels of metrics: how they come out of a name, and how many series clients can make.

use crate::guests::Guest;
use crate::mesh::{Mesh, Setup};
use palisade_testbed::envoy::{Update, config};
use palisade_testbed::{Request, http1, load};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

/// Catches a value that ends its label, is lost, or becomes a label that Envoy makes itself.
#[test]
fn values_of_every_kind_become_labels_and_nothing_else() {
    let long = "x".repeat(300);
    let cut = "x".repeat(64);
    let values: [(&[u8], &str); 11] = [
        (b"vip", "vip"),
        (b"", ""),
        (b"a;plan=b", "a_plan_b"),
        (b"a.b:c|d#e@f,g", "a_b_c_d_e_f_g"),
        (b"Az09_-/", "Az09_-/"),
        (b"\xE9\"\\{}", "_____"),
        (b"trailing.", "trailing_"),
        (b"other", "other"),
        (b"upstream_rq_503", "upstream_rq-503"),
        (b".rq.2xx", "_rq-2xx"),
        (long.as_bytes(), &cut),
    ];
    let mesh = Setup::new(Guest::Census).shows_labels().start().unwrap();
    let requests: Vec<_> = values.iter().flat_map(|(value, _)| [visit(*value, "p"), visit("t", *value)]).collect();
    load::run(mesh.addr(), 1, requests.len(), |at| requests[at].clone()).unwrap();

    let expected = values.iter().flat_map(|(_, value)| [[*value, "p"], ["t", *value]]);
    let expected = expected.map(|[tenant, plan]| (labels([("tenant", tenant), ("plan", plan)]), 1)).collect();
    let shown = prometheus(&mesh, "palisade_census_requests");
    assert_eq!(shown, expected);
}

#[test]
fn every_kind_of_metric_has_labels() {
    let mesh = Setup::new(Guest::Census).shows_labels().start().unwrap();
    for (tenant, plan) in [("four", "a"), ("three", "a"), ("two", "b"), ("one", "c")] {
        http1::exchange(mesh.addr(), &visit(tenant, plan)).unwrap();
    }
    // Envoy merges the workers' histograms at each flush.
    let lengths = || prometheus(&mesh, "palisade_census_lengths_count");
    let expected = BTreeMap::from([(labels([("plan", "a")]), 2), (labels([("plan", "other")]), 2)]);
    let deadline = Instant::now() + Duration::from_secs(20);
    while lengths() != expected {
        assert!(Instant::now() < deadline, "{:?}", lengths());
        thread::sleep(Duration::from_millis(50));
    }
    let configured = prometheus(&mesh, "palisade_census_configured");
    let configured = configured.keys().next().unwrap();
    assert_eq!(configured["version"], "0_1_0");
    assert_eq!(configured["config"].len(), 12);
}

#[test]
fn without_stats_tags_the_labels_stay_in_the_name() {
    let mesh = Setup::new(Guest::Census).start().unwrap();
    http1::exchange(mesh.addr(), &visit("a.b", "vip")).unwrap();
    assert_eq!(mesh.envoy.stat("wasmcustom.palisade.census.requests;tenant=a_b;plan=vip").unwrap(), 1);
    let shown = prometheus(&mesh, "palisade_census_requests_tenant_a_b_plan_vip");
    assert_eq!(shown, BTreeMap::from([(labels([]), 1)]));
}

/// Catches a cap of each worker or of each configuration, and requests that are counted nowhere or twice.
#[test]
fn ten_thousand_values_make_one_series_more_than_the_cap_over_workers_and_updates() {
    const CAP: usize = 50;
    let mut mesh = Setup::new(Guest::Census).workers(2).dynamic().shows_labels().start().unwrap();
    type Edit = fn(&mut Value);
    let steps: [(&str, Edit); 4] = [
        ("a lower cap", |plugin| plugin["configuration"]["value"]["cap"] = json!(10)),
        ("a rollback", |plugin| plugin["configuration"]["value"]["cap"] = json!(CAP)),
        ("new VMs", |plugin| plugin["vm_config"]["environment_variables"] = json!({"key_values": {"new": "VM"}})),
        ("a higher cap", |plugin| plugin["configuration"]["value"]["cap"] = json!(CAP + 5)),
    ];
    let mut seen = 0;
    let mut first = BTreeMap::new();
    for (step, edit) in [("the start", None)].into_iter().chain(steps.map(|(step, edit)| (step, Some(edit)))) {
        if let Some(edit) = edit {
            let update = mesh.envoy.update_listener("ingress", |listener| {
                edit(config::plugin_mut(listener, "census").unwrap());
                Ok(())
            });
            assert_eq!(update.unwrap(), Update::Accepted, "{step}");
        }
        load::run(mesh.addr(), 16, 2000, |at| visit(format!("tenant-{}", seen + at), "p")).unwrap();
        seen += 2000;
        let shown = prometheus(&mesh, "palisade_census_requests");
        let cap = if step == "a higher cap" { CAP + 5 } else { CAP };
        assert_eq!(shown.len(), cap + 1, "{step}: {shown:?}");
        assert_eq!(shown.values().sum::<u64>(), seen as u64, "{step}");
        assert_eq!(mesh.envoy.stats("wasmcustom.palisade.census.requests;").unwrap().len(), cap + 1, "{step}");
        if first.is_empty() {
            first = shown;
        }
    }
    let served = |worker| {
        let stats = mesh.envoy.stats("listener.").unwrap();
        stats.iter().any(|(name, count)| name.contains(worker) && name.ends_with("downstream_cx_total") && *count > 0)
    };
    assert!(served("worker_0") && served("worker_1"), "only one worker did it all");

    // Both workers know those who came first.
    for _ in 0..20 {
        for known in first.keys().filter(|labels| labels["tenant"] != "other") {
            http1::exchange(mesh.addr(), &visit(known["tenant"].as_str(), "p")).unwrap();
        }
    }
    let shown = prometheus(&mesh, "palisade_census_requests");
    for (known, count) in first {
        let more = if known["tenant"] == "other" { continue } else { 20 };
        assert_eq!(shown[&known], count + more, "{known:?}");
    }
}

#[test]
fn a_filter_without_shared_data_or_randomness_counts_everything_as_other() {
    for withheld in ["proxy_get_shared_data", "proxy_set_shared_data", "random_get"] {
        let mesh = Setup::new(Guest::Census).withhold(withheld).shows_labels().start().unwrap();
        for tenant in ["a", "b", "c"] {
            assert_eq!(http1::exchange(mesh.addr(), &visit(tenant, "p")).unwrap().status, 200, "{withheld}");
        }
        let expected = BTreeMap::from([(labels([("tenant", "other"), ("plan", "other")]), 3)]);
        assert_eq!(prometheus(&mesh, "palisade_census_requests"), expected, "{withheld}");
    }
}

/// The series of a metric as `/stats/prometheus` shows them, by their labels.
fn prometheus(mesh: &Mesh, metric: &str) -> BTreeMap<Labels, u64> {
    let text = mesh.envoy.admin("/stats/prometheus").unwrap();
    let series = text.lines().filter_map(|line| line.strip_prefix(metric)?.strip_prefix('{'));
    series.map(|line| series_of(line).ok_or(line).unwrap()).collect()
}

type Labels = BTreeMap<String, String>;

/// Reads `label="value",...} number`. No value here holds a character that would be escaped.
fn series_of(line: &str) -> Option<(Labels, u64)> {
    let (labels, number) = line.rsplit_once("} ")?;
    let label = |label: &str| {
        let (name, value) = label.split_once('=')?;
        Some((name.to_owned(), value.strip_prefix('"')?.strip_suffix('"')?.to_owned()))
    };
    let labels: Option<_> = labels.split(',').filter(|label| !label.is_empty()).map(label).collect();
    Some((labels?, number.parse().ok()?))
}

fn labels<const N: usize>(labels: [(&str, &str); N]) -> Labels {
    labels.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn visit(tenant: impl AsRef<[u8]>, plan: impl AsRef<[u8]>) -> Request {
    Request::get("/").header("x-tenant", tenant.as_ref()).header("x-plan", plan.as_ref())
}
