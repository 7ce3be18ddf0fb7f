//! Modules and what is said of them with a bit that has flipped: nothing takes them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use palisade::lock::Lock;
use palisade::signature;
use palisade::verify::{Refused, Terms, verify};
use palisade_testbed::envoy::config::plugin_mut;
use palisade_testbed::{Envoy, ModuleServer, Request, Upstream, checkout, http1};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The positions at which bits flip: all of a small file, and `count` of a large one, of which the first and the last are two.
fn positions(length: usize, count: usize) -> impl Iterator<Item = usize> {
    const SMALL: usize = 1 << 10;
    let count = if length <= SMALL { length } else { count };
    (0..count).map(move |step| step * (length - 1) / (count - 1))
}

/// The bytes with one bit flipped, another one at each position.
fn flipped(bytes: &[u8], position: usize) -> Vec<u8> {
    let mut flipped = bytes.to_vec();
    flipped[position] ^= 1 << (position % 8);
    flipped
}

#[test]
fn a_flipped_bit_in_anything_that_ships_is_refused_by_verify() {
    let folder = TempDir::new().unwrap();
    let dist = folder.path().join("dist");
    for file in shipped_files() {
        fs::create_dir_all(dist.join(&file).parent().unwrap()).unwrap();
        fs::copy(built().join(&file), dist.join(&file)).unwrap();
    }
    let [secret, public] = ["a.key", "a.pub"].map(|name| folder.path().join(name));
    signature::generate(&secret, &public, None).unwrap();
    signature::sign(&dist, &secret, None).unwrap();
    let config = [built().join("envoy/chain.yaml")];
    let terms = Terms { allow: Vec::new(), envoy: "1.40".parse().unwrap(), keys: vec![public] };
    let code = || {
        let verified = verify(&config, &dist, &terms).map(|_| 0);
        verified.unwrap_or_else(|error| error.downcast_ref().map_or(1, Refused::exit_code))
    };
    assert_eq!(code(), 0);
    for file in shipped_files() {
        let path = dist.join(&file);
        let bytes = fs::read(&path).unwrap();
        for position in positions(bytes.len(), 16) {
            fs::write(&path, flipped(&bytes, position)).unwrap();
            assert_eq!(code(), 24, "{}, byte {position}", file.display());
        }
        fs::write(&path, bytes).unwrap();
    }
    assert_eq!(code(), 0);
}

#[test]
fn a_flipped_bit_in_any_module_makes_envoy_answer_503() {
    let (upstream, modules) = (Upstream::start().unwrap(), ModuleServer::start(built().join("modules")).unwrap());
    let (mut listeners, lock) = (vec![("whole".to_owned(), String::new())], Lock::read(&built()).unwrap());
    for module in lock.modules() {
        let bytes = fs::read(built().join(&module.file)).unwrap();
        for position in positions(bytes.len(), 5) {
            let name = format!("{}.{position}", module.name);
            modules.replace(&format!("{name}.wasm"), flipped(&bytes, position));
            listeners.push((name, module.sha256.clone()));
        }
    }
    let builder = Envoy::pinned("trace-sampler.propagate.yaml").unwrap();
    let builder = builder.cluster("palisade_modules", modules.addr()).unwrap();
    let builder = builder.cluster("upstream", upstream.addr()).unwrap();
    let envoy = builder.edit(|bootstrap| multiply(bootstrap, &listeners)).unwrap().start().unwrap();
    for (name, _) in &listeners {
        let response = http1::exchange(envoy.addr(name).unwrap(), &Request::get("/")).unwrap();
        let is_whole = name == "whole";
        assert_eq!(response.status, if is_whole { 200 } else { 503 }, "{name}");
        assert!(is_whole || modules.fetches(&format!("{name}.wasm")) > 0, "{name}");
    }
    assert_eq!(upstream.count(), 1);
    assert_eq!(envoy.stat("wasm.remote_load_fetch_successes").unwrap(), 1, "the one that is whole");
}

/// Makes of the only listener of a bootstrap one for each name and hash; one without a hash loads what it loaded before.
fn multiply(bootstrap: &mut Value, listeners: &[(String, String)]) -> Result<()> {
    let own = bootstrap["static_resources"]["listeners"][0].clone();
    let copies = listeners.iter().map(|(name, sha256)| {
        let mut copy = own.clone();
        copy["name"] = json!(name);
        copy["address"]["socket_address"]["port_value"] = json!(0);
        if !sha256.is_empty() {
            let plugin = plugin_mut(&mut copy, "trace_sampler").unwrap();
            plugin["vm_config"]["vm_id"] = json!(name);
            let remote = &mut plugin["vm_config"]["code"]["remote"];
            remote["http_uri"]["uri"] = json!(format!("http://palisade-modules/modules/{name}.wasm"));
            remote["sha256"] = json!(sha256);
            remote["retry_policy"] =
                json!({"num_retries": 1, "retry_back_off": {"base_interval": "0.01s", "max_interval": "0.02s"}});
        }
        copy
    });
    bootstrap["static_resources"]["listeners"] = copies.collect();
    Ok(())
}

fn built() -> PathBuf {
    checkout::root().unwrap().join("dist")
}

/// The sums, and what they name.
fn shipped_files() -> Vec<PathBuf> {
    let sums = fs::read_to_string(built().join("SHA256SUMS")).unwrap();
    let named = sums.lines().filter_map(|line| line.split_once("  ")).map(|(_, name)| Path::new(name));
    named.chain([Path::new("SHA256SUMS")]).map(Path::to_path_buf).collect()
}
