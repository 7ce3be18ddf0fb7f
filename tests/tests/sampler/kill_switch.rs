//! `trace-sampler.kill-switch.yaml`: the filter is taken out of the way by Envoy's runtime, while all else stays.

use palisade_testbed::http1::{self, Connection};
use palisade_testbed::{Envoy, ModuleServer, Request, Upstream};
use serde_json::json;

use crate::mesh::{MODULE, PLUGIN, edit_plugin, module_server, shipped};

/// Envoy with the config as it ships, its upstream and its module server.
struct Switched {
    envoy: Envoy,
    _upstream: Upstream,
    _modules: ModuleServer,
}

#[test]
fn off_the_filter_is_not_asked_and_no_listener_changes() {
    let mesh = Switched::start(module_server().unwrap());
    assert!(mesh.is_sampled());
    mesh.switch("0");
    for _ in 0..8 {
        assert!(!mesh.is_sampled());
    }
    assert_eq!(mesh.decisions(), 1);
    mesh.switch("");
    assert!(mesh.is_sampled());
    assert_eq!(mesh.decisions(), 2);
    for count in ["listener_manager.listener_modified", "listener_manager.listener_added"] {
        let added = u64::from(count.ends_with("added"));
        assert_eq!(mesh.envoy.stat(count).unwrap(), added, "{count}");
    }
}

#[test]
fn connections_stay_open_while_it_is_switched() {
    let mesh = Switched::start(module_server().unwrap());
    let mut connection = Connection::open(mesh.envoy.addr("ingress").unwrap()).unwrap();
    for (value, samples) in [("100", true), ("0", false), ("100", true)] {
        mesh.switch(value);
        let response = connection.exchange(&vip()).unwrap();
        assert_eq!(!response.echo().unwrap().header("traceparent").is_empty(), samples, "{value}");
    }
}

#[test]
fn a_filter_whose_module_cannot_be_had_is_in_nobodys_way_once_it_is_off() {
    let modules = module_server().unwrap();
    modules.tamper(MODULE).unwrap();
    let mesh = Switched::start(modules);
    assert_eq!(mesh.get().status, 503);
    mesh.switch("0");
    assert_eq!(mesh.get().status, 200);
    mesh.switch("100");
    assert_eq!(mesh.get().status, 503);
}

fn vip() -> Request {
    Request::get("/orders").header("x-user-tier", "vip")
}

// === impl Switched ===

impl Switched {
    fn start(modules: ModuleServer) -> Self {
        let upstream = Upstream::start().unwrap();
        let builder = shipped("kill-switch", &modules).unwrap().cluster("upstream", upstream.addr()).unwrap();
        let impatient = |config: &mut _| {
            edit_plugin(config, |plugin| {
                plugin["vm_config"]["code"]["remote"]["retry_policy"] =
                    json!({"retry_back_off": {"base_interval": "0.01s", "max_interval": "0.02s"}, "num_retries": 2});
            })
        };
        let envoy = builder.edit(impatient).unwrap().start().unwrap();
        Self { envoy, _upstream: upstream, _modules: modules }
    }

    /// Sets the percentage of requests that go through the filter, or takes back what was set.
    fn switch(&self, percentage: &str) {
        let path = format!("/runtime_modify?palisade.{PLUGIN}={percentage}");
        let response = http1::exchange(self.envoy.admin_addr(), &Request::post(&path, "")).unwrap();
        assert_eq!(response.status, 200, "{}", response.text());
    }

    fn get(&self) -> palisade_testbed::Response {
        http1::exchange(self.envoy.addr("ingress").unwrap(), &vip()).unwrap()
    }

    fn is_sampled(&self) -> bool {
        !self.get().echo().unwrap().header("traceparent").is_empty()
    }

    /// How many requests the filter has decided about.
    fn decisions(&self) -> u64 {
        self.envoy.stats("wasmcustom.palisade.trace_sampler.decisions").unwrap().values().sum()
    }
}
