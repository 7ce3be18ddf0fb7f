use palisade_sdk::config;

use super::*;
use crate::policy::Rollout;

fn parse(json: &str) -> Config {
    config::parse(json.as_bytes()).unwrap_or_else(|errors| panic!("{json}\n{errors}"))
}

fn errors(json: &str) -> String {
    config::parse::<Config>(json.as_bytes()).unwrap_err().to_string()
}

#[test]
fn the_default_must_be_said() {
    assert_eq!(errors("{}"), "config: missing field \"default\"");
    let config = parse(r#"{"default": {"deny": "all"}}"#);
    assert!(matches!(config.default.access, Access::Nobody) && matches!(config.default.rollout, Rollout::All));
    assert_eq!((config.ambiguous_paths, config.bypass_cors_preflight), (AmbiguousPaths::Reject, false));
    assert_eq!((config.speech.realm.as_str(), config.speech.expose_reason), ("palisade", false));
}

#[test]
fn all_errors_are_reported_at_once() {
    let errors = errors(
        r#"{
            "rulez": [],
            "rules": [{"name": "none", "deny": "all"}, {"require": {"any": [{"jwt": "mian"}, {"hmac": {}}]}, "enforc": false}],
            "ambiguous_paths": "decode",
            "realm": "a\"b",
            "default": {"require": {"basic": {}}}
        }"#,
    );
    for expected in [
        "rulez: unknown field, did you mean \"rules\"?",
        "rules[1].enforc: unknown field, did you mean \"enforce\"?",
        "default.require: there is no section \"basic\"",
        "ambiguous_paths: expected \"reject\" or \"normalize\", found \"decode\"",
        "realm: expected a realm",
    ] {
        assert!(errors.contains(expected), "{expected}\n--\n{errors}");
    }
    assert!(!errors.contains("a\"b"));
}

#[test]
fn a_rule_names_only_what_is_set_up() {
    for method in
        [r#"{"jwt": "main"}"#, r#"{"basic": {}}"#, r#"{"api_key": {}}"#, r#"{"hmac": {}}"#, r#"{"introspection": {}}"#]
    {
        let errors =
            errors(&format!(r#"{{"rules": [{{"require": {{"not": {method}}}}}], "default": {{"deny": "all"}}}}"#));
        assert!(errors.starts_with("rules[0].require: there is no section"), "{errors}");
    }
}

/// Catches a rule that is passed over since no path is spelt as it says.
#[test]
fn a_rule_has_no_path_that_is_never_seen() {
    let errors_of = |matcher: &str| {
        let json =
            format!(r#"{{"rules": [{{"match": {matcher}, "deny": "all"}}], "default": {{"allow": "anonymous"}}}}"#);
        config::parse::<Config>(json.as_bytes()).err().map(|errors| errors.to_string())
    };
    for (matcher, written) in [
        (r#"{"path": {"prefix": "/caf%c3%a9"}}"#, Some("/caf%C3%A9")),
        (r#"{"path": {"exact": "/%61dmin"}}"#, Some("/admin")),
        (r#"{"path": {"prefix": "/u/%40me"}}"#, Some("/u/@me")),
        (r#"{"path": {"prefix": "/a//b"}}"#, Some("/a/b")),
        (r#"{"path": {"template": "/a//{id}"}}"#, Some("/a/*")),
        (r#"{"path": {"template": "/%61/{id}/**"}}"#, Some("/a/*/**")),
        (r#"{"path": {"exact": "/a/../b"}}"#, Some("/b")),
        (r#"{"path": {"exact": "/a|b"}}"#, Some("/a%7Cb")),
        (r#"{"path": {"exact": "/%"}}"#, None),
        (r#"{"not": {"path": {"exact": "/%61"}}}"#, Some("/a")),
        (r#"{"headers": [{"name": ":path", "prefix": "/%61dm"}]}"#, Some("/adm")),
        (r#"{"headers": [{"name": ":path", "prefix": "/%61?x="}]}"#, Some("/a")),
        (r#"{"values": [{"of": {"property": ["request", "url_path"]}, "exact": "/café"}]}"#, Some("/caf%C3%A9")),
        (r#"{"values": [{"of": {"path": {"segment": 1}}, "exact": "%40me"}]}"#, Some("/@me")),
    ] {
        let write = written.map(|path| format!("; write \"{path}\"")).unwrap_or_default();
        let expected =
            format!("rules[0].match: rules see no path that is written like this, so that it never matches{write}");
        assert_eq!(errors_of(matcher), Some(expected), "{matcher}");
    }
    for matcher in [
        r#"{"path": {"template": "/a/{id}/*/**"}}"#,
        r#"{"path": {"prefix": "/a/"}}"#,
        r#"{"path": {"regex": "/%61"}}"#,
        r#"{"headers": [{"name": ":path", "prefix": "/a/."}, {"name": ":path", "exact": "/a?b=//%61"}]}"#,
        r#"{"values": [{"of": {"property": ["request", "path"]}, "contains": "//"}]}"#,
    ] {
        assert_eq!(errors_of(matcher), None, "{matcher}");
    }
}

#[test]
fn the_name_of_no_rule_is_taken() {
    let errors = errors(r#"{"rules": [{"name": "none", "deny": "all"}], "default": {"deny": "all"}}"#);
    assert!(errors.starts_with("rules: the name \"none\" is taken"), "{errors}");
}

/// A config with the client `mobile`, and what is handed over of it.
fn with_api_key(forward: &str, require: &str) -> String {
    let digest = "0".repeat(64);
    format!(
        r#"{{
            "api_key": {{
                "from": [{{"header": "X-Api-Key"}}], "clients": [{{"id": "mobile", "key_sha256": "{digest}"}}], "forward": {forward}
            }},
            "default": {{"require": {require}}}
        }}"#
    )
}

#[test]
fn a_rule_names_clients_and_providers_that_there_are() {
    parse(&with_api_key("{}", r#"{"api_key": {"allowed_clients": ["mobile"]}}"#));
    let unknown = errors(&with_api_key("{}", r#"{"api_key": {"allowed_clients": ["mobile", "mobil"]}}"#));
    assert_eq!(unknown, "default.require: no client of \"api_key\" has the id \"mobil\"");
    let provider = r#"{
        "jwt": {"providers": {"main": {"issuer": "i", "jwks": {"remote": {"cluster": "idp", "path": "/"}}}}},
        "default": {"require": {"any": [{"jwt": "main"}, {"jwt": "mian"}]}}
    }"#;
    assert_eq!(errors(provider), "default.require: there is no provider \"mian\" in \"jwt\"");
}

#[test]
fn no_claim_stands_where_a_credential_is_read() {
    for header in ["x-api-key", "X-API-Key", "authorization", "signature"] {
        let forward = format!(r#"{{"claims": [{{"claim": "sub", "header": "{header}"}}]}}"#);
        let errors = errors(&with_api_key(&forward, r#"{"api_key": {}}"#));
        assert!(errors.contains("so that no claim can stand in it"), "{errors}");
    }
    parse(&with_api_key(r#"{"claims": [{"claim": "sub", "header": "x-client"}]}"#, r#"{"api_key": {}}"#));
}
