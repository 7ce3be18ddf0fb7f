//! `palisade build --verify`, with a toolchain that is a script: what it gives depends on what the test says.

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};
use std::{fs, str};

use crate::house::{House, MODULE, stderr};

/// A checkout with one crate, `guest`, whose module `compile` writes to `$out`.
pub(crate) fn checkout(compile: &str) -> House {
    let house = House::new();
    let toolchain = format!(
        r#"#!/bin/sh
set -eu
root=$(cd "$(dirname "$0")/.." && pwd -P)
case $1 in
  version) echo "rustc 1.0.0 (a script)" ;;
  optimise) cp "$2" "$3" ;;
  cargo)
    case $2 in
      tree)
        printf 'guest v0.1.0 (%s)\tApache-2.0\nmemchr v2.8.3\tUnlicense/MIT\n' "$root"
        exit
        ;;
      locate-project)
        echo "$root/Cargo.toml"
        exit
        ;;
    esac
    while [ "$1" != --manifest-path ]; do shift; done
    manifest=$2
    out=$(mktemp -d "$root/build.XXXXXX")/guest.wasm
    {compile}
    printf '{{"reason":"compiler-artifact","package_id":"path+file:///guest#0.1.0","manifest_path":"%s","target":{{"name":"guest"}},"filenames":["%s"]}}\n' \
      "$manifest" "$out"
    ;;
esac
"#
    );
    house.write("scripts/toolchain", toolchain);
    fs::set_permissions(house.path("scripts/toolchain"), fs::Permissions::from_mode(0o755)).unwrap();
    house.write("guest/Cargo.toml", "");
    let checksum = "ab".repeat(32);
    let lock = format!("version = 4\n[[package]]\nname = \"memchr\"\nversion = \"2.8.3\"\nchecksum = \"{checksum}\"\n");
    house.write("Cargo.lock", lock);
    house.write("one.wasm", wat::parse_str(MODULE).unwrap());
    house.write("other.wasm", wat::parse_str(MODULE.replace("(memory", "(global i32 (i32.const 7)) (memory")).unwrap());
    house.write(".gitignore", "build.*\ndist\nenvoy\nout\n");
    git(&house, &["init", "--quiet"]);
    git(&house, &["add", "--all"]);
    git(&house, &["-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message", "First"]);
    house
}

pub(crate) fn git(house: &House, arguments: &[&str]) {
    let output = Command::new("git").current_dir(house.path("")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
}

fn build(house: &House) -> Output {
    house.palisade(&["build", "--guest", "guest", "--out", "out", "--verify"])
}

#[test]
fn the_same_bytes_elsewhere_are_confirmed() {
    let house = checkout("cp \"$root/one.wasm\" \"$out\"");
    let output = build(&house);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(str::from_utf8(&output.stdout).unwrap().ends_with("built again elsewhere: the same bytes\n"));
    let bill = house.read("out/sboms/guest.cdx.json");
    assert!(bill.contains("pkg:cargo/memchr@2.8.3") && !bill.contains(&house.path("").display().to_string()), "{bill}");
    assert!(house.read("out/SHA256SUMS").contains("  sboms/guest.cdx.json\n"));
}

#[test]
fn bytes_that_depend_on_the_directory_or_on_cargo_s_home_are_refused() {
    for condition in ["[ \"${root##*/}\" = 'a clone' ]", "[ \"$(basename \"${CARGO_HOME:-none}\")\" = cargo ]"] {
        let house = checkout(&format!(
            "if {condition}; then cp \"$root/other.wasm\" \"$out\"; else cp \"$root/one.wasm\" \"$out\"; fi"
        ));
        let output = build(&house);
        assert_eq!(output.status.code(), Some(1), "{condition}");
        assert!(
            stderr(&output).contains("not reproducible: elsewhere the bytes of modules/guest.wasm, "),
            "{}",
            stderr(&output)
        );
    }
}

#[test]
fn a_checkout_with_changes_is_not_taken_for_its_last_commit() {
    let house = checkout("cp \"$root/one.wasm\" \"$out\"");
    house.write("guest/src/lib.rs", "");
    git(&house, &["config", "status.showUntrackedFiles", "no"]);
    let output = build(&house);
    assert!(stderr(&output).contains("has changes beside it:\n?? guest/src/"), "{}", stderr(&output));
    fs::remove_dir_all(house.path("guest/src")).unwrap();
    house.write("guest/Cargo.toml", "# changed");
    let output = build(&house);
    assert!(stderr(&output).contains("has changes beside it:\nM guest/Cargo.toml"), "{}", stderr(&output));
}
