use super::*;
use crate::config;
use crate::matching::ClientIp;
use crate::matching::fake::Request;

fn verdict(json: &str, request: &Request) -> Verdict {
    let matcher: Matcher = config::parse(json.as_bytes()).unwrap_or_else(|errors| panic!("{json}: {errors}"));
    let client_ip = ClientIp::default();
    matcher.evaluate(&RequestView::new(request, &client_ip)).unwrap()
}

fn matches(json: &str, request: &Request) -> bool {
    let verdict = verdict(json, request);
    assert_ne!(verdict, Verdict::Ambiguous);
    verdict == Verdict::Match
}

fn error(json: &str) -> String {
    config::parse::<Matcher>(json.as_bytes()).unwrap_err().to_string()
}

#[test]
fn a_path_is_compared_without_its_query_and_undecoded() {
    let request = Request::get("/users/42?x=/other");
    for json in [
        r#"{"path": {"exact": "/users/42"}}"#,
        r#"{"path": {"prefix": "/users"}}"#,
        r#"{"path": {"regex": "/users/[0-9]+"}}"#,
        r#"{"path": {"template": "/users/{id}/**"}}"#,
    ] {
        assert!(matches(json, &request), "{json}");
        assert!(!matches(json, &Request::get("/%75sers/42")), "{json}");
        assert!(!matches(json, &Request::default()), "{json}");
    }
}

#[test]
fn methods_have_a_case_and_hosts_have_none() {
    let json = r#"{"methods": ["GET", "HEAD"], "hosts": ["*.example.com", "shop.example"]}"#;
    let request = |method, host| Request::default().header(":method", method).header(":authority", host);
    assert!(matches(json, &request("GET", "SHOP.example:80")));
    assert!(matches(json, &request("HEAD", "a.example.com")));
    assert!(!matches(json, &request("get", "shop.example")));
    assert!(!matches(json, &request("POST", "shop.example")));
    assert!(!matches(json, &request("GET", "example.com")));
}

#[test]
fn each_test_of_a_header_reads_bytes() {
    let request = Request::get("/").header("x-a", b"caf\xe9-latte");
    let cases = [
        (r#""exact": "cafe-latte""#, false),
        (r#""prefix": "caf""#, true),
        (r#""suffix": "latte""#, true),
        (r#""suffix": "LATTE""#, false),
        (r#""contains": "-la""#, true),
        (r#""contains": "x""#, false),
        (r#""contains": "a text that is longer than the value""#, false),
        (r#""regex": ".*""#, false),
        (r#""present": true"#, true),
        (r#""present": false"#, false),
    ];
    for (test, expected) in cases {
        let json = format!(r#"{{"headers": [{{"name": "X-A", {test}}}]}}"#);
        assert_eq!(matches(&json, &request), expected, "{json}");
    }
}

#[test]
fn an_absent_header_passes_no_test_but_that_for_its_absence() {
    let json = |test: &str| format!(r#"{{"headers": [{{"name": "x-a", {test}}}]}}"#);
    let request = Request::get("/");
    assert!(matches(&json(r#""present": false"#), &request));
    for test in [r#""present": true"#, r#""exact": """#, r#""regex": ".*""#] {
        assert!(!matches(&json(test), &request), "{test}");
    }
    assert!(matches(&json(r#""exact": """#), &request.header("x-a", "")));
}

#[test]
fn all_conditions_must_hold() {
    let json = r#"{"path": {"prefix": "/a"}, "query": [{"name": "q", "exact": "1"}], "headers": [{"name": "h", "exact": "1"}]}"#;
    assert!(matches(json, &Request::get("/a?q=1").header("h", "1")));
    assert!(!matches(json, &Request::get("/a?q=2").header("h", "1")));
    assert!(!matches(json, &Request::get("/a?q=1").header("h", "2")));
    assert!(!matches(json, &Request::get("/b?q=1").header("h", "1")));
}

#[test]
fn a_verified_claim_can_be_tested() {
    let json = r#"{"values": [{"of": {"claim": "plan.tier"}, "exact": "vip"}]}"#;
    let request =
        Request::get("/").property("filter_state.wasm.palisade.identity", r#"{"claims": {"plan.tier": "vip"}}"#);
    assert!(matches(json, &request));
    assert!(!matches(json, &Request::get("/")));
}

#[test]
fn a_client_address_is_matched_as_a_whole_not_as_a_key() {
    let json = r#"{"client_ip": ["10.0.0.0/8", "2001:db8::1/128"]}"#;
    let from = |address| Request::get("/").property("source.address", address);
    assert!(matches(json, &from("10.1.2.3:5")));
    assert!(matches(json, &from("[2001:db8::1]:5")));
    assert!(!matches(json, &from("[2001:db8::2]:5")));
    assert!(!matches(json, &Request::get("/")));
}

#[test]
fn not_is_the_opposite() {
    let json = r#"{"not": {"path": {"prefix": "/a"}, "methods": ["GET"]}}"#;
    assert!(!matches(json, &Request::get("/a")));
    assert!(matches(json, &Request::get("/b")));
    assert!(matches(r#"{"not": {"not": {"path": {"prefix": "/a"}}}}"#, &Request::get("/a")));
}

#[test]
fn a_duplicate_makes_a_matcher_match_nothing_nor_its_opposite() {
    let twice = Request::get("/?q=1&%71=1").header("h", "1").header("h", "1").header("cookie", "c=1; c=1");
    for inner in [
        r#""headers": [{"name": "h", "exact": "1"}]"#,
        r#""headers": [{"name": "h", "present": true}]"#,
        r#""headers": [{"name": "absent", "present": true}, {"name": "h", "present": true}]"#,
        r#""query": [{"name": "q", "exact": "1"}]"#,
        r#""values": [{"of": {"cookie": "c"}, "exact": "1"}]"#,
        r#""values": [{"of": {"header": "h", "or": {"literal": "1"}}, "exact": "1"}]"#,
        r#""path": {"prefix": "/other"}, "headers": [{"name": "h", "exact": "1"}]"#,
    ] {
        assert_ne!(verdict(&format!("{{{inner}}}"), &twice), Verdict::Match, "{inner}");
        assert_eq!(verdict(&format!(r#"{{"not": {{{inner}}}}}"#), &twice), Verdict::Ambiguous, "{inner}");
        assert_eq!(verdict(&format!(r#"{{"not": {{"not": {{{inner}}}}}}}"#), &twice), Verdict::Ambiguous, "{inner}");
    }
}

#[test]
fn a_duplicate_does_not_hide_that_another_condition_does_not_hold() {
    let json = |inner: &str| {
        format!(r#"{{"query": [{{"name": "app", "exact": "a"}}], "client_ip": ["10.0.0.0/8"], {inner}}}"#)
    };
    let from = |address| Request::get("/?app=a&app=b").header("h", "1").property("source.address", address);
    let plain = json(r#""headers": [{"name": "h", "exact": "1"}]"#);
    assert_eq!(verdict(&plain, &from("10.1.2.3:5")), Verdict::Ambiguous);
    assert_eq!(verdict(&plain, &from("11.1.1.1:5")), Verdict::NoMatch);
    let opposite = json(r#""not": {"headers": [{"name": "h", "exact": "1"}]}"#);
    assert_eq!(verdict(&opposite, &from("10.1.2.3:5")), Verdict::NoMatch);
    let opposite = json(r#""not": {"headers": [{"name": "h", "exact": "2"}]}"#);
    assert_eq!(verdict(&opposite, &from("10.1.2.3:5")), Verdict::Ambiguous);
}

#[test]
fn a_duplicate_that_is_not_read_does_not_matter() {
    let twice = Request::get("/a?q=1&q=2").header("h", "1").header("h", "2");
    assert!(matches(r#"{"path": {"exact": "/a"}, "query": [{"name": "other", "present": false}]}"#, &twice));
}

#[test]
fn nothing_is_read_after_a_condition_that_does_not_hold() {
    let request = Request::get("/");
    assert!(!matches(
        r#"{"methods": ["POST"], "client_ip": ["::/0"], "values": [{"of": {"route": {}}, "exact": "a"}]}"#,
        &request
    ));
    assert_eq!(request.properties_read(), 0);
}

#[test]
fn errors_name_the_place() {
    let cases = [
        ("{}", "config: an empty matcher would match every request; to mean that, leave it out"),
        (r#"{"pth": {}}"#, "pth: unknown field, did you mean \"path\"?"),
        (
            r#"{"path": {"prefix": "api"}}"#,
            "path.prefix: expected a path such as \"/api\", which starts with \"/\" and has no query",
        ),
        (
            r#"{"path": {"exact": "/a?b"}}"#,
            "path.exact: expected a path such as \"/api\", which starts with \"/\" and has no query",
        ),
        (
            r#"{"path": {"prefix": "/caf\u00e9/\ud83d\ude00"}}"#,
            "path.prefix: a path is sent in ASCII (RFC 3986), so that this matches nothing; write \"/caf%C3%A9/%F0%9F%98%80\"",
        ),
        (
            r#"{"path": {"exact": "/a", "regex": "b"}}"#,
            "path: expected exactly one of \"exact\", \"prefix\", \"regex\" or \"template\", found \"exact\" and \"regex\"",
        ),
        (r#"{"methods": ["get"]}"#, "methods[0]: expected a method such as \"GET\", in upper case"),
        (r#"{"methods": []}"#, "methods: expected a list with at least one item, found an empty list"),
        (r#"{"methods": "GET"}"#, "methods: expected a list, found a string"),
        (r#"{"headers": [{"exact": "a"}]}"#, "headers[0]: missing field \"name\""),
        (
            r#"{"headers": [{"name": "a", "prefix": ""}]}"#,
            "headers[0].prefix: expected the start of a text, found an empty string",
        ),
        (r#"{"values": [{"exact": "a"}]}"#, "values[0]: missing field \"of\""),
        (
            r#"{"client_ip": ["10.0.0.0/99"]}"#,
            "client_ip[0]: expected a range of addresses such as \"10.0.0.0/8\" or \"2001:db8::/32\", or one address",
        ),
        (r#"{"not": {}}"#, "not: an empty matcher would match every request; to mean that, leave it out"),
    ];
    for (json, expected) in cases {
        assert_eq!(error(json), expected, "{json}");
    }
    assert!(error(r#"{"path": {"regex": "("}}"#).starts_with("path.regex: not a regular expression: "));
}

#[test]
fn a_matcher_that_was_refused_is_not_taken_for_one_without_conditions() {
    let errors = error(r#"{"path": {"regex": "("}, "hosts": [""], "not": {"methods": [1]}}"#);
    let paths: Vec<_> = errors.lines().filter_map(|line| line.split_once(": ")).map(|(path, _)| path).collect();
    assert_eq!(paths, ["path.regex", "hosts[0]", "not.methods[0]"]);
}

#[test]
fn a_matcher_shows_the_paths_that_it_compares() {
    let matcher: Matcher = config::parse(
        br#"{
            "path": {"exact": "/a"},
            "headers": [{"name": ":path", "exact": "/b?x"}, {"name": ":path", "prefix": "/c"}, {"name": "x", "exact": "/no"}],
            "query": [{"name": "x", "exact": "/no"}],
            "values": [
                {"of": {"property": ["request", "url_path"]}, "prefix": "/d"},
                {"of": {"path": {"segment": 2}}, "exact": "e"},
                {"of": {"header": "x", "or": {"header": ":path"}}, "exact": "/no"},
                {"of": {"header": ":path"}, "prefix": "/f?x="}
            ],
            "not": {"path": {"template": "/g/{id}/**"}, "not": {"path": {"prefix": "/h/"}}}
        }"#,
    )
    .unwrap();
    let mut paths = Vec::new();
    matcher.visit_paths(&mut |path| {
        paths.push(match path {
            PathLiteral::Whole(path) => path.to_owned(),
            PathLiteral::Start(path) => [path, "..."].concat(),
        });
    });
    paths.sort();
    assert_eq!(paths, ["/a", "/b", "/c...", "/d...", "/e", "/f", "/g/*/**", "/h/"]);
}

#[test]
fn a_matcher_tells_whether_it_reads_the_path() {
    for (json, reads_path) in [
        (r#"{"path": {"exact": "/"}}"#, true),
        (r#"{"not": {"not": {"path": {"template": "/{id}"}}}}"#, true),
        (r#"{"headers": [{"name": ":path", "prefix": "/"}]}"#, true),
        (r#"{"values": [{"of": {"path": {"segment": 1}}, "exact": "x"}]}"#, true),
        (r#"{"values": [{"of": {"header": "x", "or": {"header": ":path"}}, "exact": "x"}]}"#, true),
        (r#"{"values": [{"of": {"property": ["request", "url_path"]}, "exact": "x"}]}"#, true),
        (r#"{"values": [{"of": {"property": ["request", "headers", ":path"]}, "exact": "x"}]}"#, true),
        (r#"{"values": [{"of": {"property": ["request", "method"]}, "exact": "x"}]}"#, false),
        (r#"{"query": [{"name": "a", "exact": "b"}]}"#, false),
        (r#"{"methods": ["GET"], "hosts": ["*.example"], "client_ip": ["::1"]}"#, false),
    ] {
        let matcher: Matcher = config::parse(json.as_bytes()).unwrap();
        assert_eq!(matcher.reads_path(), reads_path, "{json}");
    }
}
