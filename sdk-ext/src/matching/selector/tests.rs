use super::*;
use crate::config;
use crate::matching::ClientIp;
use crate::matching::fake::Request;

fn selector(json: &str) -> Selector {
    config::parse(json.as_bytes()).unwrap()
}

fn error(json: &str) -> String {
    config::parse::<Selector>(json.as_bytes()).unwrap_err().to_string()
}

/// The value as text, and whether a source was ambiguous.
fn select(json: &str, request: &Request) -> (Option<String>, bool) {
    let (selector, client_ip) = (selector(json), ClientIp::default());
    let view = RequestView::new(request, &client_ip);
    let selection = selector.select(&view).unwrap();
    (selection.value.map(|value| String::from_utf8(value.into_owned()).unwrap()), selection.ambiguous)
}

#[test]
fn the_path_is_read_in_one_way_by_whatever_name() {
    let host = Request::get("/seen?x=%61").property("request.path", "/other").property("request.url_path", "/other");
    for (json, value) in [
        (r#"{"property": ["request", "path"]}"#, "/seen?x=%61"),
        (r#"{"property": ["request", "headers", ":Path"]}"#, "/seen?x=%61"),
        (r#"{"property": ["request", "url_path"]}"#, "/seen"),
    ] {
        assert!(selector(json).reads_path(), "{json}");
        assert_eq!(select(json, &host), (Some(value.to_owned()), false), "{json}");
    }
    assert_eq!(host.properties_read(), 0);
}

#[test]
fn each_source_gives_its_value() {
    let request = Request::default()
        .header(":method", "POST")
        .header(":authority", "Shop.Example:8080")
        .header(":path", "/users/42?token=a%20b")
        .header("x-user", "alice")
        .header("cookie", "sid=7; theme=dark")
        .property("source.address", "[2001:db8:1:2:3::1]:80")
        .property("xds.route_name", "users")
        .property("xds.cluster_name", "backend")
        .property(
            "filter_state.wasm.palisade.identity",
            r#"{"claims": {"sub": "bob", "plan.tier": "vip", "age": 7, "on": true}}"#,
        );
    let cases = [
        (r#"{"header": "X-User"}"#, "alice"),
        (r#"{"cookie": "theme"}"#, "dark"),
        (r#"{"query": "token"}"#, "a b"),
        (r#"{"claim": "sub"}"#, "bob"),
        (r#"{"claim": "plan.tier"}"#, "vip"),
        (r#"{"claim": "age"}"#, "7"),
        (r#"{"claim": "on"}"#, "true"),
        (r#"{"client_ip": {}}"#, "2001:db8:1:2::"),
        (r#"{"path": {"segment": 2}}"#, "42"),
        (r#"{"method": {}}"#, "POST"),
        (r#"{"host": {}}"#, "shop.example"),
        (r#"{"route": {}}"#, "users"),
        (r#"{"property": ["xds", "cluster_name"]}"#, "backend"),
        (r#"{"literal": "x"}"#, "x"),
    ];
    for (json, value) in cases {
        assert_eq!(select(json, &request), (Some(value.to_owned()), false), "{json}");
        if !json.contains("literal") {
            assert_eq!(select(json, &Request::default()), (None, false), "{json}");
        }
    }
}

#[test]
fn a_fallback_is_read_where_there_is_no_value() {
    let json = r#"{"claim": "sub", "or": {"header": "x-user", "or": {"literal": "anonymous"}}}"#;
    assert_eq!(select(json, &Request::get("/")), (Some("anonymous".into()), false));
    assert_eq!(select(json, &Request::get("/").header("x-user", "alice")), (Some("alice".into()), false));
}

#[test]
fn a_duplicated_header_counts_as_absent_and_is_told() {
    let twice = Request::get("/").header("x-user", "alice").header("x-user", "bob");
    assert_eq!(select(r#"{"header": "x-user"}"#, &twice), (None, true));
    assert_eq!(select(r#"{"header": "x-user", "or": {"literal": "x"}}"#, &twice), (Some("x".into()), true));
    assert_eq!(select(r#"{"literal": "x", "or": {"header": "x-user"}}"#, &twice), (Some("x".into()), false));
}

#[test]
fn an_identity_that_is_no_json_has_no_claims() {
    for identity in ["", "null", "{}", "[]", r#"{"claims": 1}"#, r#"{"claims": {"sub": ["a"]}}"#, r#"{"sub": "a"}"#] {
        let request = Request::get("/").property("filter_state.wasm.palisade.identity", identity);
        assert_eq!(select(r#"{"claim": "sub"}"#, &request), (None, false), "{identity}");
    }
}

#[test]
fn the_identity_is_read_once_a_request() {
    let request = Request::get("/");
    select(r#"{"claim": "a", "or": {"claim": "b", "or": {"claim": "c"}}}"#, &request);
    assert_eq!(request.properties_read(), 1);
}

#[test]
fn a_selector_has_exactly_one_source() {
    assert!(error("{}").starts_with("config: expected exactly one of \"header\", \"cookie\","));
    assert!(error("{}").ends_with("found none"));
    assert!(error(r#"{"header": "a", "method": {}}"#).ends_with("found \"header\" and \"method\""));
    assert!(error(r#"{"or": {"literal": "x"}}"#).ends_with("found none"));
}

#[test]
fn wrong_options_are_refused() {
    let cases = [
        (r#"{"header": "a b"}"#, "header: "),
        (r#"{"method": {"x": 1}}"#, "method.x: unknown field, no fields are known here"),
        (r#"{"path": {}}"#, "path: missing field \"segment\""),
        (r#"{"path": {"segment": 0}}"#, "path.segment: expected an integer from 1 to 64"),
        (r#"{"property": []}"#, "property: "),
        (r#"{"property": [""]}"#, "property[0]: "),
        (r#"{"claim": ""}"#, "claim: "),
        (r#"{"literal": "x", "or": {"heder": "y"}}"#, "or: expected exactly one of"),
    ];
    for (json, start) in cases {
        assert!(error(json).starts_with(start), "{json}: {}", error(json));
    }
}
