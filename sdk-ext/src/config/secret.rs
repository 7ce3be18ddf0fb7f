//! Secrets: `"text"`, or `{env: NAME}` for a variable of the VM's environment.

use std::fmt;

use serde_json::Value;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{FromConfig, Node};
use crate::abi;
use crate::status::HostError;

/// What the name of an environment variable looks like.
#[cfg(feature = "schema")]
pub(super) const NAME_PATTERN: &str = "^[A-Za-z_][A-Za-z0-9_]{0,127}$";

const MAX_NAME: usize = 128;

/// A secret, at least one byte long: `"text"`, or `{env: NAME}` for what stands in a variable of the VM's environment
/// (Envoy's `vm_config.environment_variables`, Istio's `vmConfig.env`). Outside of a VM every variable is set, to 64 bytes
/// made of its name: a config can be checked where its secrets are not known.
///
/// It shows in no error and in no `Debug`, and is overwritten when it is dropped. The config that holds it as text is not:
/// who may read Envoy's memory or its `/config_dump` can read that, so prefer `env` with `host_env_keys`. The default is
/// empty: the place of one that is still to be read.
#[derive(Default)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// The secret itself. Compare it in constant time only.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl FromConfig for Secret {
    fn from_config(node: Node<'_>) -> Option<Self> {
        match node.value() {
            Value::String(text) if text.is_empty() => node.error("a secret must not be empty"),
            Value::String(text) => Some(Self(text.clone().into_bytes().into())),
            Value::Object(_) => node.object(|object| object.required_with("env", variable)).map(Self),
            _ => node.expected("a string or {env: NAME}"),
        }
    }
}

/// The value of the environment variable of this name.
fn variable(node: Node<'_>) -> Option<Zeroizing<Vec<u8>>> {
    let name = node.text("the name of an environment variable")?;
    if !is_name(name) {
        return node.malformed("the name of an environment variable: up to 128 of A-Z, a-z, 0-9 and _, no digit first");
    }
    match value_of(name) {
        Err(error) => node.error(&["the environment cannot be read: ", &error.to_string()].concat()),
        Ok(Some(value)) if value.is_empty() => node.error(&["the environment variable ", name, " is empty"].concat()),
        Ok(Some(value)) => Some(value),
        Ok(None) => node.error(
            &[
                "the environment variable ",
                name,
                " is not set: give it to the VM, in Envoy with `vm_config.environment_variables`, in Istio with `vmConfig.env`",
            ]
            .concat(),
        ),
    }
}

fn value_of(name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, HostError> {
    match abi::environment().map(Zeroizing::new) {
        Ok(environment) => Ok(find(&environment, name).map(|value| value.to_vec().into())),
        Err(_) if cfg!(not(target_arch = "wasm32")) => Ok(Some(hex::encode(Sha256::digest(name)).into_bytes().into())),
        Err(error) => Err(error),
    }
}

fn is_name(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_');
    first && name.len() <= MAX_NAME && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The value of the first variable of this name; the environment is `NAME=VALUE` again and again, a NUL behind each.
fn find<'a>(environment: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mut variables = environment.split(|byte| *byte == 0);
    variables.find_map(|variable| variable.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::{FromFields, Object, parse};

    #[derive(Debug)]
    struct Config {
        secret: Secret,
    }

    impl FromFields for Config {
        fn from_fields(object: &mut Object<'_>) -> Option<Self> {
            Some(Self { secret: object.required("secret")? })
        }
    }

    fn read(secret: &str) -> Result<Config, String> {
        parse::<Config>(format!("{{\"secret\": {secret}}}").as_bytes()).map_err(|errors| errors.to_string())
    }

    #[test]
    fn a_secret_is_a_text_or_a_variable() {
        assert_eq!(read("\"s3cr\\u00e9t\"").unwrap().secret.expose(), "s3cr\u{e9}t".as_bytes());
        let [first, second] = ["KEY_1", "KEY_2"].map(|name| read(&format!(r#"{{"env": "{name}"}}"#)).unwrap().secret);
        assert_eq!((first.expose().len(), second.expose().len()), (64, 64));
        assert_ne!(first.expose(), second.expose());
    }

    #[test]
    fn a_secret_is_in_no_debug() {
        assert_eq!(format!("{:?}", read("\"s3cret\"").unwrap()), "Config { secret: Secret(..) }");
    }

    #[test]
    fn what_is_no_secret_is_refused_and_not_repeated() {
        for (secret, error) in [
            ("\"\"", "secret: a secret must not be empty"),
            ("12345", "secret: expected a string or {env: NAME}, found the number 12345"),
            ("null", "secret: expected a string or {env: NAME}, found null"),
            ("{}", "secret: missing field \"env\""),
            (r#"{"env": 1}"#, "secret.env: expected the name of an environment variable, found the number 1"),
        ] {
            assert_eq!(read(secret).unwrap_err(), error);
        }
        for name in ["", "s3cret=x", "9LIVES", "s3cret-x", "a\\u0000b", &"x".repeat(129)] {
            let error = read(&format!(r#"{{"env": "{name}"}}"#)).unwrap_err();
            assert!(error.starts_with("secret.env: expected the name of") && !error.contains("s3cret"), "{error}");
        }
        assert!(read(r#"{"env": "KEY", "envy": 1}"#).unwrap_err().contains("did you mean \"env\"?"));
    }

    #[test]
    fn a_variable_is_found_by_its_whole_name() {
        let environment = b"AB=1\0A=2=3\0A=4\0EMPTY=\0NO\0";
        assert_eq!(find(environment, "A"), Some(&b"2=3"[..]));
        assert_eq!(find(environment, "AB"), Some(&b"1"[..]));
        assert_eq!(find(environment, "EMPTY"), Some(&b""[..]));
        assert_eq!(find(environment, "B"), None);
        assert_eq!(find(environment, "NO"), None);
        assert_eq!(find(b"", "A"), None);
    }

    proptest! {
        #[test]
        fn every_variable_of_an_environment_is_found(
            variables in prop::collection::btree_map("[A-Z_]{1,8}", "[^\0]{0,8}", 0..8)
        ) {
            let environment: String = variables.iter().map(|(name, value)| format!("{name}={value}\0")).collect();
            for (name, value) in &variables {
                prop_assert_eq!(find(environment.as_bytes(), name), Some(value.as_bytes()));
            }
        }
    }
}
