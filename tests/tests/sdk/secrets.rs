//! Secrets in a configuration, and the environment that they are taken from.

use crate::guests::Guest;
use crate::mesh::Setup;
use palisade_testbed::{Request, http1};
use serde_json::json;

fn setup() -> Setup {
    Setup::new(Guest::Probe).configuration(json!({"secret": {"env": "PROBE_SECRET"}}))
}

/// The refusal of a configuration, which ends Envoy's start.
fn refusal(setup: &Setup) -> String {
    format!("{:#}", setup.start().err().unwrap())
}

#[test]
fn a_secret_is_text_or_comes_from_the_environment() {
    let inline = Setup::new(Guest::Probe).configuration(json!({"secret": "s3cret"}));
    let variables = json!({"PROBE": "wrong", "PROBE_SECRET": "s3cret", "PROBE_SECRET_2": "wrong"});
    for setup in [inline, setup().environment(variables)] {
        let mesh = setup.start().unwrap();
        let text = http1::exchange(mesh.addr(), &Request::get("/secret")).unwrap().text();
        assert_eq!(text, r#"Some("s3cret") Some(Secret(..))"#);
        assert!(!mesh.envoy.log().contains("s3cret"), "{}", mesh.envoy.log());
    }
}

#[test]
fn a_variable_that_is_not_there_is_named() {
    for variables in [json!({}), json!({"PROBE": "1", "PROBE_SECRET_2": "2"})] {
        let error = refusal(&setup().environment(variables));
        assert!(error.contains("secret.env: the environment variable PROBE_SECRET is not set"), "{error}");
    }
    let error = refusal(&setup().environment(json!({"PROBE_SECRET": ""})));
    assert!(error.contains("secret.env: the environment variable PROBE_SECRET is empty"), "{error}");
}

#[test]
fn an_environment_that_is_withheld_is_an_error() {
    for call in ["environ_sizes_get", "environ_get"] {
        let error = refusal(&setup().environment(json!({"PROBE_SECRET": "s3cret"})).withhold(call));
        let reason = format!("secret.env: the environment cannot be read: the host answered {call} with Other(76)");
        assert!(error.contains(&reason) && !error.contains("s3cret"), "{error}");
    }
}
