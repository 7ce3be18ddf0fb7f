//! Envoy's configs: each Wasm plugin in one, whatever kind of filter it is in, must load a module of the lock, by its hash
//! where Envoy checks one, restricted to exactly what the module needs, and fail closed.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{Inspection, Object, Reference, at};
use crate::lock::Module;
use crate::refusal::Rule;

impl<'a> Inspection<'a> {
    pub(super) fn envoy(&mut self, place: &str, value: &Value) {
        match value {
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.envoy(&format!("{place}[{index}]"), item);
                }
            }
            Value::Object(object) => {
                self.refuse_twins(place, object);
                let vm = field(object, "vm_config").filter(|_| !self.istio_plugins.contains(place));
                if let Some(vm) = vm {
                    self.plugin(place, object, vm);
                } else if let Some(name) = discovered_filter(object) {
                    self.report.discovered.push(Reference { place: at(place, "config_discovery"), name });
                } else if is_wasm_filter(object) && plugin_of(object).is_none() {
                    self.refuse(
                        Rule::UnknownModule,
                        place,
                        "this Wasm filter has no config.vm_config: say which module it loads",
                    );
                }
                for (key, value) in object {
                    self.envoy(&at(place, key), value);
                }
            }
            _ => {}
        }
    }

    /// Refuses fields that are there in both of their spellings: Envoy takes the last one, wherever that stands.
    fn refuse_twins(&mut self, place: &str, object: &Object) {
        for key in object.keys() {
            let twin = camel_case(key);
            if twin != *key && object.contains_key(&twin) {
                let what = format!("stands here in both of its spellings, `{key}` and `{twin}`; leave one of them out");
                self.refuse(Rule::Twice, &at(place, key), what);
            }
        }
    }

    fn plugin(&mut self, place: &str, plugin: &Object, vm: &Value) {
        let restriction = self.restriction(place, plugin, vm);
        let vm_place = at(place, "vm_config");
        let code = field_path(vm, &["code"]);
        let remote = code.and_then(|code| field_path(code, &["remote"]));
        let local = code.and_then(|code| field_path(code, &["local"]));
        let module = match (remote, local) {
            (Some(remote), None) => self.remote(&at(&vm_place, "code.remote"), remote),
            (None, Some(local)) => self.local(&at(&vm_place, "code.local"), local),
            _ => {
                let what = "name the module by either `remote` or `local`";
                self.refuse(Rule::UnknownModule, &at(&vm_place, "code"), what);
                None
            }
        };
        if let Some(module) = module {
            let (restriction_place, restriction) = restriction;
            self.capabilities(&at(&restriction_place, "allowed_capabilities"), restriction, module);
            self.failure_policy(place, plugin, module);
            self.report.modules.push(module.name.clone());
        }
    }

    /// The list of capabilities, in `vm_config` or, as Envoy before 1.40 has it, beside that.
    fn restriction<'v>(&mut self, place: &str, plugin: &'v Object, vm: &'v Value) -> (String, Option<&'v Value>) {
        const NAME: &str = "capability_restriction_config";
        let (beside, within) = (field(plugin, NAME), field_path(vm, &[NAME]));
        let place_beside = at(place, NAME);
        if beside.is_some() && within.is_some() {
            let what = "vm_config has such a list too; leave out this one, or that one before Envoy 1.40";
            self.refuse(Rule::DeprecatedField, &place_beside, what);
        } else if beside.is_some() && self.policy.is_deprecated_beside {
            let what = "deprecated: since Envoy 1.40 the list belongs into vm_config; move it";
            self.refuse(Rule::DeprecatedField, &place_beside, what);
        }
        match beside {
            Some(list) if within.is_none() => (place_beside, Some(list)),
            _ => (at(&at(place, "vm_config"), NAME), within),
        }
    }

    fn failure_policy(&mut self, place: &str, plugin: &Object, module: &Module) {
        if (self.policy.may_fail_open)(&module.name) {
            return;
        }
        match field(plugin, "failure_policy").map(Value::as_str) {
            None | Some(Some("FAIL_CLOSED" | "FAIL_RELOAD")) => {}
            Some(other) => {
                let other = other.unwrap_or("a number");
                let what = format!("{other} lets requests pass unfiltered when the module fails; write FAIL_CLOSED");
                self.refuse(Rule::FailOpen, &at(place, "failure_policy"), what);
            }
        }
        if field(plugin, "fail_open").is_some_and(|value| *value != Value::Bool(false)) {
            let what = "deprecated, and lets requests pass unfiltered; write failure_policy: FAIL_CLOSED";
            self.refuse(Rule::FailOpen, &at(place, "fail_open"), what);
        }
    }

    fn remote(&mut self, place: &str, remote: &Value) -> Option<&'a Module> {
        let retries = field_path(remote, &["retry_policy", "num_retries"]).and_then(number);
        if retries.unwrap_or(0) == 0 {
            let what = "missing or 0: Envoy retries once, and then answers 503 from then on; set it to 1 or more";
            self.refuse(Rule::Retries, &at(place, "retry_policy.num_retries"), what);
        }
        let cluster = field_path(remote, &["http_uri", "cluster"]).and_then(Value::as_str).unwrap_or_default();
        self.report.clusters.push(Reference { place: at(place, "http_uri.cluster"), name: cluster.to_owned() });
        let sha256 = field_path(remote, &["sha256"]).and_then(Value::as_str).unwrap_or_default();
        let uri = field_path(remote, &["http_uri", "uri"]).and_then(Value::as_str).unwrap_or_default();
        self.module_by_hash(&at(place, "sha256"), sha256, uri)
    }

    fn local(&mut self, place: &str, local: &Value) -> Option<&'a Module> {
        match local.as_object().filter(|sources| sources.len() == 1).and_then(|sources| field(sources, "filename")) {
            Some(Value::String(filename)) => self.module_by_name(&at(place, "filename"), filename),
            _ => {
                let what = "only `filename` is understood here: write the path of the module, and nothing beside it";
                self.refuse(Rule::UnknownModule, place, what);
                None
            }
        }
    }

    fn capabilities(&mut self, place: &str, restriction: Option<&Value>, module: &Module) {
        let listed = restriction.and_then(|restriction| field_path(restriction, &["allowed_capabilities"]));
        let listed: BTreeSet<_> = listed.and_then(Value::as_object).into_iter().flat_map(Map::keys).collect();
        let listed: BTreeSet<_> = listed.into_iter().map(String::as_str).collect();
        let needed = module.capabilities();
        if listed.is_empty() {
            self.refuse(
                Rule::Capabilities,
                place,
                format!("missing: {} may call everything that Envoy has; {}", module.name, super::REPIN),
            );
            return;
        }
        let callbacks: BTreeSet<_> = module.callbacks().collect();
        for missing in needed.difference(&listed) {
            if callbacks.contains(missing) {
                self.refuse(
                    Rule::Capabilities,
                    place,
                    format!("lacks the callback {missing}: Envoy would not call it, and requests would pass unfiltered; add `{missing}: {{}}`"),
                );
            } else {
                self.refuse(
                    Rule::Capabilities,
                    place,
                    format!("lacks the host function {missing}: each of its calls would fail; add `{missing}: {{}}`"),
                );
            }
        }
        for surplus in listed.difference(&needed) {
            self.refuse(
                Rule::Capabilities,
                place,
                format!("allows {surplus}, which {} does not need; remove it", module.name),
            );
        }
    }
}

/// The field of a message, by either of the two names that protobuf's JSON mapping accepts.
pub(super) fn field<'v>(object: &'v Object, snake_case: &str) -> Option<&'v Value> {
    object.get(snake_case).or_else(|| object.get(&camel_case(snake_case)))
}

pub(super) fn field_path<'v>(value: &'v Value, path: &[&str]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, name| field(value.as_object()?, name))
}

/// A number, which protobuf's JSON mapping takes as a string too.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

fn camel_case(snake_case: &str) -> String {
    let mut words = snake_case.split('_');
    let mut name = words.next().unwrap_or_default().to_string();
    for word in words {
        let mut letters = word.chars();
        name.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        name.push_str(letters.as_str());
    }
    name
}

/// Whether this is the typed config of a Wasm filter, plain or wrapped in a `TypedStruct`.
fn is_wasm_filter(object: &Object) -> bool {
    ["@type", "type_url", "typeUrl"]
        .into_iter()
        .any(|key| object.get(key).and_then(Value::as_str).is_some_and(is_wasm_type))
}

fn is_wasm_type(url: &str) -> bool {
    url.starts_with("type.googleapis.com/envoy.extensions.") && url.contains(".wasm.v3.")
}

/// The name of a filter that may be a Wasm filter, and whose config comes from discovery.
fn discovered_filter(filter: &Object) -> Option<String> {
    let types = field_path(field(filter, "config_discovery")?, &["type_urls"])?.as_array()?;
    let is_wasm = types.iter().any(|url| url.as_str().is_some_and(is_wasm_type));
    is_wasm.then(|| field(filter, "name").and_then(Value::as_str).unwrap_or_default().to_owned())
}

fn plugin_of(filter: &Object) -> Option<&Value> {
    let message = filter.get("value").and_then(Value::as_object).unwrap_or(filter);
    field_path(field(message, "config")?, &["vm_config"])
}
