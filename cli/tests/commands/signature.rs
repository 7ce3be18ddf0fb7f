//! `palisade keygen` and `sign`, and who verifies what they have signed.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use palisade::verify::{self, Refused, Terms};

use crate::house::{House, stderr};

/// A house whose dist directory is signed by `a.key`; there is another key, `b.key`.
pub(crate) fn signed() -> House {
    let house = House::new();
    house.render();
    for name in ["a", "b"] {
        let output =
            house.palisade(&["keygen", "--secret", &format!("{name}.key"), "--public", &format!("{name}.pub")]);
        assert!(output.status.success(), "{}", stderr(&output));
    }
    sign(&house);
    house
}

fn sign(house: &House) {
    let output = house.palisade(&["sign", "--dist", "dist", "--secret", "a.key"]);
    assert!(output.status.success(), "{}", stderr(&output));
}

/// The exit code of `verify` with these keys, and what it tells.
fn verify_by(house: &House, keys: &[&str]) -> (i32, String) {
    let mut arguments = vec!["verify", "dist/envoy/probe.yaml", "--dist", "dist"];
    for key in keys {
        arguments.extend(["--key", key]);
    }
    let output = house.palisade(&arguments);
    (output.status.code().unwrap(), stderr(&output))
}

#[test]
fn what_is_signed_by_one_of_the_keys_is_taken() {
    let house = signed();
    for keys in [&["a.pub"][..], &["b.pub", "a.pub"]] {
        let (code, told) = verify_by(&house, keys);
        assert_eq!(code, 0, "{told}");
    }
}

#[test]
fn the_signature_of_another_key_and_none_at_all_are_refused() {
    let house = signed();
    let (code, told) = verify_by(&house, &["b.pub"]);
    assert_eq!(code, 24, "{told}");
    assert!(told.contains("SHA256SUMS.minisig: by another key"), "{told}");
    let path = house.path("dist/SHA256SUMS.minisig");
    let signature = fs::read_to_string(&path).unwrap();
    for end in [0, 40, signature.len() / 2, signature.len() - 30] {
        fs::write(&path, &signature[..end]).unwrap();
        let (code, told) = verify_by(&house, &["a.pub"]);
        assert_eq!(code, 23, "{end}: {told}");
        assert!(told.contains("no whole signature"), "{told}");
    }
    for longer in [format!("{signature}\n"), format!("{signature}{signature}"), signature.replace('\n', "\r\n")] {
        fs::write(&path, longer).unwrap();
        let (code, told) = verify_by(&house, &["a.pub"]);
        assert_eq!(code, 23, "{told}");
    }
    fs::remove_file(&path).unwrap();
    let (code, told) = verify_by(&house, &["a.pub"]);
    assert_eq!(code, 23, "{told}");
    assert!(told.contains("there is no signature"), "{told}");
    assert_eq!(verify_by(&house, &[]).0, 0, "nobody asked for one");
}

#[test]
fn a_changed_byte_anywhere_is_refused() {
    let house = signed();
    house.write("dist/sboms/probe.cdx.json", "{\"bomFormat\": \"CycloneDX\"}\n");
    house.sum();
    sign(&house);
    let terms = Terms { allow: Vec::new(), envoy: "1.40".parse().unwrap(), keys: vec![house.path("a.pub")] };
    let (dist, config) = (house.path("dist"), [house.path("dist/envoy/probe.yaml")]);
    let refused = || {
        let refused = verify::verify(&config, &dist, &terms).map(|_| 0);
        refused.unwrap_or_else(|error| error.downcast_ref().map_or(1, Refused::exit_code))
    };
    assert_eq!(refused(), 0);
    let mut mask = 0_u8;
    for name in FILES {
        let path = dist.join(name);
        let bytes = fs::read(&path).unwrap();
        // Of the signature the first line is a comment that nobody signs, and that other tools write otherwise.
        let first = if name == SIGNATURE { bytes.iter().position(|byte| *byte == b'\n').unwrap() } else { 0 };
        for place in first..bytes.len() {
            mask = mask.wrapping_add(37).max(1);
            let mut changed = bytes.clone();
            changed[place] ^= mask;
            fs::write(&path, changed).unwrap();
            let code = refused();
            assert!((22..=24).contains(&code), "{name}, byte {place} by {mask:#x}: {code}");
        }
        fs::write(&path, bytes).unwrap();
    }
    assert_eq!(refused(), 0);
}

const SIGNATURE: &str = "SHA256SUMS.minisig";
const FILES: [&str; 7] = [
    "SHA256SUMS",
    SIGNATURE,
    "palisade.lock",
    "modules/probe.wasm",
    "modules/trace_sampler.wasm",
    "sboms/probe.cdx.json",
    "provenance/probe.intoto.json",
];

#[test]
fn pin_writes_nothing_from_what_is_not_signed() {
    let house = signed();
    let pin = |key: &str| house.palisade(&["pin", "--dist", "dist", "--templates", "envoy", "--key", key]);
    assert!(pin("a.pub").status.success());
    fs::remove_dir_all(house.path("dist/envoy")).unwrap();
    let refused = pin("b.pub");
    assert_eq!(refused.status.code(), Some(24), "{}", stderr(&refused));
    assert!(!house.path("dist/envoy").exists());
}

#[test]
fn a_key_with_a_password_opens_with_that_only() {
    let house = House::new();
    let run = |arguments: &[&str], password: &str| {
        let output = house.palisade_with(arguments, &[("PALISADE_KEY_PASSWORD", password)]);
        (output.status.success(), stderr(&output))
    };
    let (made, told) = run(&["keygen", "--secret", "a.key", "--public", "a.pub"], "open sesame");
    assert!(made, "{told}");
    let sign = ["sign", "--dist", "dist", "--secret", "a.key"];
    let (signed, told) = run(&sign, "open barley");
    assert!(!signed && told.contains("a.key cannot be opened"), "{told}");
    assert!(!house.palisade(&sign).status.success());
    let (signed, told) = run(&sign, "open sesame");
    assert!(signed, "{told}");
}

#[test]
fn a_key_is_never_overwritten() {
    let house = signed();
    let output = house.palisade(&["keygen", "--secret", "a.key", "--public", "c.pub"]);
    assert!(stderr(&output).contains("a.key is there already"), "{}", stderr(&output));
    assert!(!house.path("c.pub").exists());
}

#[test]
fn what_was_changed_is_not_signed() {
    let house = signed();
    let lock = house.read("dist/palisade.lock");
    house.write("dist/palisade.lock", format!("{lock}\n"));
    let output = house.palisade(&["sign", "--dist", "dist", "--secret", "a.key"]);
    assert!(stderr(&output).contains("palisade.lock: not the file that SHA256SUMS names"), "{}", stderr(&output));
}

#[test]
fn the_secret_key_is_never_readable_by_others_not_even_while_it_is_written() {
    let house = House::new();
    fs::create_dir(house.path("keys")).unwrap();
    let is_done = AtomicBool::new(false);
    let keys = house.path("keys");
    let readable = thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut readable = BTreeSet::new();
            while !is_done.load(Ordering::Relaxed) {
                for entry in fs::read_dir(&keys).unwrap().filter_map(Result::ok) {
                    let mode = entry.metadata().map_or(0, |metadata| metadata.permissions().mode());
                    if mode & 0o077 != 0 {
                        readable.insert(entry.file_name());
                    }
                }
            }
            readable
        });
        for number in 0..50 {
            let secret = format!("keys/{number}.key");
            let output = house.palisade(&["keygen", "--secret", &secret, "--public", &format!("{number}.pub")]);
            assert!(output.status.success(), "{}", stderr(&output));
        }
        is_done.store(true, Ordering::Relaxed);
        watch.join().unwrap()
    });
    assert!(readable.is_empty(), "{readable:?}");
}

#[test]
fn a_password_that_is_empty_is_refused() {
    let house = signed();
    for arguments in
        [&["keygen", "--secret", "c.key", "--public", "c.pub"][..], &["sign", "--dist", "dist", "--secret", "a.key"]]
    {
        let output = house.palisade_with(arguments, &[("PALISADE_KEY_PASSWORD", "")]);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains("PALISADE_KEY_PASSWORD is empty"), "{}", stderr(&output));
    }
    assert!(!house.path("c.key").exists());
}

#[test]
fn a_pair_of_keys_in_one_file_is_refused() {
    let house = House::new();
    for public in ["a.key", "./a.key"] {
        let output = house.palisade(&["keygen", "--secret", "a.key", "--public", public]);
        assert!(stderr(&output).contains("are the same file"), "{public}: {}", stderr(&output));
        assert!(!house.path("a.key").exists());
    }
}
