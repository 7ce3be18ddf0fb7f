//! What the operator writes, and what follows from it.

use palisade_sdk::config::{FromFields, Object};

/// The configuration of the filter.
#[derive(Debug)]
pub struct Config {
    header: String,
    values: Vec<String>,
}

impl Config {
    /// The header that is looked at.
    pub fn header(&self) -> &str {
        &self.header
    }

    /// Whether a request passes whose header has this value, or that has no such header.
    pub fn admits(&self, value: Option<&[u8]>) -> bool {
        self.values.iter().any(|known| Some(known.as_bytes()) == value)
    }
}

impl FromFields for Config {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let header = object.required_with("header", |node| {
            let name = node.text("the name of a header")?;
            if !is_header_name(name) {
                return node.error("expected the name of a header in lower case");
            }
            Some(name.to_owned())
        });
        let values = object.required_with("values", |node| {
            node.non_empty_list(|node| node.text("a value of the header").map(ToOwned::to_owned))
        });
        Some(Self { header: header?, values: values? })
    }
}

/// A token of RFC 9110, section 5.6.2, as HTTP/2 writes the names of headers.
fn is_header_name(name: &str) -> bool {
    let is_part = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9') || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_part)
}

#[cfg(feature = "schema")]
mod schema {
    use std::borrow::Cow;

    use palisade_sdk::config::schema::{ObjectSchema, non_empty_list, text};
    use schemars::{JsonSchema, Schema, SchemaGenerator};

    use super::Config;

    impl JsonSchema for Config {
        fn schema_name() -> Cow<'static, str> {
            "%Filter%".into()
        }

        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            ObjectSchema::new(generator)
                .required_with("header", "The header that is looked at, in lower case.", |_| {
                    text("^[a-z0-9!#$%&'*+.^_`|~-]+$")
                })
                .required_with("values", "The values that pass.", |_| non_empty_list(text("")))
                .build()
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use palisade_sdk::config::parse;

    use super::*;

    #[test]
    fn a_known_value_passes_and_nothing_else() {
        let config = parse::<Config>(br#"{"header": "x-tenant", "values": ["acme", "globex"]}"#).unwrap();
        assert_eq!(config.header(), "x-tenant");
        assert!(config.admits(Some(b"acme")) && config.admits(Some(b"globex")));
        for value in [None, Some(&b""[..]), Some(b"Acme"), Some(b"acme,globex")] {
            assert!(!config.admits(value), "{value:?}");
        }
    }

    #[test]
    fn every_mistake_is_reported_with_its_path() {
        let errors = parse::<Config>(br#"{"header": "X Tenant", "values": [], "value": ["acme"]}"#).unwrap_err();
        let paths: Vec<_> = errors.iter().map(|(path, _)| path).collect();
        assert_eq!(paths, ["header", "values", "value"]);
    }

    #[cfg(feature = "schema")]
    #[test]
    fn the_schema_has_the_fields_that_are_read() {
        let schema: serde_json::Value = schemars::schema_for!(Config).into();
        let fields: Vec<_> = schema["properties"].as_object().unwrap().keys().collect();
        assert_eq!(fields, ["header", "values"]);
    }
}
