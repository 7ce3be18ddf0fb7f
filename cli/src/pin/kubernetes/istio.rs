//! Istio's objects: `EnvoyFilter` (networking.istio.io/v1alpha3), `WasmPlugin` and, from Istio 1.30 on, `TrafficExtension`
//! (extensions.istio.io/v1alpha1), for an ingress gateway.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Serialize;
use serde_json::Value;

use super::plain::Plain;
use super::source::{Plugin, Source};
use super::{Code, Metadata, Object};

const EXTENSIONS: &str = "extensions.istio.io/v1alpha1";
const NETWORKING: &str = "networking.istio.io/v1alpha3";

/// Before Istio's own filters, which may build on what ours say of a caller.
const PHASE: &str = "AUTHN";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WasmPlugin<'a> {
    selector: MatchLabels,
    phase: &'static str,
    priority: usize,
    #[serde(flatten)]
    wasm: Wasm<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TrafficExtension<'a> {
    selector: MatchLabels,
    phase: &'static str,
    priority: usize,
    wasm: Wasm<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wasm<'a> {
    r#type: &'static str,
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<&'a str>,
    plugin_name: &'a str,
    fail_strategy: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    vm_config: Option<VmConfig<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plugin_config: Option<Plain<'a>>,
}

#[derive(Serialize)]
struct VmConfig<'a> {
    env: Vec<Variable<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Variable<'a> {
    name: &'a str,
    value_from: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MatchLabels {
    match_labels: BTreeMap<&'static str, &'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EnvoyFilter<'a> {
    workload_selector: Labels,
    config_patches: Vec<ConfigPatch<'a>>,
}

#[derive(Serialize)]
struct Labels {
    labels: BTreeMap<&'static str, &'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ConfigPatch<'a> {
    apply_to: &'static str,
    r#match: Match,
    patch: Patch<'a>,
}

#[derive(Serialize)]
struct Match {
    context: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    listener: Option<ListenerMatch>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListenerMatch {
    filter_chain: FilterChainMatch,
}

#[derive(Serialize)]
struct FilterChainMatch {
    filter: FilterMatch,
}

#[derive(Serialize)]
struct FilterMatch {
    name: &'static str,
}

#[derive(Serialize)]
struct Patch<'a> {
    operation: &'static str,
    value: Plain<'a>,
}

/// A plugin for each filter. Istio sorts by priority, the highest next to the client.
pub(super) fn wasm_plugins<'a>(source: &Source<'a>, code: Code<'_>) -> Result<Vec<Object<WasmPlugin<'a>>>> {
    each(source, "WasmPlugin", |plugin, priority| {
        Ok(WasmPlugin { selector: gateway_pods(), phase: PHASE, priority, wasm: Wasm::of(source, plugin, code)? })
    })
}

/// The same in the API that takes the place of `WasmPlugin`.
pub(super) fn traffic_extensions<'a>(source: &Source<'a>, code: Code<'_>) -> Result<Vec<Object<TrafficExtension<'a>>>> {
    each(source, "TrafficExtension", |plugin, priority| {
        Ok(TrafficExtension { selector: gateway_pods(), phase: PHASE, priority, wasm: Wasm::of(source, plugin, code)? })
    })
}

/// The filters as they stand in Envoy's config, capability lists included, and all clusters that they need. Before Istio's own
/// filters as by [`PHASE`]: each patch puts its filter before all that are there, so that the one next to the client is put last.
pub(super) fn envoy_filter<'a>(source: &Source<'a>) -> Object<EnvoyFilter<'a>> {
    let filters = source.plugins.iter().rev().map(|plugin| ConfigPatch::first(plugin.filter));
    patches(source.object_name_of_all(), filters.chain(source.clusters.iter().copied().map(ConfigPatch::cluster)))
}

/// The clusters that the filters call, for objects that cannot define any.
pub(super) fn clusters<'a>(source: &Source<'a>) -> Option<Object<EnvoyFilter<'a>>> {
    let mut clusters = source.called_clusters().map(ConfigPatch::cluster).peekable();
    clusters.peek()?;
    Some(patches(format!("{}-clusters", source.object_name_of_all()), clusters))
}

fn each<'a, S>(
    source: &Source<'a>,
    kind: &'static str,
    spec: impl Fn(&Plugin<'a>, usize) -> Result<S>,
) -> Result<Vec<Object<S>>> {
    let priorities = (1..=source.plugins.len()).rev();
    let object = |(plugin, priority): (&Plugin<'a>, usize)| {
        let metadata = Metadata { name: source.object_name(plugin) };
        Ok(Object { api_version: EXTENSIONS, kind, metadata, spec: spec(plugin, priority)? })
    };
    source.plugins.iter().zip(priorities).map(object).collect()
}

fn patches<'a>(name: String, config_patches: impl Iterator<Item = ConfigPatch<'a>>) -> Object<EnvoyFilter<'a>> {
    Object {
        api_version: NETWORKING,
        kind: "EnvoyFilter",
        metadata: Metadata { name },
        spec: EnvoyFilter {
            workload_selector: Labels { labels: labels_of_the_gateway() },
            config_patches: config_patches.collect(),
        },
    }
}

fn gateway_pods() -> MatchLabels {
    MatchLabels { match_labels: labels_of_the_gateway() }
}

fn labels_of_the_gateway() -> BTreeMap<&'static str, &'static str> {
    BTreeMap::from([("istio", "ingressgateway")])
}

// === impl Wasm ===

impl<'a> Wasm<'a> {
    fn of(source: &Source<'a>, plugin: &Plugin<'a>, code: Code<'_>) -> Result<Self> {
        let scheme = if matches!(code, Code::Oci(_)) { "oci://" } else { "" };
        let env: Vec<_> = plugin.variables.iter().map(|name| Variable { name, value_from: "HOST" }).collect();
        Ok(Self {
            r#type: "HTTP",
            url: format!("{scheme}{}", source.url(plugin, code)?),
            sha256: plugin.sha256(code),
            plugin_name: plugin.name,
            fail_strategy: "FAIL_CLOSE",
            vm_config: (!env.is_empty()).then_some(VmConfig { env }),
            plugin_config: plugin.configuration.map(Plain),
        })
    }
}

// === impl ConfigPatch ===

impl<'a> ConfigPatch<'a> {
    fn first(filter: &'a Value) -> Self {
        let filter_match = FilterMatch { name: "envoy.filters.network.http_connection_manager" };
        let listener = ListenerMatch { filter_chain: FilterChainMatch { filter: filter_match } };
        Self {
            apply_to: "HTTP_FILTER",
            r#match: Match { context: "GATEWAY", listener: Some(listener) },
            patch: Patch { operation: "INSERT_FIRST", value: Plain(filter) },
        }
    }

    fn cluster(cluster: &'a Value) -> Self {
        Self {
            apply_to: "CLUSTER",
            r#match: Match { context: "GATEWAY", listener: None },
            patch: Patch { operation: "ADD", value: Plain(cluster) },
        }
    }
}
