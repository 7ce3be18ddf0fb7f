//! What takes the place of `global` in a module that asks no services: nothing is added, and a limit cannot name one.

use palisade_sdk::config::{FromConfig, Node};
use palisade_sdk::{Plugin, Request};

use crate::config::{FailureMode, Limit};
use crate::filter::RateLimit;
use crate::headers::Lines;

/// What services add to the messages.
#[derive(Default)]
pub(crate) struct Global {
    pub(crate) response_headers: Lines,
    pub(crate) body: Vec<u8>,
}

/// The service of a limit, of which there is none.
pub(crate) enum Rls {}

/// How a service is asked, which cannot be.
#[derive(Debug)]
pub(crate) enum RlsConfig {}

impl Global {
    pub(crate) fn change_request(&mut self, _: &mut Request<RateLimit>) {}
}

impl Rls {
    pub(crate) fn of(_: &Limit, _: &Plugin) -> Option<Self> {
        None
    }
}

impl RlsConfig {
    pub(crate) fn failure_mode(&self) -> FailureMode {
        match *self {}
    }
}

impl FromConfig for RlsConfig {
    fn from_config(node: Node<'_>) -> Option<Self> {
        node.error("this module asks no service; load rate_limit_global.wasm")
    }
}
