//! A request as matchers and selectors see it.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::net::IpAddr;

use serde_json::Value;

use super::{Attributes, ClientIp, Field, forms, host, path};
use crate::json;

/// The property in which the auth filter publishes who is calling: JSON, whose member `claims` holds the claims by the
/// names that the auth filter's config gives them.
pub const IDENTITY: &[&str] = &["filter_state", "wasm.palisade.identity"];

type Bytes<'a> = Cow<'a, [u8]>;

/// One request: its attributes, and how its client's address is found.
///
/// Make one per request and use it for all rules, since it parses the identity once. Headers and properties are asked
/// for anew each time; where a look-up is dear, the [`Attributes`] keep what they read.
pub struct RequestView<'a, A> {
    attributes: &'a A,
    client_ip: &'a ClientIp,
    identity: OnceCell<Option<Value>>,
}

impl<'a, A: Attributes> RequestView<'a, A> {
    /// The view of a request.
    pub fn new(attributes: &'a A, client_ip: &'a ClientIp) -> Self {
        Self { attributes, client_ip, identity: OnceCell::new() }
    }

    pub(super) fn header(&self, name: &str) -> Result<Field<Bytes<'_>>, A::Error> {
        self.attributes.header(name)
    }

    pub(crate) fn property(&self, path: &[&str]) -> Result<Option<Bytes<'_>>, A::Error> {
        self.attributes.property(path)
    }

    pub(super) fn method(&self) -> Result<Field<Bytes<'_>>, A::Error> {
        self.header(":method")
    }

    pub(super) fn host(&self) -> Result<Field<Bytes<'_>>, A::Error> {
        Ok(self
            .header(":authority")?
            .and_then(|authority| part(authority, |authority| one(host::of_authority(authority)))))
    }

    pub(super) fn path(&self) -> Result<Field<Bytes<'_>>, A::Error> {
        Ok(self.header(":path")?.and_then(|path| part(path, |path| one(path::without_query(path)))))
    }

    pub(super) fn path_segment(&self, number: usize) -> Result<Field<Bytes<'_>>, A::Error> {
        let segment = |path| part(path, |path| path::segment(path, number).map(Cow::Borrowed).into());
        Ok(self.path()?.and_then(segment))
    }

    pub(super) fn query_parameter(&self, name: &str) -> Result<Field<Bytes<'_>>, A::Error> {
        Ok(self.header(":path")?.and_then(|path| part(path, |path| forms::parameter(path::query(path), name))))
    }

    pub(super) fn cookie(&self, name: &str) -> Result<Field<Bytes<'_>>, A::Error> {
        Ok(self.header("cookie")?.and_then(|header| part(header, |header| forms::cookie(header, name))))
    }

    /// The client's address: see [`ClientIp::resolve`].
    ///
    /// # Errors
    ///
    /// When the host refuses to answer.
    pub fn client_ip(&self) -> Result<Field<IpAddr>, A::Error> {
        self.client_ip.resolve(self.attributes)
    }

    pub(super) fn client_key(&self) -> Result<Field<IpAddr>, A::Error> {
        Ok(self.client_ip()?.map(|address| self.client_ip.key(address)))
    }

    pub(super) fn route(&self) -> Result<Option<Bytes<'_>>, A::Error> {
        Ok(self.property(&["xds", "route_name"])?.filter(|name| !name.is_empty()))
    }

    /// What the metadata of the route says, else that of its virtual host, in
    /// `filter_metadata: {palisade: {<filter>: "..."}}`.
    ///
    /// # Errors
    ///
    /// When the host refuses to answer.
    pub fn named_by_route(&self, filter: &str) -> Result<Option<Bytes<'_>>, A::Error> {
        for metadata in ["route_metadata", "virtual_host_metadata"] {
            if let Some(name) = self.property(&["xds", metadata, "filter_metadata", "palisade", filter])? {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    pub(super) fn claim(&self, name: &str) -> Result<Option<Bytes<'_>>, A::Error> {
        let identity = match self.identity.get() {
            Some(identity) => identity,
            None => {
                let identity = self.property(IDENTITY)?.and_then(|identity| json::parse(&identity).ok());
                self.identity.get_or_init(|| identity)
            }
        };
        let claim = identity.as_ref().and_then(|identity| identity.get("claims")?.get(name));
        Ok(claim.and_then(claim_text))
    }
}

/// Text as it is, whole numbers in decimal, `true` and `false`; a claim of any other kind has no text.
fn claim_text(claim: &Value) -> Option<Bytes<'_>> {
    match claim {
        Value::String(text) => Some(text.as_bytes().into()),
        Value::Bool(true) => Some(b"true".into()),
        Value::Bool(false) => Some(b"false".into()),
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => Some(number.to_string().into_bytes().into()),
            (None, Some(number)) => Some(number.to_string().into_bytes().into()),
            (None, None) => None,
        },
        _ => None,
    }
}

fn one(bytes: &[u8]) -> Field<Bytes<'_>> {
    Field::One(Cow::Borrowed(bytes))
}

/// A part of a value, which is borrowed where the value is.
fn part<'a>(value: Bytes<'a>, find: impl for<'v> FnOnce(&'v [u8]) -> Field<Bytes<'v>>) -> Field<Bytes<'a>> {
    match value {
        Cow::Borrowed(value) => find(value),
        Cow::Owned(value) => find(&value).map(|part| Cow::Owned(part.into_owned())),
    }
}
