//! The inspection of a finished config: each Wasm plugin in it, whatever kind of filter it is in, must load a module
//! of the lock, by its hash where Envoy checks one, restricted to exactly what the module needs, and fail closed.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;
use serde_json::{Map, Value};

use crate::hash::is_sha256;
use crate::lock::{Lock, Module};

/// What an inspection found.
#[derive(Default)]
pub(super) struct Report {
    /// Why the config must not be loaded: where, what, and how to mend it.
    pub(super) problems: Vec<String>,
    /// The names of the modules that it loads.
    pub(super) modules: Vec<String>,
}

/// Inspects a config in YAML or JSON.
pub(super) fn inspect(config: &str, lock: &Lock) -> Result<Report> {
    let config: Value = serde_saphyr::from_str(config)?;
    let mut inspection = Inspection { lock, report: Report::default() };
    inspection.walk("", &config);
    Ok(inspection.report)
}

struct Inspection<'a> {
    lock: &'a Lock,
    report: Report,
}

type Object = Map<String, Value>;

impl<'a> Inspection<'a> {
    fn walk(&mut self, place: &str, value: &Value) {
        match value {
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.walk(&format!("{place}[{index}]"), item);
                }
            }
            Value::Object(object) => {
                if let Some(vm) = field(object, "vm_config") {
                    self.plugin(place, object, vm);
                } else if is_wasm_filter(object) && plugin_of(object).is_none() {
                    self.problem(place, "this Wasm filter has no config.vm_config: say which module it loads");
                }
                for (key, value) in object {
                    self.walk(&at(place, key), value);
                }
            }
            _ => {}
        }
    }

    fn plugin(&mut self, place: &str, plugin: &Object, vm: &Value) {
        match field(plugin, "failure_policy").map(Value::as_str) {
            None | Some(Some("FAIL_CLOSED" | "FAIL_RELOAD")) => {}
            Some(other) => {
                let other = other.unwrap_or("a number");
                let place = at(place, "failure_policy");
                self.problem(
                    &place,
                    format!("{other} lets requests pass unfiltered when the module fails; write FAIL_CLOSED"),
                );
            }
        }
        if field(plugin, "fail_open").is_some_and(|value| *value != Value::Bool(false)) {
            self.problem(
                &at(place, "fail_open"),
                "deprecated, and lets requests pass unfiltered; write failure_policy: FAIL_CLOSED",
            );
        }
        let restriction = self.restriction(place, plugin, vm);
        let place = at(place, "vm_config");
        let code = field_path(vm, &["code"]);
        let remote = code.and_then(|code| field_path(code, &["remote"]));
        let local = code.and_then(|code| field_path(code, &["local"]));
        let module = match (remote, local) {
            (Some(remote), None) => self.remote(&at(&place, "code.remote"), remote),
            (None, Some(local)) => self.local(&at(&place, "code.local"), local),
            _ => {
                self.problem(&at(&place, "code"), "name the module by either `remote` or `local`");
                None
            }
        };
        if let Some(module) = module {
            let (place, restriction) = restriction;
            self.capabilities(&at(&place, "allowed_capabilities"), restriction, module);
            self.report.modules.push(module.name.clone());
        }
    }

    /// The list of capabilities, in `vm_config` or, as Envoy before 1.40 has it, beside that.
    fn restriction<'v>(&mut self, place: &str, plugin: &'v Object, vm: &'v Value) -> (String, Option<&'v Value>) {
        const NAME: &str = "capability_restriction_config";
        let (beside, within) = (field(plugin, NAME), field_path(vm, &[NAME]));
        let place_beside = at(place, NAME);
        if beside.is_some() && within.is_some() {
            self.problem(
                &place_beside,
                "vm_config has such a list too; leave out this one, or that one before Envoy 1.40",
            );
        }
        match beside {
            Some(list) if within.is_none() => (place_beside, Some(list)),
            _ => (at(&at(place, "vm_config"), NAME), within),
        }
    }

    fn remote(&mut self, place: &str, remote: &Value) -> Option<&'a Module> {
        let retries = field_path(remote, &["retry_policy", "num_retries"]).and_then(Value::as_u64);
        if retries.unwrap_or(0) == 0 {
            self.problem(
                &at(place, "retry_policy.num_retries"),
                "missing or 0: Envoy retries once, and then answers 503 from then on; set it to 1 or more",
            );
        }
        let place = at(place, "sha256");
        let sha256 = field_path(remote, &["sha256"]).and_then(Value::as_str).unwrap_or_default();
        if !is_sha256(sha256) {
            self.problem(
                &place,
                format!("`{sha256}` is not 64 lower-case hex digits: Envoy would start, and answer 503 to every request; {REPIN}"),
            );
            return None;
        }
        let uri = field_path(remote, &["http_uri", "uri"]).and_then(Value::as_str).unwrap_or_default();
        let by_name = self.lock.module(module_name(uri));
        let by_hash = self.lock.module_by_sha256(sha256);
        match (by_name, by_hash) {
            (Some(named), _) if named.sha256 != sha256 => {
                self.problem(&place, format!("not the hash of {}, which is {}; {REPIN}", named.name, named.sha256));
                None
            }
            (_, None) => {
                self.problem(&place, format!("not the hash of any module in the lock; {REPIN}"));
                None
            }
            (_, found) => found,
        }
    }

    fn local(&mut self, place: &str, local: &Value) -> Option<&'a Module> {
        let Some(filename) = field_path(local, &["filename"]).and_then(Value::as_str) else {
            self.problem(place, "only `filename` is understood here: write the path of the module");
            return None;
        };
        let module = self.lock.module(module_name(filename));
        if module.is_none() {
            self.problem(&at(place, "filename"), format!("`{filename}` is named like no module of the lock"));
        }
        module
    }

    fn capabilities(&mut self, place: &str, restriction: Option<&Value>, module: &Module) {
        let listed = restriction.and_then(|restriction| field_path(restriction, &["allowed_capabilities"]));
        let listed: BTreeSet<_> = listed.and_then(Value::as_object).into_iter().flat_map(Map::keys).collect();
        let listed: BTreeSet<_> = listed.into_iter().map(String::as_str).collect();
        let needed = module.capabilities();
        if listed.is_empty() {
            self.problem(place, format!("missing: {} may call everything that Envoy has; {REPIN}", module.name));
            return;
        }
        let callbacks: BTreeSet<_> = module.callbacks().collect();
        for missing in needed.difference(&listed) {
            if callbacks.contains(missing) {
                self.problem(
                    place,
                    format!("lacks the callback {missing}: Envoy would not call it, and requests would pass unfiltered; add `{missing}: {{}}`"),
                );
            } else {
                self.problem(
                    place,
                    format!("lacks the host function {missing}: each of its calls would fail; add `{missing}: {{}}`"),
                );
            }
        }
        for surplus in listed.difference(&needed) {
            self.problem(place, format!("allows {surplus}, which {} does not need; remove it", module.name));
        }
    }

    fn problem(&mut self, place: &str, what: impl AsRef<str>) {
        self.report.problems.push(format!("{place}: {}", what.as_ref()));
    }
}

const REPIN: &str = "run `cargo palisade pin`";

/// The field of a message, by either of the two names that protobuf's JSON mapping accepts.
fn field<'v>(object: &'v Object, snake_case: &str) -> Option<&'v Value> {
    object.get(snake_case).or_else(|| object.get(&camel_case(snake_case)))
}

fn field_path<'v>(value: &'v Value, path: &[&str]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, name| field(value.as_object()?, name))
}

fn camel_case(snake_case: &str) -> String {
    let mut words = snake_case.split('_');
    let mut name = words.next().unwrap_or_default().to_string();
    for word in words {
        let (head, tail) = word.split_at(word.len().min(1));
        name.push_str(&head.to_ascii_uppercase());
        name.push_str(tail);
    }
    name
}

/// Whether this is the typed config of a Wasm filter, plain or wrapped in a `TypedStruct`.
fn is_wasm_filter(object: &Object) -> bool {
    ["@type", "type_url", "typeUrl"].into_iter().any(|key| {
        let url = object.get(key).and_then(Value::as_str).unwrap_or_default();
        url.starts_with("type.googleapis.com/envoy.extensions.") && url.contains(".wasm.v3.")
    })
}

fn plugin_of(filter: &Object) -> Option<&Value> {
    let message = filter.get("value").and_then(Value::as_object).unwrap_or(filter);
    field_path(field(message, "config")?, &["vm_config"])
}

fn module_name(location: &str) -> &str {
    let location = location.split(['?', '#']).next().unwrap_or_default();
    Path::new(location).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default()
}

fn at(place: &str, name: &str) -> String {
    if place.is_empty() { name.to_string() } else { format!("{place}.{name}") }
}
