//! Envoy Gateway's objects (gateway.envoyproxy.io/v1alpha1): `EnvoyExtensionPolicy` and, for the clusters that filters call,
//! `EnvoyPatchPolicy`, which its operator has to allow. Both are for a `Gateway` called `ingress`.

use anyhow::Result;
use serde::Serialize;
use serde_json::Value;

use super::plain::Plain;
use super::source::{Plugin, Source};
use super::{Code, Metadata, Object};

const API: &str = "gateway.envoyproxy.io/v1alpha1";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExtensionPolicy<'a> {
    target_refs: Vec<TargetRef>,
    wasm: Vec<Wasm<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wasm<'a> {
    name: &'a str,
    code: WasmCode<'a>,
    fail_open: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    env: Option<Environment<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<Plain<'a>>,
}

#[derive(Serialize)]
#[serde(tag = "type")]
enum WasmCode<'a> {
    #[serde(rename = "HTTP")]
    Http {
        http: HttpSource<'a>,
    },
    Image {
        image: ImageSource,
    },
}

#[derive(Serialize)]
struct HttpSource<'a> {
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<&'a str>,
}

#[derive(Serialize)]
struct ImageSource {
    url: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Environment<'a> {
    host_keys: Vec<&'a str>,
}

#[derive(Serialize)]
struct TargetRef {
    group: &'static str,
    kind: &'static str,
    name: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PatchPolicy<'a> {
    target_ref: TargetRef,
    r#type: &'static str,
    json_patches: Vec<JsonPatch<'a>>,
}

#[derive(Serialize)]
struct JsonPatch<'a> {
    r#type: &'static str,
    name: &'a str,
    operation: Operation<'a>,
}

#[derive(Serialize)]
struct Operation<'a> {
    op: &'static str,
    path: &'static str,
    value: Plain<'a>,
}

/// The filters, the one next to the client first: Envoy Gateway keeps their order.
pub(super) fn extension_policy<'a>(source: &Source<'a>, code: Code<'_>) -> Result<Object<ExtensionPolicy<'a>>> {
    let wasm = source.plugins.iter().map(|plugin| Wasm::of(source, plugin, code)).collect::<Result<_>>()?;
    let spec = ExtensionPolicy { target_refs: vec![TargetRef::INGRESS], wasm };
    let metadata = Metadata { name: source.object_name_of_all() };
    Ok(Object { api_version: API, kind: "EnvoyExtensionPolicy", metadata, spec })
}

/// The clusters that the filters call.
pub(super) fn clusters<'a>(source: &Source<'a>) -> Option<Object<PatchPolicy<'a>>> {
    let json_patches: Vec<_> = source.called_clusters().map(JsonPatch::adding).collect();
    let spec = PatchPolicy { target_ref: TargetRef::INGRESS, r#type: "JSONPatch", json_patches };
    let metadata = Metadata { name: format!("{}-clusters", source.object_name_of_all()) };
    (!spec.json_patches.is_empty()).then_some(Object { api_version: API, kind: "EnvoyPatchPolicy", metadata, spec })
}

// === impl Wasm ===

impl<'a> Wasm<'a> {
    fn of(source: &Source<'a>, plugin: &Plugin<'a>, code: Code<'_>) -> Result<Self> {
        let url = source.url(plugin, code)?;
        Ok(Self {
            name: plugin.name,
            code: match code {
                Code::Http => WasmCode::Http { http: HttpSource { url, sha256: plugin.sha256(code) } },
                Code::Oci(_) => WasmCode::Image { image: ImageSource { url } },
            },
            fail_open: false,
            env: (!plugin.variables.is_empty()).then(|| Environment { host_keys: plugin.variables.clone() }),
            config: plugin.configuration.map(Plain),
        })
    }
}

// === impl TargetRef ===

impl TargetRef {
    const INGRESS: Self = Self { group: "gateway.networking.k8s.io", kind: "Gateway", name: "ingress" };
}

// === impl JsonPatch ===

impl<'a> JsonPatch<'a> {
    fn adding(cluster: &'a Value) -> Self {
        Self {
            r#type: "type.googleapis.com/envoy.config.cluster.v3.Cluster",
            name: cluster.get("name").and_then(Value::as_str).unwrap_or_default(),
            operation: Operation { op: "add", path: "", value: Plain(cluster) },
        }
    }
}
