use palisade_sdk::HeaderMap;
use proptest::prelude::*;

use super::*;
use crate::hmac::structured::Member;

const TARGET: &[(&str, &str)] =
    &[(":method", "POST"), (":scheme", "https"), (":authority", "Www.Example.com"), (":path", "/path?param=value")];

fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    HeaderMap::from_lines(lines.iter().map(|(name, value)| (*name, value.as_bytes())))
}

/// The components of `("a" "b");created=1`.
fn described(list: &str) -> (Vec<Item>, Parameters) {
    let members = dictionary(format!("s={list}").as_bytes()).unwrap();
    match members.into_iter().next().unwrap().1 {
        Member::InnerList(components, parameters) => (components, parameters),
        Member::Item(_) => panic!("{list}"),
    }
}

/// The value of one component.
fn value_of(component: &str, headers: &HeaderMap) -> Result<String, Unsignable> {
    let (components, parameters) = described(&format!("({component})"));
    let base = String::from_utf8(signature_base(&components, &parameters, headers)?).unwrap();
    let line = base.strip_suffix(&format!("\n\"@signature-params\": ({component})")).unwrap();
    Ok(line.strip_prefix(&format!("{component}: ")).unwrap().to_owned())
}

/// RFC 9421, section 2.5.
#[test]
fn a_base_is_that_of_the_rfc() {
    let headers = headers(&[
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", "example.com"),
        (":path", "/foo?param=Value&Pet=dog"),
        ("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
        ("content-type", "application/json"),
        (
            "content-digest",
            "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:",
        ),
        ("content-length", "18"),
    ]);
    let list = "(\"@method\" \"@authority\" \"@path\" \"content-digest\" \"content-length\" \"content-type\")\
                ;created=1618884473;keyid=\"test-key-rsa-pss\"";
    let (components, parameters) = described(list);
    let base = signature_base(&components, &parameters, &headers).unwrap();
    let expected = format!(
        "\"@method\": POST\n\"@authority\": example.com\n\"@path\": /foo\n\"content-digest\": \
         sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:\n\
         \"content-length\": 18\n\"content-type\": application/json\n\"@signature-params\": {list}"
    );
    assert_eq!(String::from_utf8(base).unwrap(), expected);
}

/// RFC 9421, section 2.2.
#[test]
fn derived_components_are_those_of_the_rfc() {
    for (component, value) in [
        ("\"@method\"", "POST"),
        ("\"@target-uri\"", "https://www.example.com/path?param=value"),
        ("\"@authority\"", "www.example.com"),
        ("\"@scheme\"", "https"),
        ("\"@request-target\"", "/path?param=value"),
        ("\"@path\"", "/path"),
        ("\"@query\"", "?param=value"),
        ("\"@query-param\";name=\"param\"", "value"),
    ] {
        assert_eq!(value_of(component, &headers(TARGET)), Ok(value.to_owned()));
    }
}

#[test]
fn no_query_is_signed_as_a_question_mark_and_no_path_as_a_slash() {
    for (path, expected_path, query) in
        [("/path", "/path", "?"), ("/path?", "/path", "?"), ("?", "/", "?"), ("/?a?b", "/", "?a?b"), ("*", "*", "?")]
    {
        let headers = headers(&[(":path", path)]);
        assert_eq!(value_of("\"@path\"", &headers).as_deref(), Ok(expected_path), "{path}");
        assert_eq!(value_of("\"@query\"", &headers).as_deref(), Ok(query), "{path}");
    }
}

#[test]
fn an_authority_leaves_out_its_schemes_own_port() {
    for (scheme, authority, expected) in [
        ("https", "EXAMPLE.com:443", "example.com"),
        ("http", "example.com:80", "example.com"),
        ("http", "example.com:443", "example.com:443"),
        ("https", "example.com:8443", "example.com:8443"),
        ("https", "[::1]:443", "[::1]"),
    ] {
        let headers = headers(&[(":scheme", scheme), (":authority", authority)]);
        assert_eq!(value_of("\"@authority\"", &headers).as_deref(), Ok(expected));
    }
    let without_scheme = headers(&[(":authority", "example.com:443")]);
    assert_eq!(value_of("\"@authority\"", &without_scheme).as_deref(), Ok("example.com:443"));
}

/// RFC 9421, section 2.2.8.
#[test]
fn a_query_parameter_is_decoded_and_encoded_again() {
    let path = "/parameters?var=this%20is%20a%20big%0Amultiline%20value&bar=with+plus+whitespace&\
                fa%C3%A7ade%22%3A%20=something&&two=1&two=2&empty=&none&half=%4&x=a=b";
    let headers = headers(&[(":path", path)]);
    for (name, value) in [
        ("var", "this%20is%20a%20big%0Amultiline%20value"),
        ("bar", "with%20plus%20whitespace"),
        ("fa%C3%A7ade%22%3A%20", "something"),
        ("empty", ""),
        ("none", ""),
        ("half", "%254"),
        ("x", "a%3Db"),
    ] {
        assert_eq!(value_of(&format!("\"@query-param\";name=\"{name}\""), &headers).as_deref(), Ok(value), "{name}");
    }
    for name in ["two", "other", ""] {
        let component = format!("\"@query-param\";name=\"{name}\"");
        assert_eq!(value_of(&component, &headers), Err(Unsignable::Missing), "{name}");
    }
}

/// RFC 9421, section 2.1.
#[test]
fn fields_are_those_of_the_rfc() {
    let headers = headers(&[
        ("x-ows-header", "Leading and trailing whitespace.  "),
        ("cache-control", "max-age=60"),
        ("cache-control", "   must-revalidate"),
        ("example-dict", "  a=1,    b=2;x=1;y=2,   c=(a   b   c), d"),
        ("x-empty-header", ""),
        ("example-header", "value, with, lots"),
        ("example-header", "of, commas"),
    ]);
    for (component, value) in [
        ("\"x-ows-header\"", "Leading and trailing whitespace."),
        ("\"cache-control\"", "max-age=60, must-revalidate"),
        ("\"example-dict\"", "a=1,    b=2;x=1;y=2,   c=(a   b   c), d"),
        ("\"x-empty-header\"", ""),
        ("\"example-dict\";key=\"a\"", "1"),
        ("\"example-dict\";key=\"d\"", "?1"),
        ("\"example-dict\";key=\"b\"", "2;x=1;y=2"),
        ("\"example-dict\";key=\"c\"", "(a b c)"),
        ("\"example-header\"", "value, with, lots, of, commas"),
        ("\"example-header\";bs", ":dmFsdWUsIHdpdGgsIGxvdHM=:, :b2YsIGNvbW1hcw==:"),
    ] {
        assert_eq!(value_of(component, &headers).as_deref(), Ok(value), "{component}");
    }
}

#[test]
fn what_a_request_does_not_have_cannot_be_signed() {
    for component in
        ["\"x-none\"", "\"x-none\";bs", "\"x-none\";key=\"a\"", "\"example-dict\";key=\"z\"", "\"x-none\";key=\"z\""]
    {
        let headers = headers(&[("example-dict", "a=1")]);
        assert_eq!(value_of(component, &headers), Err(Unsignable::Missing), "{component}");
    }
    for component in ["\"@method\"", "\"@path\"", "\"@query\"", "\"@authority\"", "\"@target-uri\"", "\"@scheme\""] {
        assert_eq!(value_of(component, &HeaderMap::default()), Err(Unsignable::Missing), "{component}");
        let twice: Vec<_> = TARGET.iter().chain(TARGET).copied().collect();
        assert_eq!(value_of(component, &headers(&twice)), Err(Unsignable::Missing), "{component}");
    }
}

#[test]
fn what_is_not_understood_is_refused() {
    let lines: Vec<_> = [TARGET, &[("a", "1"), ("b", "x=1, x=2"), ("c", "caf\u{e9}")]].concat();
    for component in [
        "\"@status\"",
        "\"@signature-params\"",
        "\"@method\";req",
        "\"@query-param\"",
        "\"@query-param\";name",
        "\"@path\";name=\"x\"",
        "\"a\";sf",
        "\"a\";req",
        "\"a\";tr",
        "\"a\";bs;req",
        "\"a\";bs=?0",
        "\"a\";key",
        "\"a\";key=x",
        "\"b\";key=\"x\"",
        "\"A\"",
        "\"a b\"",
        "\"\"",
        "\":path\"",
        "\"c\"",
        "a",
        "1",
        ":YQ==:",
        "?1",
    ] {
        assert_eq!(value_of(component, &headers(&lines)), Err(Unsignable::Unsupported), "{component}");
    }
}

#[test]
fn a_component_that_occurs_twice_is_refused() {
    let (components, parameters) = described("(\"a\" \"b\" \"a\")");
    let headers = headers(&[("a", "1"), ("b", "2")]);
    assert_eq!(signature_base(&components, &parameters, &headers), Err(Unsignable::Unsupported));
    let (components, parameters) = described("(\"a\" \"a\";bs)");
    assert!(signature_base(&components, &parameters, &headers).is_ok(), "these are two");
}

#[test]
fn a_component_is_covered_by_itself_or_by_one_that_holds_it() {
    let covered = |list: &str, required: &str| covers(&described(list).0, required);
    for (list, required) in [
        ("(\"@path\")", "@path"),
        ("(\"@request-target\")", "@path"),
        ("(\"@request-target\")", "@query"),
        ("(\"@target-uri\")", "@authority"),
        ("(\"@target-uri\")", "@query"),
        ("(\"x\" \"content-digest\")", "content-digest"),
        ("(\"content-digest\";bs)", "content-digest"),
    ] {
        assert!(covered(list, required), "{list} {required}");
    }
    for (list, required) in [
        ("()", "@path"),
        ("(\"@path\")", "@query"),
        ("(\"@target-uri\")", "@method"),
        ("(\"@request-target\")", "@authority"),
        ("(\"@query-param\";name=\"a\")", "@query"),
        ("(\"content-digest\";key=\"sha-256\")", "content-digest"),
        ("(\"@path\";req)", "@path"),
        ("(\"@target-uri\";req)", "@path"),
        ("(content-digest)", "content-digest"),
    ] {
        assert!(!covered(list, required), "{list} {required}");
    }
}

#[test]
fn a_config_may_ask_for_what_can_be_signed() {
    for name in ["@method", "@target-uri", "@authority", "@scheme", "@request-target", "@path", "@query", "x-a.b_c"] {
        assert!(is_supported(name), "{name}");
    }
    for name in ["", "@", "@status", "@query-param", "@signature-params", "X-A", "a b", ":path", "a\"", "é"] {
        assert!(!is_supported(name), "{name}");
    }
}

proptest! {
    /// Catches a value that passes for a line of its own.
    #[test]
    fn a_base_has_a_line_for_each_component(values in proptest::collection::vec("\\PC{0,12}|[\\x00-\\x20]{0,4}", 1..6)) {
        let names: Vec<_> = (0..values.len()).map(|place| format!("x-{place}")).collect();
        let lines = names.iter().zip(&values).map(|(name, value)| (name.as_str(), value.as_bytes()));
        let list: Vec<_> = names.iter().map(|name| format!("\"{name}\"")).collect();
        let (components, parameters) = described(&format!("({})", list.join(" ")));
        if let Ok(base) = signature_base(&components, &parameters, &HeaderMap::from_lines(lines)) {
            let base = String::from_utf8(base).unwrap();
            prop_assert_eq!(base.split('\n').count(), values.len().strict_add(1));
        }
    }

    #[test]
    fn what_is_encoded_again_is_encoded_once(value in proptest::collection::vec(any::<u8>(), 0..24)) {
        let once = reencoded(&value);
        prop_assert!(once.is_ascii());
        prop_assert_eq!(reencoded(&once), once);
    }
}
