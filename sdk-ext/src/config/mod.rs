//! The config of a filter: JSON read into types, with every mistake reported at once.
//!
//! A filter describes its config by implementing [`FromFields`] for a struct: it asks an [`Object`] for the fields it
//! knows, and every field it did not ask for is reported as unknown, with the nearest known name.
//!
//! ```
//! use palisade_sdk::config::{self, FromFields, Object, Percent};
//!
//! #[derive(Debug)]
//! struct Config {
//!     sample: Percent,
//!     header: Option<String>,
//! }
//!
//! impl FromFields for Config {
//!     fn from_fields(object: &mut Object<'_>) -> Option<Self> {
//!         let sample = object.required("sample");
//!         let header = object.optional("header");
//!         Some(Self { sample: sample?, header: header? })
//!     }
//! }
//!
//! let errors = config::parse::<Config>(br#"{"sample": 10, "heder": "x-tier"}"#).unwrap_err();
//! assert_eq!(
//!     errors.to_string(),
//!     "sample: expected a percentage such as \"10%\", found the number 10; write \"10%\"\n\
//!      heder: unknown field, did you mean \"header\"?"
//! );
//! ```
//!
//! No meaning depends on the order of fields or on whether a number is written `1` or `1.0`: a protobuf `Struct`,
//! in which Envoy may hand a config over, keeps neither. `null` is not "absent": a field without a value is left out.
//!
//! Errors never repeat the text of a field, which may be a secret, except where the type of the field rules that out
//! (units, enums).

mod duration;
mod errors;
mod nearest;
mod node;
mod object;
mod percent;
mod place;
mod protobuf_struct;
mod rate;
mod rules;
#[cfg(feature = "schema")]
pub mod schema;
mod secret;
mod size;

pub use errors::ConfigErrors;
pub use node::Node;
pub(crate) use node::quoted;
pub use object::Object;
pub use percent::Percent;
pub use rate::Rate;
pub use rules::{Choice, Outcome, Rule, Rules};
pub use secret::Secret;
pub use size::Size;

use crate::json;
use errors::Collector;
use place::Place;
use serde_json::Value;

/// A type that is read from one JSON value.
///
/// Implemented for `bool`, `String`, `Vec<T>`, [`Duration`](std::time::Duration) (`"500ms"`, `"60s"`, `"10m"`, `"1h"`,
/// `"1d"`), [`Size`], [`Percent`], [`Rate`], [`Secret`] and every [`FromFields`].
pub trait FromConfig: Sized {
    /// Reads the value; `None` says that at least one error was reported through `node`.
    fn from_config(node: Node<'_>) -> Option<Self>;
}

/// A type that is read from the fields of a JSON object.
///
/// Several types may share one object: each asks for its own fields (see [`Rules`]).
pub trait FromFields: Sized {
    /// Reads the fields; `None` says that at least one error was reported through `object`.
    ///
    /// Ask for all fields first and use `?` on the results afterwards, so that all errors are found and no field
    /// counts as unknown merely because it was not reached.
    fn from_fields(object: &mut Object<'_>) -> Option<Self>;
}

impl<T: FromFields> FromConfig for T {
    fn from_config(node: Node<'_>) -> Option<Self> {
        node.object(T::from_fields)
    }
}

/// What reads one value of a config, such as [`FromConfig::from_config`].
pub type Reader<T> = fn(Node<'_>) -> Option<T>;

/// Reads a config, given as JSON text or as a serialised `google.protobuf.Struct`, or reports everything that is wrong
/// with it.
///
/// # Errors
///
/// An empty config, text that is not JSON (with line and column; an object that has a field twice counts as such), and
/// everything that `T` refuses.
pub fn parse<T: FromConfig>(config: &[u8]) -> Result<T, ConfigErrors> {
    let value = value(config)?;
    let errors = Collector::default();
    let config = T::from_config(Node::new(&Place::root(&value, &errors)));
    errors.into_result(config)
}

fn value(config: &[u8]) -> Result<Value, ConfigErrors> {
    if config.iter().all(u8::is_ascii_whitespace) {
        return Err(ConfigErrors::new(
            "",
            "the config is empty; the filter needs a JSON object, in Envoy the `configuration` of the plugin, in Istio \
             `pluginConfig`",
        ));
    }
    match protobuf_struct::parse(config) {
        Some(value) => Ok(value),
        None => json::parse(config).map_err(|error| ConfigErrors::new("", format!("not valid JSON: {error}"))),
    }
}

impl FromConfig for bool {
    fn from_config(node: Node<'_>) -> Option<Self> {
        node.value().as_bool().or_else(|| node.expected("true or false"))
    }
}

impl FromConfig for String {
    fn from_config(node: Node<'_>) -> Option<Self> {
        node.text("a string").map(str::to_owned)
    }
}

impl<T: FromConfig> FromConfig for Vec<T> {
    fn from_config(node: Node<'_>) -> Option<Self> {
        node.list(T::from_config)
    }
}

#[cfg(test)]
mod tests;
