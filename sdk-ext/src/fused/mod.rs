//! Fused: several filters in one module, which do together what they would do as modules of their own in a chain.
//!
//! The host sees one filter: one context a stream, one set of callbacks, one configuration with a section for each part.
//! Inside, [`Fusion`] is to the parts what Envoy is to the filters of a chain. A request meets them in their order and a
//! response in reverse; what one holds does not reach the next; a client that one has answered is not answered by another.
//! What they share is what a chain pays for again and again: the callbacks, and the headers that each of them reads.

pub(crate) mod chain;
pub(crate) mod headers;
mod parts;
pub(crate) mod passage;

pub use parts::{End, Link, Parts};

use crate::abi;
use crate::config::{self, ConfigErrors, FromFields, Object};
use crate::direction::Direction;
use crate::phases::Phases;
use crate::plugin::Plugin;
use crate::runtime::callbacks::read_config;
use crate::runtime::ready;
use crate::runtime::refusal::{failure, send};
use crate::runtime::root::RootState;
use crate::runtime::{CONTINUE, PAUSE};
use chain::{Answer, Passages};
use passage::Event;
use std::cell::{Cell, RefCell};
use std::iter;
use std::rc::Rc;

/// Everything that a fused module holds in one VM; [`fuse!`](crate::fuse) makes one and calls it from the exports.
#[doc(hidden)]
pub struct Fusion<P> {
    parts: P,
    /// The stream context that was created last and its root.
    created: Cell<(u32, u32)>,
    /// What belongs to no part of a configuration.
    roots: RefCell<Vec<Rc<RootState>>>,
}

/// The name in log lines and metrics of what belongs to no part.
const NAME: &str = "fused";

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The configurations of all parts.
struct Config<P: Parts>(P::Config);

impl<P: Parts> FromFields for Config<P> {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        P::read(object).map(Self)
    }
}

impl<P: Parts> Fusion<P> {
    /// A module without any context.
    #[must_use]
    pub const fn new(parts: P) -> Self {
        Self { parts, created: Cell::new((0, 0)), roots: RefCell::new(Vec::new()) }
    }

    /// The union of the parts' phases.
    pub const PHASES: Phases = P::PHASES;

    /// `proxy_on_context_create`, for a stream
    pub fn stream_create(&self, id: u32, root: u32) {
        self.created.set((id, root));
    }

    /// `proxy_on_configure`
    pub fn configure(&self, root: u32, size: usize) -> bool {
        Self::begin();
        let taken = self.take_config(root, size);
        self.pass_continued(None);
        if let Err(errors) = &taken {
            abi::log(4, &format!("{NAME}: configuration refused: {errors}"));
        }
        taken.is_ok()
    }

    /// Takes a configuration up in all parts or in none.
    fn take_config(&self, id: u32, size: usize) -> Result<(), ConfigErrors> {
        let bytes = read_config(size)?;
        let Config::<P>(config) = config::parse(&bytes)?;
        let filters = P::make(config, &Plugin::named(NAME, VERSION, &bytes))?;
        let state = Rc::new(RootState::new(id, Self::own(), NAME, Rc::default()));
        self.forget_root(id);
        self.roots.borrow_mut().push(state.clone());
        self.parts.take_up(id, filters, &state.timers);
        Ok(())
    }

    /// `proxy_on_delete`
    pub fn delete(&self, id: u32) {
        Self::begin();
        self.parts.forget(id);
        chain::end(id);
        self.forget_root(id);
        self.parts.wake_woken();
        self.pass_continued(None);
    }

    /// `proxy_on_request_headers`
    pub fn request_headers(&self, id: u32, end: bool) -> u32 {
        self.came(id, Direction::Request, Event::Headers { end })
    }

    /// `proxy_on_request_body`
    pub fn request_body(&self, id: u32, size: usize, end: bool) -> u32 {
        self.came(id, Direction::Request, Event::Body { size, end })
    }

    /// `proxy_on_request_trailers`
    pub fn request_trailers(&self, id: u32) -> u32 {
        self.came(id, Direction::Request, Event::Trailers)
    }

    /// `proxy_on_response_headers`
    pub fn response_headers(&self, id: u32, end: bool) -> u32 {
        self.came(id, Direction::Response, Event::Headers { end })
    }

    /// `proxy_on_response_body`
    pub fn response_body(&self, id: u32, size: usize, end: bool) -> u32 {
        self.came(id, Direction::Response, Event::Body { size, end })
    }

    /// `proxy_on_response_trailers`
    pub fn response_trailers(&self, id: u32) -> u32 {
        self.came(id, Direction::Response, Event::Trailers)
    }

    /// `proxy_on_http_call_response`
    pub fn http_call_response(&self, root: u32, token: u32, headers: usize, body_size: usize) {
        Self::begin();
        self.parts.http_call_response(root, token, headers, body_size);
        self.pass_continued(None);
    }

    /// `proxy_on_grpc_receive`
    pub fn grpc_receive(&self, root: u32, token: u32, size: usize) {
        Self::begin();
        self.parts.grpc_receive(root, token, size);
        self.pass_continued(None);
    }

    /// `proxy_on_grpc_close`
    pub fn grpc_close(&self, root: u32, token: u32, code: u32) {
        Self::begin();
        self.parts.grpc_close(root, token, code);
        self.pass_continued(None);
    }

    /// `proxy_on_tick`
    pub fn tick(&self, id: u32) {
        Self::begin();
        let Some(root) = self.root(id) else { return };
        root.tick(|| {
            self.parts.wake_woken();
            // Before anything goes on: what is let go now, the next parts have not seen.
            self.pass_continued(None);
            for id in iter::from_fn(|| ready::next_other_than(Self::own(), 0)) {
                if let Some(passages) = chain::find(id).filter(|_| abi::set_effective_context(id).is_ok()) {
                    self.go(&passages, Direction::Request);
                    self.go(&passages, Direction::Response);
                }
            }
        });
    }

    /// A part of a message has come: passes it through the parts as far as they let it.
    fn came(&self, id: u32, direction: Direction, event: Event) -> u32 {
        Self::begin();
        let passages = match chain::find(id) {
            Some(passages) => passages,
            None if matches!((direction, event), (Direction::Request, Event::Headers { .. })) => {
                let (created, root) = self.created.get();
                chain::begin(id, if created == id { root } else { 0 })
            }
            // No part has anything to do with this exchange any more, or has seen its request.
            None => return CONTINUE,
        };
        passages.came(direction, event);
        self.pass(id, &passages, direction);
        self.pass_continued(Some((id, direction)));
        let answer = match passages.answer(direction) {
            Answer::Continue => CONTINUE,
            Answer::Pause => PAUSE,
            Answer::PauseForATick => {
                self.go_later(id, passages.root);
                PAUSE
            }
        };
        if !Self::is_told_of_ends() || (passages.are_free() && !self.parts.work_on(id)) {
            chain::end(id);
        }
        answer
    }

    /// Tells the parts what they can be told of a message.
    fn pass(&self, id: u32, passages: &Passages, direction: Direction) {
        while let Some((part, event)) = passages.next(direction) {
            let answer = self.parts.tell(part, (id, passages.root), direction, event);
            passages.told(direction, part, answer == PAUSE);
        }
    }

    /// Passes on what parts let go outside of a message's own callback, of which `own` is running.
    fn pass_continued(&self, own: Option<(u32, Direction)>) {
        let mut effective = own.map(|(id, _)| id);
        while let Some(chain::Continued { id, direction }) = chain::next_continued() {
            // A context that is gone takes its messages along.
            let passages = chain::find(id).filter(|_| abi::set_effective_context(id).is_ok());
            let Some(passages) = passages else { continue };
            effective = Some(id);
            self.pass(id, &passages, direction);
            if own != Some((id, direction)) {
                self.go(&passages, direction);
            }
        }
        if let Some((id, _)) = own.filter(|(id, _)| effective != Some(*id)) {
            // Where even this is refused, the calls that follow are refused as well, and say so.
            let _ = abi::set_effective_context(id);
        }
    }

    /// Has the host continue a message of the effective stream that it holds, where no part does.
    fn go(&self, passages: &Passages, direction: Direction) {
        if passages.resume(direction)
            && let Err(error) = abi::continue_stream(direction as u32)
            && let Some(root) = self.root(passages.root)
        {
            root.report(&error);
        }
    }

    /// Has a message continued in the next tick.
    fn go_later(&self, id: u32, root: u32) {
        let Some(root) = self.root(root) else { return };
        if let Err(error) = root.wake_in_tick(id) {
            root.report(&error);
            // To go on now would lose the body.
            if let Err(error) = send(id, &failure(500, "palisade_failure")) {
                root.report(&error);
            }
        }
    }

    /// A callback of the host's begins.
    fn begin() {
        chain::fuse(P::COUNT);
        headers::forget();
    }

    /// The number under which futures of no part are woken.
    fn own() -> u8 {
        const { P::COUNT as u8 }
    }

    /// Whether the host says when a stream is over.
    const fn is_told_of_ends() -> bool {
        const { !P::PHASES.same(Phases::named("request_headers")) }
    }

    fn root(&self, id: u32) -> Option<Rc<RootState>> {
        self.roots.borrow().iter().rev().find(|root| root.id == id).cloned()
    }

    fn forget_root(&self, id: u32) {
        self.roots.borrow_mut().retain(|root| root.id != id);
    }
}
