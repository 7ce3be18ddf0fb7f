//! `palisade build`, with a toolchain that is a script and forgets, as cargo does, whose module a file is.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::house::{House, MODULE, stderr};

/// Crates are compiled once, each to `target/guest.wasm`.
const TOOLCHAIN: &str = r#"#!/bin/sh
set -eu
root=$(cd "$(dirname "$0")/.." && pwd -P)
mkdir -p "$root/target"
case "$1 ${2:-}" in
  "version ") echo "rustc 1.0.0 (a script)" ;;
  "optimise "*) cp "$2" "$3" ;;
  "cargo tree") printf 'guest v0.1.0 (%s)\tApache-2.0\n' "$root" ;;
  "cargo locate-project") echo "$root/Cargo.toml" ;;
  "cargo clean")
    for package; do :; done
    rm "$root/target/$package.compiled"
    echo "$package" >>"$root/target/cleaned"
    ;;
  "cargo build")
    while [ "$1" != --manifest-path ]; do shift; done
    manifest=$2
    package=$(basename "$(dirname "$manifest")")
    fresh=true
    if [ ! -e "$root/target/$package.compiled" ]; then
      fresh=false
      cp "$root/$package.wasm" "$root/target/guest.wasm"
      touch "$root/target/$package.compiled"
    fi
    printf '{"reason":"compiler-artifact","package_id":"%s","manifest_path":"%s","target":{"name":"guest"},"filenames":["%s"],"fresh":%s}\n' \
      "$package" "$manifest" "$root/target/guest.wasm" "$fresh"
    ;;
esac
"#;

fn checkout() -> House {
    let house = House::new();
    house.write("scripts/toolchain", TOOLCHAIN);
    fs::set_permissions(house.path("scripts/toolchain"), fs::Permissions::from_mode(0o755)).unwrap();
    house.write("Cargo.lock", "version = 4\n");
    house.write("one.wasm", wat::parse_str(MODULE).unwrap());
    house.write("twin.wasm", wat::parse_str(MODULE.replace("(memory", "(global i32 (i32.const 7)) (memory")).unwrap());
    for package in ["one", "twin"] {
        house.write(&format!("{package}/Cargo.toml"), "");
    }
    house
}

/// Catches a module that another crate, or the same one with other features, has overwritten since cargo wrote it.
#[test]
fn two_crates_whose_modules_have_one_name_are_not_taken_for_each_other() {
    let house = checkout();
    let built = |package: &str| {
        let output = house.palisade(&["build", "--guest", package, "--out", "out"]);
        assert!(output.status.success(), "{}", stderr(&output));
        fs::read(house.path("out/modules/guest.wasm")).unwrap()
    };
    let (one, twin) = (built("one"), built("twin"));
    assert_ne!(one, twin);
    assert_eq!(built("one"), one);
    assert_eq!(built("one"), one);
    assert_eq!(built("twin"), twin);
    assert_eq!(house.read("target/cleaned"), "one\ntwin\n", "what is as it was is not compiled anew");
}

/// Catches a module that was written by something else than `palisade build`, or by one that was killed before it noted that.
#[test]
fn bytes_that_cargo_has_not_written_for_the_crate_are_not_shipped() {
    let house = checkout();
    let built = || {
        let output = house.palisade(&["build", "--guest", "one", "--out", "out"]);
        assert!(output.status.success(), "{}", stderr(&output));
        fs::read(house.path("out/modules/guest.wasm")).unwrap()
    };
    let one = built();
    fs::copy(house.path("twin.wasm"), house.path("target/guest.wasm")).unwrap();
    assert_eq!(built(), one);
    assert_eq!(built(), one);
    assert_eq!(house.read("target/cleaned"), "one\n", "what is as it was is not compiled anew");
}
