//! An action: what a guest asked for while it was called.

use super::Direction;
use super::exchange::Exchange;
use super::reply::LocalReply;
use std::cell::RefCell;
use std::rc::Weak;

/// What a guest asked for.
pub(crate) enum Action {
    /// To go on with a stream that its filter stopped.
    Continue(Weak<RefCell<Exchange>>, usize, Direction),
    /// To answer the client.
    Reply(Weak<RefCell<Exchange>>, LocalReply),
    /// To break the stream off.
    Reset(Weak<RefCell<Exchange>>),
    /// To delete a root that has said that it is done.
    Delete(u32),
}
