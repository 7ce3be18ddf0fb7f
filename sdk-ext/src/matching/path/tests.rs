use proptest::prelude::*;

use super::*;
use crate::config;

fn template(text: &str) -> Option<Template> {
    Template::parse(text)
}

#[test]
fn the_query_begins_at_the_first_question_mark() {
    assert_eq!(without_query(b"/a?b?c"), b"/a");
    assert_eq!(query(b"/a?b?c"), b"b?c");
    assert_eq!(query(b"/a?"), b"");
    assert_eq!(query(b"/a"), b"");
    assert_eq!(without_query(b""), b"");
    assert_eq!(query(b"?"), b"");
}

#[test]
fn a_prefix_matches_whole_segments_only() {
    assert!(has_prefix(b"/api", b"/api"));
    assert!(has_prefix(b"/api/", b"/api"));
    assert!(has_prefix(b"/api/x", b"/api"));
    assert!(!has_prefix(b"/apix", b"/api"));
    assert!(!has_prefix(b"/ap", b"/api"));
    assert!(has_prefix(b"/api/x", b"/api/"));
    assert!(!has_prefix(b"/api", b"/api/"));
    assert!(has_prefix(b"/anything", b"/"));
}

#[test]
fn a_path_is_ascii_in_every_pattern() {
    for kind in ["exact", "prefix", "regex", "template"] {
        let pattern = |path: &str| config::parse::<PathPattern>(format!(r#"{{"{kind}": "{path}"}}"#).as_bytes());
        assert!(pattern("/caf%C3%A9").is_ok(), "{kind}");
        assert!(pattern("/café").unwrap_err().to_string().contains("%C3%A9"), "{kind}");
    }
}

#[test]
fn segments_are_counted_from_one() {
    assert_eq!(segment(b"/users/42", 1), Some(&b"users"[..]));
    assert_eq!(segment(b"/users/42", 2), Some(&b"42"[..]));
    assert_eq!(segment(b"/users/42", 3), None);
    assert_eq!(segment(b"/users/42", 0), None);
    assert_eq!(segment(b"/users//x", 2), None);
    assert_eq!(segment(b"*", 1), None);
}

#[test]
fn a_name_or_a_star_in_a_template_is_one_segment() {
    for text in ["/users/{id}/orders", "/users/*/orders"] {
        let template = template(text).unwrap();
        assert!(template.matches(b"/users/42/orders"));
        assert!(!template.matches(b"/users//orders"));
        assert!(!template.matches(b"/users/4/2/orders"));
        assert!(!template.matches(b"/users/42/orders/"));
        assert!(!template.matches(b"/users/42"));
    }
}

#[test]
fn two_stars_at_the_end_of_a_template_are_any_rest_or_none() {
    let open = template("/users/{id}/**").unwrap();
    for path in ["/users/42", "/users/42/", "/users/42/a/b"] {
        assert!(open.matches(path.as_bytes()), "{path}");
    }
    assert!(!open.matches(b"/users"));
    assert!(!open.matches(b"/users/"));
    assert!(template("/**").unwrap().matches(b"/"));
    assert!(!template("/**").unwrap().matches(b"*"));
}

#[test]
fn a_template_with_stray_marks_is_refused() {
    for text in ["/**/a", "/a**", "/{id", "/id}", "/{}", "/{a-b}", "/x{id}", "/{a}{b}", "/***", "/**/**"] {
        assert_eq!(template(text), None, "{text}");
    }
}

/// The same as a template, said with the `regex` of a naive reader.
fn oracle(template: &str, path: &str) -> bool {
    let (fixed, open) = template.strip_suffix("/**").map_or((template, false), |fixed| (fixed, true));
    let segments = fixed.split('/').skip(1).map(|segment| match segment {
        "*" => "/[^/]+".to_owned(),
        name if name.starts_with('{') => "/[^/]+".to_owned(),
        literal => format!("/{literal}"),
    });
    let rest = if open { "(/.*)?" } else { "" };
    let regex = format!("^{}{rest}$", segments.collect::<String>());
    path.starts_with('/') && regex_lite::Regex::new(&regex).unwrap().is_match(path)
}

proptest! {
    #[test]
    fn a_template_matches_what_the_oracle_matches(
        text in r"(/(a|b|\*|\{id\}|)){1,4}(/\*\*)?",
        path in "/?(a|b|)(/(a|b|)){0,4}",
    ) {
        prop_assert_eq!(template(&text).unwrap().matches(path.as_bytes()), oracle(&text, &path));
    }

    #[test]
    fn a_prefix_matches_what_the_oracle_matches(prefix in "(/[ab]{0,2}){1,3}", path in "(/[ab]{0,2}){1,4}") {
        let with_slash = if prefix.ends_with('/') { prefix.clone() } else { format!("{prefix}/") };
        let expected = path == prefix || path.starts_with(&with_slash);
        prop_assert_eq!(has_prefix(path.as_bytes(), prefix.as_bytes()), expected);
    }
}
