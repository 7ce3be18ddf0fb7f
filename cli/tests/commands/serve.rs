//! `palisade serve --key`, with a cargo that writes down what it is told.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::house::{House, stderr};
use crate::signature::signed;

/// The exit code, what is told, and the options that the proxy got, where it was run.
fn serve(house: &House, options: &[&str]) -> (i32, String, Option<String>) {
    house.write("scripts/toolchain", "");
    house.write("cargo", "#!/bin/sh\nprintf '%s ' \"$@\" >told\n");
    fs::set_permissions(house.path("cargo"), fs::Permissions::from_mode(0o755)).unwrap();
    let cargo = house.path("cargo").display().to_string();
    drop(fs::remove_file(house.path("told")));
    let output = house.palisade_with(&[&["serve"], options].concat(), &[("CARGO", &cargo)]);
    let told = fs::read_to_string(house.path("told")).ok();
    let told = told.map(|told| told.split_once(" -- ").unwrap().1.trim().to_owned());
    (output.status.code().unwrap(), stderr(&output), told)
}

const MODULE: &str = "dist/modules/probe.wasm";
const OTHER: &str = "--module=dist/modules/trace_sampler.wasm";

#[test]
fn the_proxy_is_told_the_hashes_of_what_is_signed() {
    let house = signed();
    let options = ["--module", MODULE, "--name", "a", OTHER];
    let (code, told, proxy) = serve(&house, &[&["--key", "b.pub", "--key", "a.pub"], &options[..]].concat());
    let hashes = format!("--sha256 {} --sha256 {}", house.sha256(), house.sha256_of("trace_sampler"));
    assert_eq!((code, proxy), (0, Some(format!("{} {hashes}", options.join(" ")))), "{told}");
    let (code, told, proxy) = serve(&house, &options);
    assert_eq!((code, proxy), (0, Some(options.join(" "))), "nobody asked who has signed: {told}");
}

#[test]
fn what_is_not_signed_is_not_run() {
    let house = signed();
    house.write("else.wasm", "\0asm");
    let options = ["--key", "a.pub", "--dist", "dist", "--module", MODULE];
    for (options, what, code) in [
        (&["--key", "b.pub", "--module", MODULE][..], "by another key", 24),
        (&["--key", "a.pub", "--module", "else.wasm"], "else.wasm: no module of ", 22),
        (&["--key", "a.pub", "--module", "missing.wasm"], "cannot read missing.wasm", 1),
        (&["--key", "a.pub", "--module", MODULE, "--sha256", "00"], "leave --sha256 out", 1),
    ] {
        let (found, told, proxy) = serve(&house, options);
        assert!(told.contains(what), "{what}: {told}");
        assert_eq!((found, proxy), (code, None), "{told}");
    }
    for name in
        ["modules/probe.wasm", "palisade.lock", "SHA256SUMS", "SHA256SUMS.minisig", "provenance/probe.intoto.json"]
    {
        let path = house.path(&format!("dist/{name}"));
        let bytes = fs::read(&path).unwrap();
        let mut changed = bytes.clone();
        changed[bytes.len() / 2] ^= 1;
        fs::write(&path, changed).unwrap();
        let (code, told, proxy) = serve(&house, &options);
        assert!((22..=24).contains(&code) && proxy.is_none(), "{name}: {told}");
        fs::write(&path, bytes).unwrap();
    }
    assert_eq!(serve(&house, &options).0, 0);
}
