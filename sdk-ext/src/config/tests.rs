use std::time::Duration;

use proptest::prelude::*;
use serde_json::Value;

use super::*;

/// A config with a field of each kind.
#[derive(Debug, PartialEq)]
struct Config {
    sample: Percent,
    timeout: Option<Duration>,
    limit: Option<Size>,
    names: Option<Vec<String>>,
    policy: Option<u8>,
    on: Option<bool>,
    count: Option<u64>,
    inner: Option<Inner>,
}

#[derive(Debug, PartialEq)]
struct Inner {
    from: u64,
}

impl FromFields for Config {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let sample = object.required("sample");
        let timeout = object.optional("timeout");
        let limit = object.optional("limit");
        let names = object.optional("names");
        let policy = object.optional_with("policy", |node| node.one_of(&[("respect", 1), ("ignore", 2)]));
        let on = object.optional("on");
        let count = object.optional_with("count", |node| node.integer(1..=10));
        let inner = object.optional("inner");
        Some(Self {
            sample: sample?,
            timeout: timeout?,
            limit: limit?,
            names: names?,
            policy: policy?,
            on: on?,
            count: count?,
            inner: inner?,
        })
    }
}

impl FromFields for Inner {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let from = object.required_with("from", |node| node.integer(0..=u64::MAX));
        let from = from?;
        if from == 13 { object.error_at("from", "13 is bad luck") } else { Some(Self { from }) }
    }
}

fn errors(json: &str) -> String {
    parse::<Config>(json.as_bytes()).unwrap_err().to_string()
}

/// A config that takes a default in place of a field that is refused.
struct Lenient {
    count: u64,
    has_name: bool,
}

impl FromFields for Lenient {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let count = object.or("count", |node| node.integer(1..=10), 7);
        Some(Self { count, has_name: object.has("name") })
    }
}

#[test]
fn a_default_takes_the_place_of_a_field_and_the_config_is_refused_for_a_wrong_one() {
    assert_eq!(parse::<Lenient>(br#"{"count": 3}"#).map(|config| config.count), Ok(3));
    assert_eq!(parse::<Lenient>(b"{}").map(|config| (config.count, config.has_name)), Ok((7, false)));
    let errors = parse::<Lenient>(br#"{"count": 11, "name": 1}"#).map(drop).unwrap_err().to_string();
    assert!(errors.contains("count: expected an integer from 1 to 10"), "{errors}");
    assert!(errors.contains("name: unknown field"), "{errors}");
}

/// The errors of a config that has one field beside the required one.
fn errors_of(field: &str) -> String {
    errors(&format!(r#"{{"sample": "1%", {field}}}"#))
}

#[test]
fn a_config_is_read_into_types() {
    let json = br#"{"sample": "10%", "timeout": "500ms", "limit": "8KiB", "names": ["a", "b"], "policy": "ignore",
                    "on": true, "count": 1.0, "inner": {"from": 0}}"#;
    let config = Config {
        sample: parse(br#""10%""#).unwrap(),
        timeout: Some(Duration::from_millis(500)),
        limit: Some(Size::from_bytes(8192)),
        names: Some(vec!["a".into(), "b".into()]),
        policy: Some(2),
        on: Some(true),
        count: Some(1),
        inner: Some(Inner { from: 0 }),
    };
    assert_eq!(parse(json), Ok(config));
}

#[test]
fn all_errors_are_reported_at_once_with_their_paths() {
    let json = r#"{"timeout": 60, "limit": "8KB", "names": ["a", 1, null], "policy": "respct", "on": "yes", "count": 11,
                   "inner": {"fron": 1}, "smaple": "1%"}"#;
    assert_eq!(
        errors(json),
        r#"config: missing field "sample"
timeout: expected a duration such as "500ms", "60s", "10m", "1h" or "1d", found the number 60; write "60s"
limit: expected a size such as "512B", "8KiB", "1MiB" or "2GiB", found "8KB"
names[1]: expected a string, found the number 1
names[2]: expected a string, found null
policy: expected "respect" or "ignore", found "respct", did you mean "respect"?
on: expected true or false, found a string
count: expected an integer from 1 to 10, found the number 11
inner: missing field "from"
inner.fron: unknown field, did you mean "from"?
smaple: unknown field, did you mean "sample"?"#
    );
}

#[test]
fn an_empty_config_is_explained() {
    for empty in ["", " \n\t"] {
        assert!(errors(empty).starts_with("config: the config is empty; the filter needs a JSON object"), "{empty:?}");
    }
}

#[test]
fn a_config_that_is_no_object_is_refused() {
    assert_eq!(errors("[]"), "config: expected an object, found a list");
    assert_eq!(errors("null"), "config: expected an object, found null");
    assert_eq!(errors(r#""secret""#), "config: expected an object, found a string");
}

#[test]
fn what_is_not_json_is_refused_with_its_place() {
    assert_eq!(errors("{\n  \"sample\" \"1%\"}"), "config: not valid JSON: expected `:` at line 2 column 12");
    assert!(errors("{} {}").contains("trailing characters at line 1 column 4"));
    assert!(errors("\u{feff}{}").contains("not valid JSON"));
    assert!(errors(&"[".repeat(100_000)).contains("recursion limit exceeded"));
    let not_utf_8 = parse::<Config>(b"{\"sample\": \"\xff\"}").unwrap_err();
    assert!(not_utf_8.to_string().contains("not valid JSON"));
}

#[test]
fn a_field_that_comes_twice_is_refused() {
    let error = errors(r#"{"sample": "1%", "inner": {"from": 1, "from": 2}}"#);
    assert!(error.starts_with("config: not valid JSON: the field \"from\" comes twice at line 1 column"), "{error}");
}

#[test]
fn null_is_not_absent() {
    assert_eq!(errors_of(r#""on": null"#), "on: expected true or false, found null");
}

#[test]
fn integers_may_arrive_as_doubles_but_not_as_fractions() {
    let count = |text: &str| {
        parse::<Config>(format!(r#"{{"sample": "1%", "count": {text}}}"#).as_bytes()).map(|config| config.count)
    };
    assert_eq!(count("1.0"), Ok(Some(1)));
    assert_eq!(count("1e1"), Ok(Some(10)));
    assert_eq!(
        errors_of(r#""count": 1.5"#),
        "count: expected an integer from 1 to 10, found a number that is no integer"
    );
    assert_eq!(errors_of(r#""count": -1"#), "count: expected an integer from 1 to 10, found the number -1");
    assert!(count("1e300").is_err());
    assert!(count("99999999999999999999").is_err());
}

#[test]
fn a_bare_number_gets_its_unit_suggested() {
    assert_eq!(
        errors(r#"{"sample": 10.0}"#),
        r#"sample: expected a percentage such as "10%", found the number 10; write "10%""#
    );
    assert_eq!(
        errors(r#"{"sample": 0.5}"#),
        r#"sample: expected a percentage such as "10%", found a number that is no integer; write it in quotes, with a unit such as "%""#
    );
    assert_eq!(errors(r#"{"sample": -1}"#), r#"sample: expected a percentage such as "10%", found the number -1"#);
}

#[test]
fn errors_between_fields_carry_the_path_of_a_field() {
    assert_eq!(errors_of(r#""inner": {"from": 13}"#), "inner.from: 13 is bad luck");
}

#[test]
fn texts_that_may_be_secrets_are_never_repeated() {
    let json =
        r#"{"sample": ["hunter2"], "names": "hunter2", "on": "hunter2", "count": "hunter2", "inner": "hunter2"}"#;
    assert!(!errors(json).contains("hunter2"));
}

#[test]
fn what_an_error_repeats_is_short_and_printable() {
    let error = errors(&serde_json::json!({"sample": format!("\n\u{7f}ü{}", "9".repeat(500)), "a\nb": 1}).to_string());
    assert!(error.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n')));
    assert!(error.lines().all(|line| line.len() < 200), "{error}");
    assert!(error.contains("\n\"a\\nb\": unknown field"), "{error}");
}

#[derive(Debug, PartialEq)]
struct Places {
    size: u64,
    names: Vec<(String, bool)>,
}

impl FromFields for Places {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let size = object.or("size", |node| node.integer(1..=9), 7);
        let names = object.required_with("names", |node| {
            node.entries(|name, node| Some((name.to_owned(), bool::from_config(node)?)))
        });
        Some(Self { size, names: names? })
    }
}

#[test]
fn a_field_takes_the_place_of_its_default() {
    let read = |json: &str| parse::<Places>(json.as_bytes()).map_err(|errors| errors.to_string());
    let names = vec![("a b".to_owned(), true), ("c".to_owned(), false)];
    assert_eq!(read(r#"{"names": {"c": false, "a b": true}}"#), Ok(Places { size: 7, names: names.clone() }));
    assert_eq!(read(r#"{"size": 9, "names": {"c": false, "a b": true}}"#), Ok(Places { size: 9, names }));
    assert_eq!(read("{}").unwrap_err(), "config: missing field \"names\"");
    assert_eq!(
        read(r#"{"size": 0, "names": {"a": true, "b": 1, "c d": 2}}"#).unwrap_err(),
        "size: expected an integer from 1 to 9, found the number 0\n\
         names.b: expected true or false, found the number 1\n\
         names.\"c d\": expected true or false, found the number 2"
    );
    assert_eq!(read(r#"{"names": []}"#).unwrap_err(), "names: expected an object, found a list");
}

/// JSON whose fields have names that match a regular expression.
pub(super) fn any_json(names: &'static str) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0_u64..20).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[0-9]{0,3}(%|ms|s|KiB|respect|)".prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(names, inner, 0..9)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_json_makes_the_reader_panic_and_every_error_has_a_path(
        json in any_json("sample|timeout|limit|names|policy|on|count|inner|from|[a-z]{1,4}"),
    ) {
        if let Err(errors) = parse::<Config>(json.to_string().as_bytes()) {
            prop_assert!(errors.iter().count() > 0);
            for (path, message) in errors.iter() {
                prop_assert!(!path.is_empty() && !message.is_empty());
            }
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = parse::<Config>(&bytes);
    }

    #[test]
    fn json_without_duplicates_is_read_as_serde_json_reads_it(value in any_json(".{0,3}")) {
        let text = value.to_string();
        prop_assert_eq!(json::parse(text.as_bytes()).ok(), serde_json::from_str(&text).ok());
    }
}
