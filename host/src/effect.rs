//! Effects: what a worker asks of the outside.

use crate::callout::{Callout, CalloutId};
use crate::fields::Fields;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

/// Effects in the order in which they came about.
pub(crate) type Effects = Rc<RefCell<VecDeque<Effect>>>;

/// What a worker asks of the outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// A frame of a request for the upstream. A stream whose request goes upstream twice says which one it is, from 1.
    Upstream {
        /// The stream.
        stream: u64,
        /// Which of its requests.
        request: u32,
        /// The frame.
        frame: Frame,
    },
    /// A frame of a response for the client.
    Downstream {
        /// The stream.
        stream: u64,
        /// The frame.
        frame: Frame,
    },
    /// A stream is over: its contexts are gone, and its upstream, if it still runs, is to be given up.
    Ended {
        /// The stream.
        stream: u64,
    },
    /// A request of a filter's own.
    Callout(CalloutId, Callout),
    /// A filter's own request that nobody waits for any more.
    Cancelled(CalloutId),
    /// More to a filter's own gRPC stream: a message, and whether it is the last.
    GrpcSend(CalloutId, Vec<u8>, bool),
}

/// A part of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// The headers, and whether nothing follows.
    Headers(Fields, bool),
    /// A piece of the body, and whether nothing follows.
    Data(Vec<u8>, bool),
    /// The trailers, which are the end.
    Trailers(Fields),
    /// The end of a message that is not whole.
    Reset,
}
