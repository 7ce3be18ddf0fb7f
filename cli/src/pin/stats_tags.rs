//! The stats tags: what makes labels of the parts of a metric's name that are labels, in `/stats/prometheus` and in what
//! Envoy reports.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::lock::Lock;

/// The piece of a bootstrap that makes labels of the labels of these modules' metrics, in YAML.
#[must_use]
pub fn stats_config(lock: &Lock) -> String {
    let mut text = "\
# Written by `cargo palisade pin`: what /stats/prometheus needs to show the labels of Palisade's metrics. For a bootstrap
# of your own; Envoy adds it to that with --config-yaml.
stats_config:
"
    .to_string();
    for line in stats_tags(lock).lines() {
        let _ = writeln!(text, "  {line}");
    }
    text
}

/// The field `stats_tags` of a bootstrap's `stats_config`: one expression for each label of the lock's modules.
///
/// Envoy tries an expression that begins with a literal segment only on stats that begin with it. Each is tried on the
/// whole name, so that labels may stand in any order; the first group is cut out of it, and the second is the value.
pub(super) fn stats_tags(lock: &Lock) -> String {
    let labels: BTreeSet<_> = lock.modules().iter().flat_map(|module| &module.labels).collect();
    if labels.is_empty() {
        return "stats_tags: []\n".to_string();
    }
    let mut text = "stats_tags:\n".to_string();
    for label in labels {
        let _ = writeln!(text, "- tag_name: {label}");
        let _ = writeln!(text, r"  regex: '^wasmcustom\.palisade\..*(;{label}=([^;]*))'");
    }
    text
}
