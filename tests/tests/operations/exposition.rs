//! Prometheus' text exposition format, as far as Envoy writes it: names and their labels.

use std::collections::{BTreeMap, BTreeSet};

/// The metrics, each with the labels that any of its series has.
pub(crate) struct Exposition(BTreeMap<String, BTreeSet<String>>);

impl Exposition {
    pub(crate) fn read(text: &str) -> Self {
        let mut metrics: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some(name) = line.split(['{', ' ']).next().filter(|name| !name.is_empty()) else { continue };
            // No value of these metrics holds a quotation mark.
            let labels = line.split('"').step_by(2).filter_map(|part| part.strip_suffix('='));
            let labels = labels.filter_map(|label| label.rsplit(['{', ',']).next());
            metrics.entry(name.to_owned()).or_default().extend(labels.map(str::to_owned));
        }
        Self(metrics)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub(crate) fn has(&self, metric: &str) -> bool {
        self.0.contains_key(metric)
    }

    pub(crate) fn has_label(&self, metric: &str, label: &str) -> bool {
        self.0.get(metric).is_some_and(|labels| labels.contains(label))
    }
}

#[test]
fn a_metric_has_the_labels_of_all_its_series() {
    let exposition = Exposition::read("# TYPE a counter\na{b=\"1\",c=\"x=y\"} 1\na{d=\"\"} 2\ne{} 3\n\n");
    assert!(exposition.has("a") && exposition.has("e") && !exposition.has("x"));
    assert!(["b", "c", "d"].iter().all(|label| exposition.has_label("a", label)));
    assert!(!exposition.has_label("a", "x") && !exposition.has_label("e", ""));
}
