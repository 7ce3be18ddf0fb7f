use super::*;
use palisade_sdk::config;

fn parse(fields: &str) -> Result<RlsConfig, String> {
    let json = format!(r#"{{{fields}}}"#);
    config::parse(json.as_bytes()).map_err(|errors| errors.to_string())
}

const NEEDED: &str = r#""cluster": "rls", "domain": "shop", "failure_mode": "deny",
    "descriptors": [[{"key": "user", "value": {"claim": "sub"}}]]"#;

#[test]
fn what_is_left_out_has_its_default() {
    let config = parse(NEEDED).unwrap();
    assert_eq!((config.cluster.as_str(), config.domain.as_str()), ("rls", "shop"));
    assert_eq!(config.descriptors[0][0].key, "user");
    assert_eq!(config.timeout, Duration::from_millis(20));
    assert_eq!(config.remember, Duration::from_secs(3600));
    assert_eq!(config.failure_mode, FailureMode::Deny);
}

#[test]
fn every_field_is_read() {
    let config = parse(&format!(r#"{NEEDED}, "timeout": "5ms", "remember": "0s""#)).unwrap();
    assert_eq!((config.timeout, config.remember), (Duration::from_millis(5), Duration::ZERO));
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let errors = parse(
        r#""cluster": "", "descriptors": [[], [{"key": "user", "value": {"heder": "x"}, "vale": 1}], 1],
           "timeout": "11s", "failure_mode": "locl", "remember": 60"#,
    )
    .unwrap_err();
    for error in [
        "cluster: expected the name of one of Envoy's clusters",
        "missing field \"domain\"",
        "descriptors[0]: expected a list with at least one item, found an empty list",
        "descriptors[1][0].value.heder: unknown field, did you mean \"header\"?",
        "descriptors[1][0].vale: unknown field, did you mean \"value\"?",
        "descriptors[2]: expected a list, found the number 1",
        "timeout: expected a duration from \"1ms\" to \"10s\"",
        "failure_mode: expected \"local\", \"allow\" or \"deny\", found \"locl\", did you mean \"local\"?",
        "remember: expected a duration",
    ] {
        assert!(errors.contains(error), "{error:?} is not in\n{errors}");
    }
}

#[test]
fn a_request_cannot_be_made_to_carry_any_number_of_descriptors() {
    let entry = r#"{"key": "a", "value": {"literal": "b"}}"#;
    let with = |descriptors: Vec<String>| {
        parse(&format!(
            r#""cluster": "rls", "domain": "shop", "failure_mode": "allow", "descriptors": [{}]"#,
            descriptors.join(", ")
        ))
    };
    assert!(with(vec![format!("[{entry}]"); 16]).is_ok());
    assert!(with(vec![format!("[{entry}]"); 17]).unwrap_err().contains("descriptors: expected at most 16 items"));
    let long = format!("[{}]", vec![entry; 17].join(", "));
    assert!(with(vec![long]).unwrap_err().contains("descriptors[0]: expected at most 16 items"));
}
