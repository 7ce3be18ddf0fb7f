//! A request and its response on their way.

use super::filter::{Filter, Side};
use super::{Direction, Handle};
use crate::clock::Clock;
use crate::effect::{Effect, Effects};
use crate::fields::Fields;
use std::collections::BTreeMap;

/// A stream.
pub(crate) struct Exchange {
    /// Its number on its worker.
    pub id: u64,
    /// What is known of it beside its messages.
    pub info: Info,
    /// What the client sent.
    pub request: Message,
    /// What the client gets.
    pub response: Message,
    /// The chain, from the client's side.
    pub filters: Vec<Filter>,
    /// What filters have told others.
    pub filter_state: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Bytes that a filter may hold back in each direction.
    pub buffer_limit: usize,
    /// Whether the request came with the header without which Envoy finds no route.
    pub forwarded_proto: bool,
    /// Whether the client is answered without the upstream.
    pub replied: bool,
    /// Whether the request went upstream whole.
    pub request_sent: bool,
    /// Whether the response's headers went to the client.
    pub response_started: bool,
    /// Whether the response went to the client whole.
    pub response_sent: bool,
    /// How often the request went upstream.
    pub dispatched: u32,
    /// Whether it is over.
    pub ended: bool,
    /// What the outside is to do.
    pub effects: Effects,
    /// The time.
    pub clock: Clock,
}

/// One of a stream's messages.
#[derive(Debug, Default)]
pub(crate) struct Message {
    /// Its headers, once they have come.
    pub headers: Option<Fields>,
    /// Its trailers, once they have come.
    pub trailers: Option<Fields>,
    /// Whether it has come to its end.
    pub complete: bool,
    /// The bytes of its body so far, as they came (request) or went to the client (response).
    pub body_bytes: u64,
}

/// What is known of a stream beside its messages: what properties tell.
#[derive(Clone, Debug)]
pub struct Info {
    /// The client's address and port.
    pub source: String,
    /// The listener's address and port.
    pub destination: String,
    /// The upstream's address and port, once it was chosen.
    pub upstream: Option<String>,
    /// The number of the client's connection.
    pub connection: u64,
    /// `HTTP/1.1` or `HTTP/2`.
    pub protocol: String,
    /// When it began, in nanoseconds since the Unix epoch.
    pub began: u64,
    /// When it ended.
    pub ended: Option<u64>,
    /// The name of the route.
    pub route: String,
    /// The route's metadata: by namespace and key, text.
    pub route_metadata: BTreeMap<String, BTreeMap<String, String>>,
    /// The virtual host's metadata: by namespace and key, text.
    pub virtual_host_metadata: BTreeMap<String, BTreeMap<String, String>>,
    /// The name of the virtual host.
    pub virtual_host: String,
    /// The name of the upstream cluster.
    pub cluster: String,
    /// What became of it, in Envoy's words, for example `via_upstream`.
    pub details: Option<String>,
    /// Envoy's response flags.
    pub flags: u64,
}

// === impl Exchange ===

impl Exchange {
    pub(crate) fn new(
        id: u64,
        info: Info,
        filters: Vec<Filter>,
        buffer_limit: usize,
        effects: Effects,
        clock: Clock,
    ) -> Self {
        let info = Info { began: clock.now(), ..info };
        Self {
            id,
            info,
            request: Message::default(),
            response: Message::default(),
            filters,
            filter_state: BTreeMap::new(),
            buffer_limit,
            forwarded_proto: false,
            replied: false,
            request_sent: false,
            response_started: false,
            response_sent: false,
            dispatched: 0,
            ended: false,
            effects,
            clock,
        }
    }

    pub(crate) const fn message(&self, direction: Direction) -> &Message {
        match direction {
            Direction::Request => &self.request,
            Direction::Response => &self.response,
        }
    }

    pub(crate) const fn message_mut(&mut self, direction: Direction) -> &mut Message {
        match direction {
            Direction::Request => &mut self.request,
            Direction::Response => &mut self.response,
        }
    }

    pub(crate) fn filter(&self, place: usize) -> Option<&Filter> {
        self.filters.get(place)
    }

    pub(crate) fn filter_mut(&mut self, place: usize) -> Option<&mut Filter> {
        self.filters.get_mut(place)
    }

    /// Whether frames of this direction are still to be passed on.
    pub(crate) const fn open(&self, direction: Direction) -> bool {
        !self.ended
            && match direction {
                Direction::Request => !self.replied && !self.response_sent,
                Direction::Response => !self.response_sent,
            }
    }

    pub(crate) fn is_grpc(&self) -> bool {
        let content_type = self.request.headers.as_ref().and_then(|headers| headers.get("content-type"));
        content_type.is_some_and(|value| value == b"application/grpc" || value.starts_with(b"application/grpc+"))
    }

    pub(crate) fn is_head(&self) -> bool {
        self.request.headers.as_ref().and_then(|headers| headers.get(":method")) == Some(b"HEAD")
    }

    pub(crate) fn effect(&self, effect: Effect) {
        self.effects.borrow_mut().push_back(effect);
    }
}

// === impl Info ===

impl Default for Info {
    fn default() -> Self {
        Self {
            source: "127.0.0.1:50000".to_owned(),
            destination: "127.0.0.1:10000".to_owned(),
            upstream: None,
            connection: 0,
            protocol: "HTTP/1.1".to_owned(),
            began: 0,
            ended: None,
            route: String::new(),
            route_metadata: BTreeMap::new(),
            virtual_host_metadata: BTreeMap::new(),
            virtual_host: "all".to_owned(),
            cluster: "upstream".to_owned(),
            details: None,
            flags: 0,
        }
    }
}

/// Changes what a filter has of a direction; `None` where there is no such filter.
pub(super) fn with_side<T>(
    stream: &Handle,
    direction: Direction,
    place: usize,
    change: impl FnOnce(&mut Side) -> T,
) -> Option<T> {
    stream.borrow_mut().filter_mut(place).map(|filter| change(filter.side_mut(direction)))
}
