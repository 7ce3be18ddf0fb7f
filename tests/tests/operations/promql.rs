//! Which metrics a query in PromQL selects, and which labels of them it is about.

/// Labels that Prometheus adds to what it scrapes.
const SCRAPED: &[&str] = &["instance"];

/// Each metric of Envoy's in the query, with the labels that it is selected and, anywhere in the query, summed by.
pub(crate) fn selectors(query: &str) -> Vec<(String, Vec<String>)> {
    let grouped: Vec<_> = query.split("by (").skip(1).flat_map(|rest| labels(rest, ')')).collect();
    let mut selectors = Vec::new();
    let mut rest = query;
    while let Some(start) = rest.find(|letter: char| letter.is_ascii_alphabetic() || letter == '_') {
        let (_, from) = rest.split_at(start);
        let end = from.find(|letter: char| !letter.is_ascii_alphanumeric() && !"_:".contains(letter));
        let (word, after) = from.split_at(end.unwrap_or(from.len()));
        rest = after;
        if let Some(inside) = after.strip_prefix('{') {
            rest = inside.split_once('}').map_or("", |(_, behind)| behind);
        }
        if ["palisade_", "envoy_"].iter().any(|prefix| word.starts_with(prefix))
            && !grouped.iter().any(|label| label == word)
        {
            let own = after.strip_prefix('{').map(|inside| labels(inside, '}')).unwrap_or_default();
            let about = own.into_iter().chain(grouped.clone()).filter(|label| !SCRAPED.contains(&label.as_str()));
            selectors.push((word.to_owned(), about.collect()));
        }
    }
    selectors
}

/// The names before any matcher in a list up to `end`.
fn labels(list: &str, end: char) -> Vec<String> {
    let list = list.split(end).next().unwrap_or_default();
    let name = |item: &str| item.split(['=', '!']).next().unwrap_or_default().trim().to_owned();
    list.split(',').map(name).collect()
}

#[test]
fn a_query_is_about_its_metrics_and_the_labels_around_and_within_them() {
    let query = r#"sum by (a, le) (rate(envoy_x_bucket{b="1", c!~"2|3", instance=~"$i"}[5m])) / sum(palisade_y)"#;
    let expected = [("envoy_x_bucket", vec!["b", "c", "a", "le"]), ("palisade_y", vec!["a", "le"])];
    let found = selectors(query);
    assert_eq!(found.len(), 2);
    for ((metric, labels), (name, about)) in found.iter().zip(expected) {
        assert_eq!((metric.as_str(), labels.iter().map(String::as_str).collect::<Vec<_>>()), (name, about));
    }
}
