//! The methods that a configuration sets up: their sections, and how the filter asks them.

use palisade_sdk::config::{ConfigErrors, FromFields, Object};
use palisade_sdk::{Plugin, Request};

use crate::filter::Auth;
use crate::identity::Forward;
use crate::method::{Attempt, Method};
use crate::request::{Head, Removal};

#[cfg(feature = "schema")]
mod schema;

/// The sections of the config that are about methods.
#[derive(Debug, Default)]
pub(crate) struct Sections {}

/// The methods themselves.
#[derive(Default)]
pub(crate) struct Methods {}

/// A method, or its config, and what is handed over of those whom it verifies.
#[derive(Debug)]
pub(crate) struct With<T> {
    pub(crate) method: T,
    pub(crate) forward: Forward,
}

// === impl Sections ===

impl FromFields for Sections {
    fn from_fields(_: &mut Object<'_>) -> Option<Self> {
        Some(Self {})
    }
}

impl Sections {
    /// What a rule asks for that is not there, if so.
    pub(crate) fn missing(&self, method: &Method, _allowed: &[String]) -> Option<String> {
        Some(["there is no section \"", method.section(), "\""].concat())
    }
}

// === impl Methods ===

impl Methods {
    pub(crate) fn new(_: Sections, _plugin: &Plugin) -> Result<Self, ConfigErrors> {
        Ok(Self {})
    }

    /// Tries a method.
    pub(crate) async fn attempt(&self, _method: &Method, _head: Head<'_>, _request: &Request<Auth>) -> Attempt {
        Attempt::Absent
    }

    /// What is handed over of whom a method verifies.
    pub(crate) fn forward(&self, _method: &Method) -> Option<&Forward> {
        None
    }

    /// Every header that a method may set.
    pub(crate) fn header_names(&self) -> Vec<&str> {
        Vec::new()
    }

    /// Takes out of a request what a method has verified, where the config wants that.
    pub(crate) fn strip(&self, _method: &Method, _head: Head<'_>, _removal: &mut Removal) {}
}

// === impl With ===

impl<C: FromFields> FromFields for With<C> {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let method = C::from_fields(object);
        let forward = object.optional("forward");
        Some(Self { method: method?, forward: forward?.unwrap_or_default() })
    }
}
