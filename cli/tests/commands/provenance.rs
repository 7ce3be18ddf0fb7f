//! The statement of how a module was built: what `build` says in it, and what `verify` takes.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::house::{self, House, stderr};
use crate::rebuild;

const STATEMENT: &str = "dist/provenance/probe.intoto.json";

fn verify(house: &House) -> (i32, String) {
    let output = house.palisade(&["verify", "dist/envoy/probe.yaml", "--dist", "dist"]);
    (output.status.code().unwrap(), stderr(&output))
}

#[test]
fn a_statement_that_is_missing_broken_or_of_another_module_is_refused() {
    let house = House::new();
    house.render();
    assert_eq!(verify(&house).0, 0, "{}", verify(&house).1);
    let sound = house::statement("modules/probe.wasm", &house.sha256());
    let with = |pointer: &str, value: Value| {
        let mut statement = sound.clone();
        *statement.pointer_mut(pointer).unwrap() = value;
        statement.to_string()
    };
    let of_other = house::statement("modules/trace_sampler.wasm", &house.sha256_of("trace_sampler"));
    for (statement, told) in [
        (of_other.to_string(), "it speaks of another module: modules/trace_sampler.wasm"),
        (with("/subject", json!([])), "it speaks of 0 modules"),
        (with("/subject", json!([sound["subject"][0], of_other["subject"][0]])), "it speaks of 2 modules"),
        (with("/subject/0/digest", json!({"sha512": "00"})), "it speaks of another module"),
        (with("/_type", json!("https://in-toto.io/Statement/v0.1")), "it is of the type"),
        (with("/predicateType", json!("https://slsa.dev/verification_summary/v1")), "it is of the type"),
        (with("/predicate/runDetails/builder", json!({})), "no in-toto statement with SLSA's provenance"),
        (with("/predicate", json!({})), "no in-toto statement with SLSA's provenance"),
        ("{".to_owned(), "no in-toto statement with SLSA's provenance"),
    ] {
        house.write(STATEMENT, &statement);
        house.sum();
        let (code, all) = verify(&house);
        assert!(all.contains(&format!("probe.intoto.json: {told}")), "{told}: {all}");
        assert_eq!(code, 26, "{all}");
    }
    fs::remove_file(house.path(STATEMENT)).unwrap();
    house.sum();
    let (code, told) = verify(&house);
    assert!(told.contains("there is no statement of how the module was built"), "{told}");
    assert_eq!(code, 26);
}

#[test]
fn a_statement_that_the_sums_do_not_name_is_refused() {
    let house = House::new();
    house.render();
    let sums = house.read("dist/SHA256SUMS");
    let others = sums.lines().filter(|line| !line.ends_with("provenance/probe.intoto.json"));
    house.write("dist/SHA256SUMS", others.map(|line| format!("{line}\n")).collect::<String>());
    let (code, told) = verify(&house);
    assert!(told.contains("probe.intoto.json: SHA256SUMS does not name it"), "{told}");
    assert_eq!(code, 22);
}

#[test]
fn what_build_says_is_what_was_built_and_nothing_of_this_machine() {
    let house = rebuild::checkout("cp \"$root/one.wasm\" \"$out\"");
    let build = || {
        let output = house.palisade(&["build", "--guest", "guest", "--out", "out"]);
        assert!(output.status.success(), "{}", stderr(&output));
        house.read("out/provenance/guest.intoto.json")
    };
    let text = build();
    assert_eq!(text, build(), "the same statement of the same build");
    assert!(!text.contains(&house.path("").display().to_string()), "{text}");
    let statement: Value = serde_json::from_str(&text).unwrap();
    let of = |file: &str| json!({"sha256": house::sha256(&fs::read(house.path(file)).unwrap())});
    let commit = Command::new("git").current_dir(house.path("")).args(["rev-parse", "HEAD"]).output().unwrap();
    let commit = String::from_utf8(commit.stdout).unwrap();
    assert_eq!(statement["subject"], json!([{"name": "modules/guest.wasm", "digest": of("out/modules/guest.wasm")}]));
    let definition = &statement["predicate"]["buildDefinition"];
    assert_eq!(definition["externalParameters"], json!({"crate": "guest"}));
    let dependencies = json!([
        {"name": "source", "digest": {"gitCommit": commit.trim()}},
        {"name": "Cargo.lock", "digest": of("Cargo.lock")},
        {"name": "rustc", "uri": "pkg:generic/rustc@1.0.0", "annotations": {"toolchain": "rustc 1.0.0 (a script)"}},
    ]);
    assert_eq!(definition["resolvedDependencies"], dependencies);
    let bill = json!([{"name": "sboms/guest.cdx.json", "digest": of("out/sboms/guest.cdx.json")}]);
    assert_eq!(statement["predicate"]["runDetails"]["byproducts"], bill);
    let sum = house::sha256(text.as_bytes());
    assert!(house.read("out/SHA256SUMS").contains(&format!("{sum}  provenance/guest.intoto.json\n")));

    house.write("guest/Cargo.toml", "# changed");
    assert!(!build().contains("gitCommit"), "what is built from is no commit");
}

#[test]
fn the_lock_file_is_that_of_the_workspace_as_cargo_finds_it() {
    let house = rebuild::checkout("cp \"$root/one.wasm\" \"$out\"");
    house.write("guest/Cargo.lock", "version = 4\n");
    let output = house.palisade(&["build", "--guest", "guest", "--out", "out"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let statement = house.read("out/provenance/guest.intoto.json");
    assert!(statement.contains(&house::sha256(house.read("Cargo.lock").as_bytes())), "{statement}");
    let checksum = "ab".repeat(32);
    let bill = house.read("out/sboms/guest.cdx.json");
    assert!(bill.contains(&checksum), "{bill}");
}

#[test]
fn a_crate_outside_of_the_checkout_or_that_git_does_not_track_is_of_no_commit() {
    let house = rebuild::checkout("cp \"$root/one.wasm\" \"$out\"");
    let elsewhere = House::new();
    for (at, directory, told) in
        [(&elsewhere, "other/guest", "../guest"), (&house, "dist/guest", "dist/guest"), (&house, "guest", "guest")]
    {
        at.write(&format!("{directory}/Cargo.toml"), "");
        let guest = at.path(directory).display().to_string();
        let output = house.palisade(&["build", "--guest", &guest, "--out", "out"]);
        assert!(output.status.success(), "{}", stderr(&output));
        let text = house.read("out/provenance/guest.intoto.json");
        let statement: Value = serde_json::from_str(&text).unwrap();
        let definition = &statement["predicate"]["buildDefinition"];
        assert_eq!(definition["externalParameters"], json!({"crate": told}));
        assert_eq!(text.contains("gitCommit"), told == "guest", "{text}");
    }
}

#[test]
fn a_source_that_git_is_set_not_to_show_is_a_change() {
    let house = rebuild::checkout("cp \"$root/one.wasm\" \"$out\"");
    house.write("guest/src/lib.rs", "");
    rebuild::git(&house, &["config", "status.showUntrackedFiles", "no"]);
    let output = house.palisade(&["build", "--guest", "guest", "--out", "out"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(!house.read("out/provenance/guest.intoto.json").contains("gitCommit"));
}

#[test]
fn a_checkout_that_changes_while_it_is_compiled_is_no_commit() {
    for out in ["out", "new/out2"] {
        let house = rebuild::checkout("cp \"$root/one.wasm\" \"$out\"; echo >>\"$root/guest/Cargo.toml\"");
        let output = house.palisade(&["build", "--guest", "guest", "--out", out]);
        assert!(output.status.success(), "{}", stderr(&output));
        assert!(!house.read(&format!("{out}/provenance/guest.intoto.json")).contains("gitCommit"), "{out}");
    }
}

#[test]
fn what_a_build_writes_itself_is_no_change_of_the_checkout() {
    for out in ["out2", "new/out2", "guest/[out]"] {
        let house = rebuild::checkout("cp \"$root/one.wasm\" \"$out\"");
        let output = house.palisade(&["build", "--guest", "guest", "--out", out]);
        assert!(output.status.success(), "{}", stderr(&output));
        assert!(house.read(&format!("{out}/provenance/guest.intoto.json")).contains("gitCommit"), "{out}");
    }
}
