use palisade_sdk::config;
use proptest::prelude::*;

use super::*;

fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    HeaderMap::from_lines(lines.iter().map(|(name, value)| (*name, value.as_bytes())))
}

fn authorization(value: &str) -> Field<(String, String)> {
    let headers = headers(&[("authorization", value)]);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    Head::new(&headers).authorization().map(|value| (text(value.scheme), text(value.credential)))
}

fn one(scheme: &str, credential: &str) -> Field<(String, String)> {
    Field::One((scheme.to_owned(), credential.to_owned()))
}

fn header(name: &str, prefix: &str) -> Source {
    Source::Header { name: name.to_owned(), prefix: prefix.to_owned() }
}

fn query_parameter(name: &str) -> Source {
    Source::Query(name.to_owned())
}

fn cookie(name: &str) -> Source {
    Source::Cookie(name.to_owned())
}

fn read(source: &Source, lines: &[(&str, &str)]) -> Field<Vec<u8>> {
    source.read(Head::new(&headers(lines))).map(Cow::into_owned)
}

fn removed(sources: &[Source], lines: &[(&str, &str)]) -> Vec<(String, Option<String>)> {
    let headers = headers(lines);
    let mut removal = Removal::default();
    for source in sources {
        removal.add(source, Head::new(&headers));
    }
    let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
    removal.iter().map(|(name, value)| (name.to_owned(), value.map(text))).collect()
}

#[test]
fn authorization_is_a_scheme_and_a_credential() {
    assert_eq!(authorization("Basic YTpi"), one("Basic", "YTpi"));
    assert_eq!(authorization("bearer   x y "), one("bearer", "x y"));
    assert_eq!(authorization("Basic"), one("Basic", ""));
    assert_eq!(authorization(""), one("", ""));
    assert!(Authorization::of(b"bAsIc x").is("Basic"));
    assert!(!Authorization::of(b"Basi x").is("Basic"));
}

#[test]
fn several_authorizations_are_too_many_joined_or_not() {
    assert_eq!(authorization("Basic YTpi,Bearer x"), Field::Many);
    assert_eq!(authorization(","), Field::Many);
    let twice = headers(&[("authorization", "Basic YTpi"), ("authorization", "Basic YTpi")]);
    assert_eq!(Head::new(&twice).authorization(), Field::Many);
    assert_eq!(Head::new(&headers(&[])).authorization(), Field::Absent);
}

#[test]
fn a_comma_in_a_quoted_string_joins_nothing() {
    assert_eq!(authorization(r#"X a="b,\",c""#), one("X", r#"a="b,\",c""#));
    for joined in [r#"X a="b",Basic c"#, r#"X a="b,Basic c"#, r#"X a="\",Basic c"#, r#"X a="b","Basic c"#] {
        assert_eq!(authorization(joined), Field::Many, "{joined}");
    }
}

#[test]
fn a_prefix_is_compared_without_case_and_taken_off() {
    let bearer = header("authorization", "Bearer ");
    assert_eq!(read(&bearer, &[("authorization", "bEARER  x")]), Field::One(b"x".to_vec()));
    assert_eq!(read(&bearer, &[("authorization", "Bearer")]), Field::One(Vec::new()));
    assert_eq!(read(&bearer, &[("authorization", "Bearerx")]), Field::Absent);
    assert_eq!(read(&bearer, &[("authorization", "Basic x")]), Field::Absent);
    assert_eq!(read(&bearer, &[("authorization", "Bearer x,Bearer x")]), Field::Many);
    assert_eq!(read(&header("x-key", "v1:"), &[("x-key", "V1: x")]), Field::One(b" x".to_vec()));
    assert_eq!(read(&header("x-key", ""), &[("x-key", "a,b")]), Field::One(b"a,b".to_vec()));
    assert_eq!(read(&header("x-key", ""), &[("x-key", "")]), Field::One(Vec::new()));
}

#[test]
fn each_place_is_read_and_what_comes_twice_has_no_value() {
    assert_eq!(read(&header("x-key", ""), &[("x-key", "a"), ("x-key", "a")]), Field::Many);
    assert_eq!(read(&query_parameter("k"), &[(":path", "/?k=%61+b")]), Field::One(b"a b".to_vec()));
    assert_eq!(read(&query_parameter("k"), &[(":path", "/?k=a&%6B=a")]), Field::Many);
    assert_eq!(read(&query_parameter("k"), &[(":path", "/k=a")]), Field::Absent);
    assert_eq!(read(&cookie("k"), &[("cookie", "a=1; k=2")]), Field::One(b"2".to_vec()));
    assert_eq!(read(&cookie("k"), &[("cookie", "k=1; k=1")]), Field::Many);
    assert_eq!(read(&cookie("k"), &[("cookie", "a=1"), ("cookie", "k=2")]), Field::One(b"2".to_vec()));
    assert_eq!(read(&cookie("k"), &[("cookie", "k=2"), ("cookie", "k=2")]), Field::Many);
}

#[test]
fn two_places_may_hold_one_credential_but_not_two() {
    let sources = Sources::new(vec![header("x-key", ""), query_parameter("k"), cookie("k")]);
    let read = |lines: &[(&str, &str)]| sources.read(Head::new(&headers(lines))).map(Cow::into_owned);
    assert_eq!(read(&[(":path", "/")]), Field::Absent);
    assert_eq!(read(&[(":path", "/?k=a"), ("cookie", "k=a")]), Field::One(b"a".to_vec()));
    assert_eq!(read(&[(":path", "/?k=a"), ("x-key", "b")]), Field::Many);
    assert_eq!(read(&[(":path", "/?k=a"), ("x-key", "")]), Field::Many);
    assert_eq!(read(&[(":path", "/?k=a&k=b"), ("x-key", "a")]), Field::Many);
}

#[test]
fn nothing_is_removed_that_is_not_there() {
    let sources = [header("x-key", ""), header("authorization", "Bearer "), query_parameter("k"), cookie("k")];
    assert_eq!(removed(&sources, &[(":path", "/?kk=1"), ("cookie", "a=1"), ("authorization", "Basic x")]), []);
}

#[test]
fn a_credential_is_removed_from_each_place_and_nothing_else_changes() {
    let lines = [(":path", "/?k=a&b=%7E+&l=c"), ("cookie", "a=\"1\"; k=2"), ("cookie", "l=3"), ("x-key", "a")];
    let sources = [header("x-key", ""), query_parameter("k"), query_parameter("l"), cookie("k"), cookie("l")];
    let expected = [("x-key", None), (":path", Some("/?b=%7E+")), ("cookie", Some("a=\"1\""))];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.map(str::to_owned)));
    assert_eq!(removed(&sources, &lines), expected);
    let only = [("cookie".to_owned(), None)];
    assert_eq!(removed(&[cookie("k"), cookie("l")], &[("cookie", "k=1; l=2")]), only);
}

#[test]
fn what_is_too_often_there_is_removed_all_the_same() {
    let lines = [(":path", "/?k=a&k=b"), ("cookie", "k=1; k=2; a=3")];
    let expected = [(":path", Some("/")), ("cookie", Some("a=3"))];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.map(str::to_owned)));
    assert_eq!(removed(&[query_parameter("k"), cookie("k")], &lines), expected);
}

#[test]
fn sources_are_read_from_the_config() {
    let json =
        br#"[{"header": "X-Key"}, {"header": "authorization", "prefix": "Key "}, {"cookie": "k"}, {"query": "k"}]"#;
    let expected = vec![header("x-key", ""), header("authorization", "Key "), cookie("k"), query_parameter("k")];
    assert_eq!(config::parse::<Sources>(json).unwrap(), Sources::new(expected));
}

#[test]
fn a_source_that_is_none_is_refused() {
    for (json, error) in [
        ("[]", "expected a list with at least one item"),
        ("[{}]", "expected exactly one of"),
        (r#"[{"header": "x", "query": "y"}]"#, "expected exactly one of"),
        (r#"[{"query": "y", "prefix": "z"}]"#, "[0].prefix: belongs to a \"header\" only"),
        (r#"[{"header": ":path"}]"#, "a pseudo-header holds no credential"),
        (r#"[{"header": "Cookie"}]"#, "for a cookie write"),
        (r#"[{"header": "x", "prefix": ""}]"#, "what the value begins with"),
        (r#"[{"header": "x", "prefix": "a\nb"}]"#, "what the value begins with"),
        (r#"[{"header": "x"}, {"header": "X"}]"#, "[1]: is in the list already"),
    ] {
        let errors = config::parse::<Sources>(json.as_bytes()).unwrap_err().to_string();
        assert!(errors.contains(error), "{json}: {errors}");
    }
}

proptest! {
    #[test]
    fn a_comma_is_found_wherever_it_is(value in proptest::collection::vec(prop_oneof![0x2B_u8..0x2E, any::<u8>()], 0..30)) {
        prop_assert_eq!(has_comma(&value), value.contains(&b','));
    }
}

proptest! {
    #[test]
    fn what_was_removed_is_gone(query in "[ka=&%6B]{0,20}", cookies in prop::collection::vec("[ka=; ]{0,20}", 0..3)) {
        let path = format!("/?{query}");
        let mut lines = vec![(":path", path.as_str())];
        lines.extend(cookies.iter().map(|value| ("cookie", value.as_str())));
        let sources = [query_parameter("k"), cookie("k")];
        let edits = removed(&sources, &lines);
        lines.retain(|(name, _)| !edits.iter().any(|(edited, _)| edited == name));
        lines.extend(edits.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_deref()?))));
        for source in &sources {
            prop_assert_eq!(read(source, &lines), Field::Absent);
        }
    }
}
