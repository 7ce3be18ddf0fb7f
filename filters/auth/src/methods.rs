//! The methods that a configuration sets up: their sections, and how the filter asks them.

use palisade_sdk::config::{ConfigErrors, FromFields, Object};
use palisade_sdk::{Plugin, Request};

use crate::api_key::{ApiKey, ApiKeyConfig};
use crate::basic::{Basic, BasicConfig};
use crate::filter::Auth;
use crate::identity::Forward;
use crate::method::{Attempt, Method, Refusal};
use crate::request::{Head, Removal};

#[cfg(feature = "schema")]
mod schema;

/// The sections of the config that are about methods.
#[derive(Debug)]
pub(crate) struct Sections {
    basic: Option<With<BasicConfig>>,
    api_key: Option<With<ApiKeyConfig>>,
}

/// The methods themselves.
pub(crate) struct Methods {
    basic: Option<With<Basic>>,
    api_key: Option<With<ApiKey>>,
}

/// A method, or its config, and what is handed over of those whom it verifies.
#[derive(Debug)]
struct With<T> {
    method: T,
    forward: Forward,
}

// === impl Sections ===

impl FromFields for Sections {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let basic = object.optional("basic");
        let api_key = object.optional("api_key");
        Some(Self { basic: basic?, api_key: api_key? })
    }
}

impl Sections {
    /// What a rule asks for that is not there, if so.
    pub(crate) fn missing(&self, method: &Method, allowed: &[String]) -> Option<String> {
        let is_there = match method {
            Method::Basic => self.basic.is_some(),
            Method::ApiKey => {
                if let Some(section) = &self.api_key {
                    let is_client = |id: &&String| section.method.clients().any(|client| client == id.as_str());
                    let unknown = allowed.iter().find(|id| !is_client(id))?;
                    return Some(["no client of \"api_key\" has the id \"", unknown, "\""].concat());
                }
                false
            }
            _ => false,
        };
        (!is_there).then(|| ["there is no section \"", method.section(), "\""].concat())
    }

    /// The realm of `Basic`, where it has one of its own.
    pub(crate) fn basic_realm(&self) -> Option<&str> {
        self.basic.as_ref()?.method.realm()
    }

    /// Every header that a method may set.
    pub(crate) fn header_names(&self) -> Vec<&str> {
        let forwards = [self.basic.as_ref().map(|with| &with.forward), self.api_key.as_ref().map(|with| &with.forward)];
        forwards.into_iter().flatten().flat_map(Forward::header_names).collect()
    }
}

// === impl Methods ===

impl Methods {
    pub(crate) fn new(sections: Sections, plugin: &Plugin) -> Result<Self, ConfigErrors> {
        let Sections { basic, api_key } = sections;
        Ok(Self {
            basic: basic.map(|section| section.make(|config| Basic::new(config, plugin))).transpose()?,
            api_key: api_key.map(|section| section.make(|config| ApiKey::new(config, plugin))).transpose()?,
        })
    }

    /// Tries a method.
    pub(crate) async fn attempt(&self, method: &Method, head: Head<'_>, _request: &Request<Auth>) -> Attempt {
        let attempt = match method {
            Method::Basic => self.basic.as_ref().map(|basic| basic.method.attempt(head)),
            Method::ApiKey => self.api_key.as_ref().map(|api_key| api_key.method.attempt(head)),
            _ => None,
        };
        // The config refuses rules that ask for what is not there.
        attempt.unwrap_or(Attempt::Refused(NOT_SET_UP))
    }

    /// What is handed over of whom a method verifies.
    pub(crate) fn forward(&self, method: &Method) -> Option<&Forward> {
        match method {
            Method::Basic => self.basic.as_ref().map(|basic| &basic.forward),
            Method::ApiKey => self.api_key.as_ref().map(|api_key| &api_key.forward),
            _ => None,
        }
    }

    /// Takes out of a request what a method has verified, where the config wants that.
    pub(crate) fn strip(&self, method: &Method, head: Head<'_>, removal: &mut Removal) {
        match method {
            Method::Basic => self.basic.iter().for_each(|basic| basic.method.hide(head, removal)),
            Method::ApiKey => self.api_key.iter().for_each(|api_key| api_key.method.hide(head, removal)),
            _ => {}
        }
    }
}

const NOT_SET_UP: Refusal = Refusal { status: 500, reason: "not_set_up", error: None, retry_after: None };

// === impl With ===

impl<C> With<C> {
    fn make<T>(self, make: impl FnOnce(C) -> Result<T, ConfigErrors>) -> Result<With<T>, ConfigErrors> {
        Ok(With { method: make(self.method)?, forward: self.forward })
    }
}

impl<C: FromFields> FromFields for With<C> {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let method = C::from_fields(object);
        let forward = object.optional("forward");
        Some(Self { method: method?, forward: forward?.unwrap_or_default() })
    }
}
