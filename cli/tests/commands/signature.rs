//! `palisade keygen` and `sign`, and who verifies what they have signed.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::house::{House, stderr};

/// A house whose dist directory is signed by `a.key`; there is another key, `b.key`.
fn signed() -> House {
    let house = House::new();
    house.render();
    for name in ["a", "b"] {
        let output =
            house.palisade(&["keygen", "--secret", &format!("{name}.key"), "--public", &format!("{name}.pub")]);
        assert!(output.status.success(), "{}", stderr(&output));
    }
    let output = house.palisade(&["sign", "--dist", "dist", "--secret", "a.key"]);
    assert!(output.status.success(), "{}", stderr(&output));
    house
}

/// The exit code of `verify` with these keys, and what it tells.
fn verify(house: &House, keys: &[&str]) -> (i32, String) {
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
        let (code, told) = verify(&house, keys);
        assert_eq!(code, 0, "{told}");
    }
}

#[test]
fn the_signature_of_another_key_and_none_at_all_are_refused() {
    let house = signed();
    let (code, told) = verify(&house, &["b.pub"]);
    assert_eq!(code, 24, "{told}");
    assert!(told.contains("SHA256SUMS.minisig: by another key"), "{told}");
    let path = house.path("dist/SHA256SUMS.minisig");
    let signature = fs::read_to_string(&path).unwrap();
    for end in [0, 40, signature.len() / 2, signature.len() - 30] {
        fs::write(&path, &signature[..end]).unwrap();
        let (code, told) = verify(&house, &["a.pub"]);
        assert_eq!(code, 23, "{end}: {told}");
        assert!(told.contains("no whole signature"), "{told}");
    }
    fs::remove_file(&path).unwrap();
    let (code, told) = verify(&house, &["a.pub"]);
    assert_eq!(code, 23, "{told}");
    assert!(told.contains("there is no signature"), "{told}");
    assert_eq!(verify(&house, &[]).0, 0, "nobody asked for one");
}

#[test]
fn a_changed_byte_anywhere_is_refused() {
    let house = signed();
    for name in
        ["SHA256SUMS", "palisade.lock", "modules/probe.wasm", "modules/trace_sampler.wasm", "SHA256SUMS.minisig"]
    {
        let path = house.path(&format!("dist/{name}"));
        let bytes = fs::read(&path).unwrap();
        // Of the signature the first line is a comment that nobody signs.
        let first =
            if name.ends_with("minisig") { bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1 } else { 0 };
        for place in (first..bytes.len()).step_by((bytes.len() / 40).max(1)) {
            let mut changed = bytes.clone();
            changed[place] ^= 1;
            fs::write(&path, changed).unwrap();
            let (code, told) = verify(&house, &["a.pub"]);
            assert!((22..=24).contains(&code), "{name}, byte {place}: {code} {told}");
        }
        fs::write(&path, bytes).unwrap();
    }
    assert_eq!(verify(&house, &["a.pub"]).0, 0);
}

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
