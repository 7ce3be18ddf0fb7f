//! A filter's part of a stream: what it has held back, and what it may see now.

use super::Direction;
use crate::plugin::Plugin;
use crate::vm::VmHandle;
use std::rc::Rc;

/// A filter of a stream.
pub(crate) struct Filter {
    /// Its plugin.
    pub plugin: Rc<Plugin>,
    /// Its VM, and the root context of its plugin there; without it, the filter cannot run.
    pub vm: Option<(VmHandle, u32)>,
    /// Its stream context; 0 before it was made.
    pub context: u32,
    /// Whether the stream was failed because of its VM.
    pub failed: bool,
    /// Whether it has answered the client already: the first answer counts.
    pub replied: bool,
    /// Whether it is in `proxy_on_log`.
    pub logging: bool,
    request: Side,
    response: Side,
}

/// A filter's part of one direction.
#[derive(Debug, Default)]
pub(crate) struct Side {
    /// Whether it lets frames through.
    pub iteration: Iteration,
    /// Whether it has let the headers through.
    pub headers_continued: bool,
    /// Whether it has seen the end of the stream.
    pub end_stream: bool,
    /// The bytes that it has held back, if it has.
    pub held: Option<Vec<u8>>,
    /// Whether the sender is slowed down for what it holds back.
    pub streaming: bool,
    /// The frame of the current body callback.
    pub chunk: Vec<u8>,
    /// Whether it asked for the body as a whole: it sees `held`, instead of the frame.
    pub buffering: bool,
    /// Whether it is going on from a stop of everything: it is shown what it held back before the next filters are.
    pub from_current: bool,
    /// Whether it sees the headers.
    pub sees_headers: bool,
    /// Whether it sees the frame.
    pub sees_chunk: bool,
    /// Whether it sees the trailers.
    pub sees_trailers: bool,
}

/// Whether a filter lets frames through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Iteration {
    /// It does.
    #[default]
    Continue,
    /// It stopped, and is asked again at the next frame.
    StopOne,
    /// It stopped, and what comes is kept for it, up to the limit.
    StopAllBuffer,
    /// It stopped, and the sender is slowed down.
    StopAllWatermark,
}

// === impl Filter ===

impl Filter {
    pub(crate) fn new(plugin: Rc<Plugin>, vm: Option<(VmHandle, u32)>) -> Self {
        Self {
            plugin,
            vm,
            context: 0,
            failed: false,
            replied: false,
            logging: false,
            request: Side::default(),
            response: Side::default(),
        }
    }

    pub(crate) const fn side(&self, direction: Direction) -> &Side {
        match direction {
            Direction::Request => &self.request,
            Direction::Response => &self.response,
        }
    }

    pub(crate) const fn side_mut(&mut self, direction: Direction) -> &mut Side {
        match direction {
            Direction::Request => &mut self.request,
            Direction::Response => &mut self.response,
        }
    }

    /// `continue_stream` of either direction takes the request's maps and body away.
    pub(crate) const fn forget_request(&mut self) {
        self.request.sees_headers = false;
        self.request.sees_chunk = false;
        self.request.sees_trailers = false;
    }
}

// === impl Side ===

impl Side {
    /// The body that the filter sees.
    pub(crate) fn body(&self) -> Option<&Vec<u8>> {
        match (self.sees_held(), self.sees_chunk) {
            (true, _) => self.held.as_ref(),
            (false, true) => Some(&self.chunk),
            (false, false) => None,
        }
    }

    /// The body that the filter sees, to be changed.
    pub(crate) fn body_mut(&mut self) -> Option<&mut Vec<u8>> {
        match (self.sees_held(), self.sees_chunk) {
            (true, _) => self.held.as_mut(),
            (false, true) => Some(&mut self.chunk),
            (false, false) => None,
        }
    }

    const fn sees_held(&self) -> bool {
        self.buffering || self.from_current && self.sees_chunk
    }

    /// Whether it holds back so much that the sender is to wait.
    pub(crate) fn stalls(&self, limit: usize) -> bool {
        self.streaming && self.held.as_ref().is_some_and(|held| held.len() > limit)
    }

    pub(crate) const fn stopped_all(&self) -> bool {
        matches!(self.iteration, Iteration::StopAllBuffer | Iteration::StopAllWatermark)
    }
}
