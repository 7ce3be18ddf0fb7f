//! The admin interface.

use std::thread;
use std::time::Duration;

use crate::setup::{Proxy, counting};

#[test]
fn metrics_have_their_labels_and_vms_show_what_they_use() {
    let proxy = Proxy::start(&counting("palisade.test.ends;rule=a/b;plan=x"), &["--fuel-limit", "1000000000"]);
    assert_eq!(proxy.get().status, 200);
    thread::sleep(Duration::from_millis(250));
    let metrics = proxy.admin("/stats/prometheus");
    assert!(metrics.contains("palisade_test_ends{rule=\"a/b\",plan=\"x\"} 1\n"), "{metrics}");
    let gauge = |name: &str| {
        let line = metrics.lines().find(|line| line.starts_with(&format!("palisade_serve_worker_1_{name} "))).unwrap();
        line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()
    };
    assert!(gauge("fuel") > 0 && gauge("host_calls") >= 2, "{metrics}");
    assert_eq!(gauge("peak_memory"), 16 << 16);
}

#[test]
fn what_is_in_effect_is_shown_without_secrets() {
    let proxy = Proxy::start(&counting("ends"), &["--env", "KEY=hidden-value"]);
    let shown = proxy.admin("/config_dump");
    assert!(shown.contains("KEY") && !shown.contains("hidden-value"), "{shown}");
    assert_eq!(proxy.admin("/ready"), "LIVE\n");
}
