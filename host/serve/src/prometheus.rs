//! Metrics in the text format of Prometheus, named as Envoy names them.

use palisade_host::{HISTOGRAM_BUCKETS, MetricKind, MetricValue, Shared};
use std::collections::BTreeMap;
use std::fmt::Write;

/// All metrics. Parts of a name like `;NAME=VALUE` are labels, as with the `stats_tags` that `cargo palisade pin` writes.
pub(crate) fn render(shared: &Shared) -> String {
    let mut families: BTreeMap<(String, MetricKind), Vec<(String, MetricValue)>> = BTreeMap::new();
    for ((kind, name), value) in shared.metrics.all() {
        let name = name.strip_prefix("wasmcustom.").unwrap_or(&name);
        let (family, labels) = name.split_once(';').unwrap_or((name, ""));
        families.entry((plain(family), kind)).or_default().push((shown(labels), value));
    }
    let mut text = String::new();
    for ((name, kind), series) in families {
        let kind = match kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
        };
        let _ = writeln!(text, "# TYPE {name} {kind}");
        for (labels, value) in series {
            write_series(&mut text, &name, &labels, value);
        }
    }
    text
}

fn write_series(text: &mut String, name: &str, labels: &str, value: MetricValue) {
    match value {
        MetricValue::Number(number) => {
            let _ = writeln!(text, "{name}{} {number}", in_braces(labels));
        }
        MetricValue::Histogram { buckets, count, sum } => {
            let before = if labels.is_empty() { String::new() } else { format!("{labels},") };
            for (bound, below) in HISTOGRAM_BUCKETS.iter().zip(buckets) {
                let _ = writeln!(text, "{name}_bucket{{{before}le=\"{bound}\"}} {below}");
            }
            let labels = in_braces(labels);
            let _ = writeln!(text, "{name}_bucket{{{before}le=\"+Inf\"}} {count}");
            let _ = writeln!(text, "{name}_sum{labels} {sum}\n{name}_count{labels} {count}");
        }
    }
}

/// `a=1;b=2` as Prometheus has it.
fn shown(labels: &str) -> String {
    let pairs = labels.split(';').filter_map(|label| label.split_once('='));
    let shown = pairs.map(|(name, value)| format!("{}=\"{}\"", plain(name), escaped(value)));
    shown.collect::<Vec<_>>().join(",")
}

fn in_braces(labels: &str) -> String {
    if labels.is_empty() { String::new() } else { format!("{{{labels}}}") }
}

/// A name of letters, digits and underlines, which begins with no digit.
fn plain(name: &str) -> String {
    let name: String = name.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' }).collect();
    if name.starts_with(|letter: char| letter.is_ascii_digit()) { format!("_{name}") } else { name }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use palisade_host::{Clock, Random};

    fn rendered(counters: &[&str], histograms: &[&str]) -> String {
        let shared = Shared::new(Clock::still(), Random::Seeded(1), |_| {});
        counters.iter().for_each(|name| shared.metrics.add(MetricKind::Counter, name, 2));
        histograms.iter().for_each(|name| shared.metrics.record(MetricKind::Histogram, name, 7));
        render(&shared)
    }

    #[test]
    fn names_have_no_prefix_and_buckets_add_up() {
        let text = rendered(&["wasmcustom.palisade.hits"], &["wasmcustom.palisade.time"]);
        assert!(text.starts_with("# TYPE palisade_hits counter\npalisade_hits 2\n"), "{text}");
        assert!(text.contains("palisade_time_bucket{le=\"5\"} 0\npalisade_time_bucket{le=\"10\"} 1\n"), "{text}");
        assert!(text.ends_with("palisade_time_sum 7\npalisade_time_count 1\n"), "{text}");
    }

    #[test]
    fn labels_come_out_of_names_and_a_family_has_one_type() {
        let text =
            rendered(&["wasmcustom.a.b;plan=x;tenant=y\"\\", "wasmcustom.a.b;plan=;tenant=z", "wasmcustom.a.b"], &[]);
        let lines: Vec<_> = text.lines().collect();
        let expected =
            ["# TYPE a_b counter", "a_b 2", "a_b{plan=\"\",tenant=\"z\"} 2", "a_b{plan=\"x\",tenant=\"y\\\"\\\\\"} 2"];
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_histogram_has_its_labels_before_its_bounds() {
        let text = rendered(&[], &["wasmcustom.t;plan=x"]);
        assert!(text.contains("t_bucket{plan=\"x\",le=\"+Inf\"} 1\nt_sum{plan=\"x\"} 7\n"), "{text}");
    }
}
