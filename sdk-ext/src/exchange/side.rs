//! Side: whether a message is a request or a response, as a type.

use crate::direction::Direction;

/// The direction of a message; sealed.
pub trait Side: sealed::Sealed {}

impl<S: sealed::Sealed> Side for S {}

/// A request on its way to the upstream.
pub enum RequestSide {}

/// A response on its way to the client.
pub enum ResponseSide {}

mod sealed {
    use super::Direction;

    pub trait Sealed: 'static {
        const DIRECTION: Direction;
    }
}

impl sealed::Sealed for RequestSide {
    const DIRECTION: Direction = Direction::Request;
}

impl sealed::Sealed for ResponseSide {
    const DIRECTION: Direction = Direction::Response;
}
