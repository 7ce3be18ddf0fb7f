//! What the configs of one call have to hold for each other: the clusters that modules come from, and the configs of filters
//! that a listener leaves to discovery.

use serde_json::Value;

use super::envoy::{field, field_path};
use super::kubernetes::patched_in;
use super::{Reference, Report, refusal};
use crate::refusal::{Refusal, Rule};

const CLUSTER: &str = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
const EXTENSION: &str = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig";

/// What a config defines that others may name.
#[derive(Clone, Default)]
pub(super) struct Definitions {
    /// Whether it is a bootstrap.
    is_bootstrap: bool,
    /// Whether there are clusters, or may be, that it only says where to get.
    is_partial: bool,
    clusters: Vec<Cluster>,
    /// The configs that it has for discovery, by name.
    extensions: Vec<String>,
}

#[derive(Clone)]
struct Cluster {
    name: String,
    has_endpoints: bool,
}

impl Definitions {
    pub(super) fn of(documents: &[(String, Value)]) -> Self {
        documents.iter().fold(Self::default(), |all, (_, document)| all.with(Self::of_document(document)))
    }

    fn of_document(document: &Value) -> Self {
        let is_bootstrap = field_path(document, &["static_resources"]).is_some();
        let sources = ["cds_config", "ads_config"];
        let is_partial = sources.iter().any(|it| field_path(document, &["dynamic_resources", it]).is_some());
        let own = field_path(document, &["static_resources", "clusters"]).and_then(Value::as_array);
        let discovered = field_path(document, &["resources"]).and_then(Value::as_array);
        let of_type = |wanted| {
            discovered.into_iter().flatten().filter(move |it| it.get("@type").and_then(Value::as_str) == Some(wanted))
        };
        Self {
            is_bootstrap,
            is_partial,
            clusters: own.into_iter().flatten().chain(of_type(CLUSTER)).filter_map(Cluster::read).collect(),
            extensions: of_type(EXTENSION).filter_map(name_of).map(str::to_owned).chain(patched_in(document)).collect(),
        }
    }

    fn with(mut self, other: Self) -> Self {
        self.is_bootstrap |= other.is_bootstrap;
        self.is_partial |= other.is_partial;
        self.clusters.extend(other.clusters);
        self.extensions.extend(other.extensions);
        self
    }

    /// Whether another config may need this one, although it loads nothing itself.
    pub(super) fn is_of_use(&self) -> bool {
        self.is_bootstrap || !self.clusters.is_empty()
    }
}

impl Cluster {
    fn read(cluster: &Value) -> Option<Self> {
        Some(Self { name: name_of(cluster)?.to_owned(), has_endpoints: has_endpoints(cluster) })
    }
}

/// Refuses what none of the configs of one call defines.
///
/// A bootstrap that gets no clusters from elsewhere has to define its own. What has no bootstrap beside it is looked for in those
/// of the other configs, unless it is an object of Kubernetes: its clusters are the mesh's.
pub(crate) fn settle(reports: &mut [Report]) {
    let together = reports.iter().fold(Definitions::default(), |all, report| all.with(report.definitions.clone()));
    for report in reports {
        let own = report.definitions.is_bootstrap || report.is_of_kubernetes;
        let definitions = if own { &report.definitions } else { &together };
        let mut refusals = Vec::new();
        if definitions.is_bootstrap && !definitions.is_partial {
            refusals.extend(report.clusters.iter().filter_map(|wanted| missing_cluster(definitions, wanted)));
        }
        let missing = report.discovered.iter().filter(|wanted| !together.extensions.contains(&wanted.name));
        refusals.extend(missing.map(|Reference { place, name }| {
            let what = format!(
                "the config of `{name}` comes from elsewhere: verify it beside this file, as a DiscoveryResponse or an EnvoyFilter"
            );
            refusal(Rule::UnknownModule, place, what)
        }));
        report.refusals.extend(refusals);
    }
}

fn missing_cluster(definitions: &Definitions, wanted: &Reference) -> Option<Refusal> {
    let Reference { place, name } = wanted;
    let what = match definitions.clusters.iter().find(|cluster| cluster.name == *name) {
        None => {
            format!("no cluster is named `{name}`: Envoy would start without the module, and answer 503; define it")
        }
        Some(cluster) if !cluster.has_endpoints => {
            format!("the cluster `{name}` has no endpoints: nothing answers when the module is fetched")
        }
        Some(_) => return None,
    };
    Some(refusal(Rule::Cluster, place, what))
}

fn name_of(resource: &Value) -> Option<&str> {
    field(resource.as_object()?, "name")?.as_str()
}

/// Whether it has an endpoint, or gets them from somewhere else than its own `load_assignment`.
fn has_endpoints(cluster: &Value) -> bool {
    let is_elsewhere = field_path(cluster, &["type"]).and_then(Value::as_str) == Some("EDS")
        || field_path(cluster, &["cluster_type"]).is_some();
    let groups = field_path(cluster, &["load_assignment", "endpoints"]).and_then(Value::as_array);
    let mut groups = groups.into_iter().flatten();
    is_elsewhere
        || groups.any(|group| {
            field_path(group, &["lb_endpoints"])
                .and_then(Value::as_array)
                .is_some_and(|endpoints| !endpoints.is_empty())
        })
}
