//! `palisade size`: a module that has grown is named with what it has grown by.

use std::fs;

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
        ("[modules.probe]", "[modules.other]", "probe: no budget"),
        ("[modules.probe]", "[modules.other]", "other: a budget for a module that is not in the lock"),
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

#[test]
fn modules_of_another_compiler_may_be_a_tenth_larger() {
    let house = House::new();
    house.palisade(&["size", "--dist", "dist", "--budget", "budget.toml", "--write"]);
    let size = fs::metadata(house.path("dist/modules/probe.wasm")).unwrap().len();
    let budget = house.read("budget.toml");
    for (toolchain, granted, is_kept) in
        [("wat", size - 1, false), ("another", size - 1, true), ("another", size * 3 / 4, false)]
    {
        let budget = budget.replace("toolchain = \"wat\"", &format!("toolchain = \"{toolchain}\""));
        house.write("budget.toml", budget.replace("bytes = 2048", &format!("bytes = {granted}")));
        let output = house.palisade(&["size", "--dist", "dist", "--budget", "budget.toml"]);
        assert_eq!(output.status.success(), is_kept, "{toolchain}, {granted}: {}", stderr(&output));
    }
}

#[test]
fn what_is_written_keeps_what_was_granted_to_starts_and_to_the_fused_module() {
    let house = House::new();
    let write = || {
        let output = house.palisade(&["size", "--dist", "dist", "--budget", "budget.toml", "--write"]);
        assert!(output.status.success(), "{}", stderr(&output));
        house.read("budget.toml")
    };
    let grant = "bytes = 2048\nstart_fuel = 7\n";
    let written = write().replace("[modules.probe]\nbytes = 2048\n", &format!("[modules.probe]\n{grant}"));
    let others = ["fused", "gone"].map(|name| format!("\n[modules.{name}]\n{grant}imports = [\n]\ncallbacks = [\n]\n"));
    house.write("budget.toml", format!("{written}{}", others.concat()));
    let kept = write();
    assert!(kept.contains(&format!("[modules.probe]\n{grant}")), "{kept}");
    assert!(kept.contains(&others[0]) && !kept.contains("gone"), "{kept}");
}

#[test]
fn grants_that_are_left_as_they_are_do_not_become_those_of_another_compiler() {
    let house = House::new();
    let write = || house.palisade(&["size", "--dist", "dist", "--budget", "budget.toml", "--write"]);
    assert!(write().status.success());
    let written = house.read("budget.toml");
    let another = written.replace("toolchain = \"wat\"", "toolchain = \"another\"");
    let of_start = another.replacen("bytes = 2048\n", "bytes = 2048\nstart_fuel = 7\n", 1);
    let of_fused = format!("{another}\n[modules.fused]\nbytes = 2048\nimports = [\n]\ncallbacks = [\n]\n");
    for budget in [of_start, of_fused] {
        house.write("budget.toml", &budget);
        let output = write();
        assert!(stderr(&output).contains("PALISADE_RECORD=1 cargo test"), "{}", stderr(&output));
        assert_eq!(house.read("budget.toml"), budget);
    }
    house.write("budget.toml", another);
    assert!(write().status.success());
    assert_eq!(house.read("budget.toml"), written);
}
