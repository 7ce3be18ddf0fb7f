//! `palisade size`: a module that has grown is named with what it has grown by.

use crate::house::{House, stderr};

#[test]
fn the_budget_that_is_written_is_kept() {
    let house = House::new();
    let written = house.palisade(&["size", "--dist", "dist", "--budget", "budget.toml", "--write"]);
    assert!(written.status.success(), "{}", stderr(&written));
    let kept = house.palisade(&["size", "--dist", "dist", "--budget", "budget.toml"]);
    assert!(kept.status.success(), "{}", stderr(&kept));
    let lines = String::from_utf8(kept.stdout).unwrap();
    assert!(lines.contains("probe: ") && lines.contains(" of 2048 bytes, 2 imports, 3 callbacks"), "{lines}");
}

#[test]
fn what_exceeds_the_budget_is_named() {
    let house = House::new();
    house.palisade(&["size", "--dist", "dist", "--budget", "budget.toml", "--write"]);
    let budget = house.read("budget.toml");
    for (from, to, told) in [
        ("bytes = 2048", "bytes = 100", "more than the 100 granted"),
        ("    \"random_get\",\n", "", "probe: the import random_get is not granted"),
        ("    \"proxy_on_log\",\n", "", "probe: the callback proxy_on_log is not granted"),
        ("\"random_get\"", "\"random_get\", \"proxy_done\"", "probe: the import proxy_done is granted, and not used"),
        ("[probe]", "[other]", "probe: no budget"),
        ("[probe]", "[other]", "other: a budget for a module that is not in the lock"),
        ("bytes = 2048", "byte = 2048", "is no budget"),
    ] {
        house.write("budget.toml", budget.replacen(from, to, 1));
        let output = house.palisade(&["size", "--dist", "dist", "--budget", "budget.toml"]);
        assert_eq!(output.status.code(), Some(1), "{from}");
        assert!(stderr(&output).contains(told), "{told}: {}", stderr(&output));
    }
}

#[test]
fn a_module_that_is_not_the_one_of_the_lock_is_not_measured() {
    let house = House::new();
    house.palisade(&["size", "--dist", "dist", "--budget", "budget.toml", "--write"]);
    let budget = house.read("budget.toml");
    house.write("dist/modules/probe.wasm", vec![0; 100_000]);
    for arguments in [
        &["size", "--dist", "dist", "--budget", "budget.toml", "--write"][..],
        &["size", "--dist", "dist", "--budget", "budget.toml"],
    ] {
        let output = house.palisade(arguments);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains("is not the module of the lock"), "{}", stderr(&output));
    }
    assert_eq!(house.read("budget.toml"), budget);
}
