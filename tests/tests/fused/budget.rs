//! Every module, the fused one too, is within `budget.toml`. What their starts burn is exact in the embedded host; where that is
//! meant to change:
//!
//! ```sh
//! PALISADE_RECORD=1 cargo test --package palisade-tests --test fused -- budget
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::{Context, Result, anyhow, bail};
use palisade::budget::Budget;
use palisade::lock::{Lock, Module};
use palisade_host::{Answer, Host};
use palisade_testbed::checkout;
use serde_json::Value;

use crate::mesh::{FILTERS, FUSED, fused_module};

const WORKER: usize = 1;
/// What each variable holds that a config names.
const SECRET: &str = "0123456789abcdef0123456789abcdef";

#[test]
fn every_module_is_within_its_budget() {
    let root = checkout::root().unwrap();
    let dist = root.join("dist");
    let (folder, fused) = fused_module().unwrap();
    let modules = Lock::read_verified(&dist).unwrap().modules().to_vec();
    let placed = modules.into_iter().map(|module| (&dist, module)).chain([(&folder, fused)]);
    let placed: Vec<_> = placed.collect();
    let starts = placed.iter().map(|(folder, module)| start_fuel(folder, module).with_context(|| module.name.clone()));
    let starts: Vec<_> = starts.collect::<Result<_>>().unwrap();
    let path = root.join("budget.toml");
    let mut budget = Budget::read(&path).unwrap();
    let lock = Lock::new(placed.iter().map(|(_, module)| module.clone()).collect());
    if env::var_os("PALISADE_RECORD").is_some_and(|record| record == "1") {
        budget.grant(&lock);
        for ((_, module), fuel) in placed.iter().zip(&starts) {
            budget.grant_start(module, *fuel);
        }
        fs::write(&path, budget.to_string()).unwrap();
    }
    budget.check(&lock).unwrap();
    let beyond = placed.iter().zip(&starts).filter_map(|((_, module), fuel)| budget.check_start(module, *fuel).err());
    let beyond: Vec<_> = beyond.map(|error| error.to_string()).collect();
    assert!(
        beyond.is_empty(),
        "{}\nwhere that is meant, PALISADE_RECORD=1 cargo test --package palisade-tests --test fused -- budget",
        beyond.join("\n")
    );
}

/// What a worker burns until a module has taken up the config that ships.
fn start_fuel(folder: &Path, module: &Module) -> Result<u64> {
    let plugins =
        if module.name == FUSED { FILTERS.map(|it| it.replace('-', "_")).to_vec() } else { vec![module.name.clone()] };
    let plugins = plugins.into_iter().map(|name| shipped_plugin(&name).map(|plugin| (name, plugin)));
    let plugins: BTreeMap<_, _> = plugins.collect::<Result<_>>()?;
    let configuration = |plugin: &Value| plugin["configuration"]["value"].clone();
    let configuration: Value = match plugins.get(&module.name) {
        Some(plugin) => configuration(plugin),
        None => plugins.iter().map(|(name, plugin)| (name.clone(), configuration(plugin))).collect(),
    };
    let host = Host::builder().module(fs::read(folder.join(&module.file))?).name(&module.name);
    let host = host.config(configuration.to_string()).capabilities(module.capabilities());
    let variables = plugins.values().filter_map(|it| it.pointer("/vm_config/environment_variables/host_env_keys"));
    let variables = variables.filter_map(Value::as_array).flatten().filter_map(Value::as_str);
    let host = variables.fold(host, |host, variable| host.environment(variable, SECRET));
    let host = host.cluster("idp", |_| Answer::status(500)).build().map_err(|error| anyhow!("{error}"))?;
    Ok(host.counters(WORKER).iter().map(|counters| counters.fuel).sum())
}

/// The plugin of a module in the first of those configs that ship with it.
fn shipped_plugin(module: &str) -> Result<Value> {
    let files = fs::read_dir(checkout::pinned_configs()?)?.map(|entry| Ok(entry?.path()));
    let mut files: Vec<PathBuf> = files.collect::<Result<_>>()?;
    files.retain(|file| file.to_string_lossy().ends_with(".local.yaml"));
    files.sort();
    for file in files {
        let config = serde_saphyr::from_str(&fs::read_to_string(file)?)?;
        if let Some(plugin) = plugin_in(&config, &format!("/{module}.wasm")) {
            return Ok(plugin.clone());
        }
    }
    bail!("no config that ships loads {module}")
}

fn plugin_in<'v>(value: &'v Value, file: &str) -> Option<&'v Value> {
    let loaded = value.pointer("/vm_config/code/local/filename").and_then(Value::as_str);
    match value {
        _ if loaded.is_some_and(|loaded| loaded.ends_with(file)) => Some(value),
        Value::Object(fields) => fields.values().find_map(|field| plugin_in(field, file)),
        Value::Array(items) => items.iter().find_map(|item| plugin_in(item, file)),
        _ => None,
    }
}
