//! The methods that a configuration sets up: their sections, and how the filter asks them.

use palisade_sdk::config::{ConfigErrors, FromConfig, FromFields, Node, Object};
use palisade_sdk::{Handle, Plugin, Request};

use crate::api_key::{ApiKey, ApiKeyConfig};
use crate::basic::{Basic, BasicConfig};
use crate::filter::Auth;
use crate::hmac::{Hmac, HmacConfig};
use crate::identity::{Forward, ForwardToken};
use crate::introspection::{self, Introspection, IntrospectionConfig, OnError};
use crate::jwks::RemoteKeySets;
use crate::jwt::config::providers;
use crate::jwt::{Provider, ProviderConfig};
use crate::method::{Attempt, Method, Refusal};
use crate::request::{Head, Removal};

#[cfg(feature = "schema")]
mod schema;

/// The sections of the config that are about methods.
#[derive(Debug, Default)]
pub(crate) struct Sections {
    jwt: Providers<ProviderConfig>,
    basic: Option<With<BasicConfig>>,
    api_key: Option<With<ApiKeyConfig>>,
    hmac: Option<With<HmacConfig>>,
    introspection: Option<With<IntrospectionConfig, ForwardToken>>,
}

/// The methods themselves.
pub(crate) struct Methods {
    jwt: Providers<Provider>,
    key_sets: RemoteKeySets,
    basic: Option<With<Basic>>,
    api_key: Option<With<ApiKey>>,
    hmac: Option<With<Hmac>>,
    introspection: Option<With<Introspection, ForwardToken>>,
}

/// Providers, or their configs, each with its name.
type Providers<T> = Vec<(String, With<T, ForwardToken>)>;

/// A method, or its config, and what is handed over of those whom it verifies.
#[derive(Debug)]
struct With<T, F = Forward> {
    method: T,
    forward: F,
}

// === impl Sections ===

impl FromFields for Sections {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let sections = Self {
            jwt: object.or("jwt", jwt, Vec::new()),
            basic: object.or("basic", section, None),
            api_key: object.or("api_key", section, None),
            hmac: object.or("hmac", section, None),
            introspection: object.or("introspection", section, None),
        };
        if !object.all_valid() {
            return None;
        }
        let introspection = sections.introspection.as_ref();
        let falls_back = introspection.is_some_and(|section| section.method.on_error() == OnError::AllowIfJwtValid);
        if falls_back && sections.jwt.is_empty() {
            return object.error_below("introspection.on_error", "there is no section \"jwt\" to fall back on");
        }
        let credentials = sections.credential_headers();
        match sections.header_names().into_iter().find(|name| credentials.contains(name)) {
            Some(name) => {
                let message = ["a credential is read from the header \"", name, "\", so that no claim can stand in it"];
                object.error(&message.concat())
            }
            None => Some(sections),
        }
    }
}

fn jwt(node: Node<'_>) -> Option<Providers<ProviderConfig>> {
    node.object(|object| object.required_with("providers", providers))
}

fn section<T: FromConfig>(node: Node<'_>) -> Option<Option<T>> {
    T::from_config(node).map(Some)
}

impl Sections {
    /// What a rule asks for that is not there, if so.
    pub(crate) fn missing(&self, method: &Method, allowed: &[String]) -> Option<String> {
        let is_there = match method {
            Method::Jwt(name) if !self.jwt.is_empty() => {
                let is_provider = provider(&self.jwt, name).is_some();
                return (!is_provider).then(|| ["there is no provider \"", name, "\" in \"jwt\""].concat());
            }
            Method::Basic => self.basic.is_some(),
            Method::ApiKey => {
                if let Some(section) = &self.api_key {
                    let is_client = |id: &&String| section.method.clients().any(|client| client == id.as_str());
                    let unknown = allowed.iter().find(|id| !is_client(id))?;
                    return Some(["no client of \"api_key\" has the id \"", unknown, "\""].concat());
                }
                false
            }
            Method::Hmac => self.hmac.is_some(),
            Method::Introspection => self.introspection.is_some(),
            Method::Jwt(_) => false,
        };
        (!is_there).then(|| ["there is no section \"", method.section(), "\""].concat())
    }

    /// The realm of `Basic`, where it has one of its own.
    pub(crate) fn basic_realm(&self) -> Option<&str> {
        self.basic.as_ref()?.method.realm()
    }

    /// Every header that a method may set.
    pub(crate) fn header_names(&self) -> Vec<&str> {
        let mut forwards: Vec<_> = self.jwt.iter().map(|(_, with)| &with.forward.forward).collect();
        forwards.extend(self.basic.as_ref().map(|with| &with.forward));
        forwards.extend(self.api_key.as_ref().map(|with| &with.forward));
        forwards.extend(self.hmac.as_ref().map(|with| &with.forward));
        forwards.extend(self.introspection.as_ref().map(|with| &with.forward.forward));
        let mut names = Vec::new();
        for forward in forwards {
            names.extend(forward.header_names());
        }
        names
    }

    /// Every header that a credential is read from, in lower case.
    pub(crate) fn credential_headers(&self) -> Vec<&str> {
        let mut sources: Vec<_> = self.jwt.iter().map(|(_, with)| with.method.sources()).collect();
        sources.extend(self.api_key.as_ref().map(|with| with.method.sources()));
        sources.extend(self.introspection.as_ref().map(|with| with.method.sources()));
        let mut names = vec!["authorization", "signature", "signature-input", "content-digest"];
        for source in sources {
            names.extend(source.header_names());
        }
        names
    }
}

// === impl Methods ===

impl Methods {
    pub(crate) fn new(sections: Sections, plugin: &Plugin) -> Result<Self, ConfigErrors> {
        let Sections { jwt, basic, api_key, hmac, introspection } = sections;
        let mut key_sets = RemoteKeySets::new(plugin.clone());
        let mut providers = Vec::new();
        for (name, section) in jwt {
            let provider = section.make(|config| Provider::new(&name, config, plugin, &mut key_sets))?;
            providers.push((name, provider));
        }
        Ok(Self {
            jwt: providers,
            key_sets,
            basic: basic.map(|section| section.make(|config| Basic::new(config, plugin))).transpose()?,
            api_key: api_key.map(|section| section.make(ApiKey::new)).transpose()?,
            hmac: hmac.map(|section| section.make(|config| Ok(Hmac::new(config, plugin)))).transpose()?,
            introspection: introspection
                .map(|section| section.make(|config| Introspection::new(config, plugin)))
                .transpose()?,
        })
    }

    /// Does what methods have to do beside the requests.
    pub(crate) async fn background(&self, handle: &Handle<Auth>) {
        self.key_sets.keep_fresh(handle).await;
    }

    /// Tries a method.
    pub(crate) async fn attempt(&self, method: &Method, head: Head<'_>, request: &Request<Auth>) -> Attempt {
        let attempt = match method {
            Method::Jwt(name) => match provider(&self.jwt, name) {
                Some(provider) => Some(provider.method.attempt(head, request.handle()).await),
                None => None,
            },
            Method::Basic => self.basic.as_ref().map(|basic| basic.method.attempt(head)),
            Method::ApiKey => self.api_key.as_ref().map(|api_key| api_key.method.attempt(head)),
            Method::Hmac => match &self.hmac {
                Some(hmac) => Some(hmac.method.attempt(request, head.headers()).await),
                None => None,
            },
            Method::Introspection => match &self.introspection {
                Some(introspection) => Some(self.introspect(&introspection.method, head, request).await),
                None => None,
            },
        };
        // The config refuses rules that ask for what is not there.
        attempt.unwrap_or(Attempt::Refused(NOT_SET_UP))
    }

    /// Asks about a token. While nobody answers, one that is a good JWT of some provider may count as that, if it is all
    /// that the answer would have to say.
    async fn introspect(&self, introspection: &Introspection, head: Head<'_>, request: &Request<Auth>) -> Attempt {
        let attempt = introspection.attempt(head, request.handle()).await;
        let is_unanswered =
            matches!(&attempt, Attempt::Refused(refusal) if refusal.reason == introspection::UNAVAILABLE);
        if is_unanswered && introspection.on_error() == OnError::AllowIfJwtValid {
            let token = introspection.sources().read(head);
            for provider in self.jwt.iter().map(|(_, provider)| &provider.method) {
                // This very token, not another one beside it.
                if provider.sources().read(head) == token
                    && let Attempt::Verified(identity) = provider.attempt(head, request.handle()).await
                    && introspection.expected().check(&identity.claims).is_ok()
                {
                    return Attempt::Verified(identity.anew());
                }
            }
        }
        attempt
    }

    /// What is handed over of whom a method verifies.
    pub(crate) fn forward(&self, method: &Method) -> Option<&Forward> {
        match method {
            Method::Jwt(name) => provider(&self.jwt, name).map(|provider| &provider.forward.forward),
            Method::Basic => self.basic.as_ref().map(|basic| &basic.forward),
            Method::ApiKey => self.api_key.as_ref().map(|api_key| &api_key.forward),
            Method::Hmac => self.hmac.as_ref().map(|hmac| &hmac.forward),
            Method::Introspection => self.introspection.as_ref().map(|introspection| &introspection.forward.forward),
        }
    }

    /// Takes out of a request what a method has verified, where the config wants that.
    pub(crate) fn strip(&self, method: &Method, head: Head<'_>, removal: &mut Removal) {
        match method {
            Method::Jwt(name) => {
                let provider = provider(&self.jwt, name).filter(|provider| provider.forward.strip_token);
                provider.iter().for_each(|provider| provider.method.hide(head, removal));
            }
            Method::Basic => self.basic.iter().for_each(|basic| basic.method.hide(head, removal)),
            Method::ApiKey => self.api_key.iter().for_each(|api_key| api_key.method.hide(head, removal)),
            Method::Introspection => {
                let introspection =
                    self.introspection.as_ref().filter(|introspection| introspection.forward.strip_token);
                introspection.iter().for_each(|introspection| introspection.method.hide(head, removal));
            }
            // A signature is good once.
            Method::Hmac => {}
        }
    }
}

const NOT_SET_UP: Refusal = Refusal { status: 500, reason: "not_set_up", error: None, retry_after: None };

fn provider<'p, T>(providers: &'p Providers<T>, name: &str) -> Option<&'p With<T, ForwardToken>> {
    providers.iter().find(|(known, _)| known == name).map(|(_, provider)| provider)
}

// === impl With ===

impl<C, F> With<C, F> {
    fn make<T>(self, make: impl FnOnce(C) -> Result<T, ConfigErrors>) -> Result<With<T, F>, ConfigErrors> {
        Ok(With { method: make(self.method)?, forward: self.forward })
    }
}

impl<C: FromFields, F: FromFields + Default> FromFields for With<C, F> {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let method = C::from_fields(object);
        let forward = object.or("forward", F::from_config, F::default());
        Some(Self { method: method?, forward })
    }
}
