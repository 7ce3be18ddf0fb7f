//! The stream engine: how a request and its response pass through a chain of filters, as in Envoy's filter manager.

mod action;
mod actions;
mod callbacks;
mod end;
mod exchange;
mod filter;
mod flow;
mod local_reply;
mod reply;
mod terminal;

pub(crate) use action::Action;
pub(crate) use actions::{delete_root, run};
pub(crate) use end::{abort, end};
pub(crate) use exchange::Exchange;
pub use exchange::Info;
pub(crate) use filter::{Filter, Iteration};
pub(crate) use flow::{common_continue, pass_data, pass_headers, pass_trailers};
pub(crate) use local_reply::local_reply;
pub use reply::LocalReply;
pub(crate) use reply::grpc_status;

use std::cell::RefCell;
use std::rc::Rc;

/// A stream, shared by the engine and the contexts of its filters.
pub(crate) type Handle = Rc<RefCell<Exchange>>;

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// From the client to the upstream.
    Request,
    /// From the upstream to the client.
    Response,
}

impl Direction {
    /// The place in the chain of the filter that comes at this position, in a chain of `length`.
    fn place(self, position: usize, length: usize) -> usize {
        match self {
            Self::Request => position,
            Self::Response => length.saturating_sub(position).saturating_sub(1),
        }
    }
}
