use palisade_sdk::config::parse;

use super::*;

fn read(config: &str) -> Result<RemoteConfig, String> {
    parse(config.as_bytes()).map_err(|errors| errors.to_string())
}

#[test]
fn a_cluster_and_a_path_are_enough() {
    let config = read(r#"{"cluster": "idp", "path": "/jwks.json?a=b"}"#).unwrap();
    assert_eq!(
        config,
        RemoteConfig {
            cluster: "idp".to_owned(),
            path: "/jwks.json?a=b".to_owned(),
            authority: None,
            refresh: Duration::from_secs(600),
            timeout: Duration::from_secs(5),
            startup_wait: Duration::from_millis(500),
            stale_ttl: Duration::from_secs(86_400),
        }
    );
}

#[test]
fn the_longest_and_shortest_times_are_taken() {
    for times in [
        r#""refresh": "1s", "timeout": "1s", "startup_wait": "0s", "stale_ttl": "0s""#,
        r#""refresh": "1d", "timeout": "1m", "startup_wait": "30s", "stale_ttl": "30d""#,
    ] {
        read(&format!(r#"{{"cluster": "idp", "path": "/", {times}}}"#)).unwrap();
    }
}

#[test]
fn every_mistake_is_reported() {
    let error = read(
        r#"{"cluster": "", "path": "jwks.json", "authority": "a/b", "refresh": "999ms", "timeout": "61s",
            "startup_wait": "30001ms", "stale_ttl": "31d", "retries": 1}"#,
    )
    .unwrap_err();
    assert_eq!(
        error,
        "cluster: expected the name of one of Envoy's clusters\n\
         path: expected a path such as \"/.well-known/jwks.json\"\n\
         authority: expected a host such as \"idp.example\"\n\
         refresh: expected a duration from \"1s\" to \"1d\"\n\
         timeout: expected a duration from \"1s\" to \"1m\"\n\
         startup_wait: expected a duration from \"0s\" to \"30s\"\n\
         stale_ttl: expected a duration from \"0s\" to \"30d\"\n\
         retries: unknown field, did you mean \"refresh\"?"
    );
}

#[test]
fn two_places_have_nothing_in_common() {
    let all = [("a", None, "/b"), ("a", Some("b"), "/b"), ("b", Some("b"), "/b"), ("a", None, "/c"), ("a/", None, "b")];
    let sources = all.map(|(cluster, authority, path)| source(cluster, authority, path));
    for (place, own) in sources.iter().enumerate() {
        assert!(sources.iter().skip(place + 1).all(|other| other != own), "{:?}", all[place]);
    }
    assert_eq!(source("a", None, "/b"), source("a", Some("a"), "/b"), "the same request");
}

#[cfg(feature = "schema")]
#[test]
fn the_schema_accepts_what_is_read_and_no_other_shape() {
    let schema = schemars::schema_for!(RemoteConfig).to_value();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let accepts = |text: &str| schema.is_valid(&serde_json::from_str(text).unwrap());
    for config in [
        r#"{"cluster": "idp", "path": "/"}"#,
        r#"{"cluster": "idp", "path": "/a?b=c", "authority": "idp.example:8443", "refresh": "10m", "timeout": "5s",
            "startup_wait": "500ms", "stale_ttl": "24h"}"#,
    ] {
        assert!(read(config).is_ok() && accepts(config), "{config}");
    }
    for config in [
        r#"{}"#,
        r#"{"cluster": "idp"}"#,
        r#"{"path": "/"}"#,
        r#"{"cluster": "", "path": "/"}"#,
        r#"{"cluster": "idp", "path": "jwks"}"#,
        r#"{"cluster": "idp", "path": "/a b"}"#,
        r#"{"cluster": "idp", "path": "/", "authority": "a/b"}"#,
        r#"{"cluster": "idp", "path": "/", "refresh": 600}"#,
        r#"{"cluster": "idp", "path": "/", "refresh": "600"}"#,
        r#"{"cluster": "idp", "path": "/", "uri": "x"}"#,
    ] {
        assert!(read(config).is_err() && !accepts(config), "{config}");
    }
}
