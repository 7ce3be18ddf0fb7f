//! Clusters that modules come from: a bootstrap that gets none from elsewhere has to define them.

use serde_json::Value;

use super::Inspection;
use super::envoy::{field, field_path};
use crate::refusal::Rule;

impl Inspection<'_> {
    /// Refuses clusters that none of the documents defines, where one of them is a bootstrap with all clusters in it.
    pub(super) fn refuse_missing_clusters(&mut self, documents: &[Value]) {
        let bootstraps = documents.iter().filter(|document| field_path(document, &["static_resources"]).is_some());
        let bootstraps: Vec<_> = bootstraps.collect();
        let is_complete = bootstraps.iter().all(|document| {
            ["cds_config", "ads_config"]
                .iter()
                .all(|source| field_path(document, &["dynamic_resources", source]).is_none())
        });
        if bootstraps.is_empty() || !is_complete {
            return;
        }
        let defined: Vec<_> = bootstraps.iter().flat_map(|document| static_clusters(document)).collect();
        for (place, name) in std::mem::take(&mut self.report.clusters) {
            match defined.iter().find(|cluster| name_of(cluster) == Some(&name)) {
                None => {
                    let what = format!(
                        "no cluster is named `{name}`: Envoy would start without the module, and answer 503; define it"
                    );
                    self.refuse(Rule::Cluster, &place, what);
                }
                Some(cluster) if !has_endpoints(cluster) => {
                    let what =
                        format!("the cluster `{name}` has no endpoints: nothing answers when the module is fetched");
                    self.refuse(Rule::Cluster, &place, what);
                }
                Some(_) => {}
            }
        }
    }
}

fn static_clusters(document: &Value) -> impl Iterator<Item = &Value> {
    field_path(document, &["static_resources", "clusters"]).and_then(Value::as_array).into_iter().flatten()
}

fn name_of(cluster: &Value) -> Option<&str> {
    field(cluster.as_object()?, "name")?.as_str()
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
