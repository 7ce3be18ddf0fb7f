//! Parts: the filters of a fused module, each with a runtime of its own, as a list of types.

use super::passage::Event;
use crate::config::{ConfigErrors, Object};
use crate::direction::Direction;
use crate::filter::Filter;
use crate::phases::Phases;
use crate::plugin::Plugin;
use crate::runtime::timers::Timers;
use crate::runtime::{CONTINUE, Runtime};
use std::rc::Rc;

/// The parts from one on, in the order in which a request meets them.
#[doc(hidden)]
pub trait Parts: Sized {
    /// What the operator writes for each.
    type Config;
    /// The filters of one configuration, each with what it knows of it.
    type Filters;

    const COUNT: usize;
    const PHASES: Phases;

    /// Reads the configuration of each part, under its name.
    fn read(object: &mut Object<'_>) -> Option<Self::Config>;

    /// Makes the filters of one plugin configuration, or says all that is wrong with it.
    fn make(config: Self::Config, plugin: &Plugin) -> Result<Self::Filters, ConfigErrors>;

    /// Makes the filters those of a root context.
    fn take_up(&self, root: u32, filters: Self::Filters, timers: &Rc<Timers>);

    /// Tells a part of a message of a stream, by the ids of its context and its root context.
    fn tell(&self, part: usize, stream: (u32, u32), direction: Direction, event: Event) -> u32;

    fn http_call_response(&self, root: u32, token: u32, headers: usize, body_size: usize);
    fn grpc_receive(&self, root: u32, token: u32, size: usize);
    fn grpc_close(&self, root: u32, token: u32, code: u32);

    /// Whether a part has not finished with a stream.
    fn work_on(&self, id: u32) -> bool;

    /// Ends what belongs to a context, which is the effective one.
    fn forget(&self, id: u32);

    /// Polls all futures that were woken.
    fn wake_woken(&self);
}

/// One part, and those behind it.
#[doc(hidden)]
pub struct Link<F: Filter, Rest> {
    runtime: Runtime<F>,
    rest: Rest,
}

/// No part.
#[doc(hidden)]
pub struct End;

impl<F: Filter, Rest> Link<F, Rest> {
    /// A part by its number, from 0, and those behind it.
    #[must_use]
    pub const fn new(part: u8, rest: Rest) -> Self {
        Self { runtime: Runtime::of_part(part), rest }
    }
}

impl<F: Filter, Rest: Parts> Parts for Link<F, Rest> {
    type Config = (F::Config, Rest::Config);
    type Filters = (F, Plugin, Rest::Filters);

    const COUNT: usize = Rest::COUNT.wrapping_add(1);
    const PHASES: Phases = F::PHASES.beside(Rest::PHASES);

    fn read(object: &mut Object<'_>) -> Option<Self::Config> {
        let own = object.required(F::NAME);
        let rest = Rest::read(object);
        Some((own?, rest?))
    }

    fn make((own, rest): Self::Config, plugin: &Plugin) -> Result<Self::Filters, ConfigErrors> {
        let of_own = plugin.of::<F>();
        let own = F::configure(own, of_own.clone()).map_err(|errors| errors.below(F::NAME));
        match (own, Rest::make(rest, plugin)) {
            (Ok(own), Ok(rest)) => Ok((own, of_own, rest)),
            (Err(mut errors), Err(others)) => {
                errors.append(others);
                Err(errors)
            }
            (Err(errors), Ok(_)) | (Ok(_), Err(errors)) => Err(errors),
        }
    }

    fn take_up(&self, root: u32, (own, plugin, rest): Self::Filters, timers: &Rc<Timers>) {
        self.runtime.take_up(root, own, &plugin, timers.clone());
        self.rest.take_up(root, rest, timers);
    }

    fn tell(&self, part: usize, stream: (u32, u32), direction: Direction, event: Event) -> u32 {
        match part.checked_sub(1) {
            Some(behind) => self.rest.tell(behind, stream, direction, event),
            None => tell(&self.runtime, stream, direction, event),
        }
    }

    fn http_call_response(&self, root: u32, token: u32, headers: usize, body_size: usize) {
        if const { F::PHASES.has(Phases::named("http_call")) } {
            self.runtime.http_call_response(root, token, headers, body_size);
        }
        self.rest.http_call_response(root, token, headers, body_size);
    }

    fn grpc_receive(&self, root: u32, token: u32, size: usize) {
        if const { F::PHASES.has(Phases::named("grpc_call")) } {
            self.runtime.grpc_receive(root, token, size);
        }
        self.rest.grpc_receive(root, token, size);
    }

    fn grpc_close(&self, root: u32, token: u32, code: u32) {
        if const { F::PHASES.has(Phases::named("grpc_call")) } {
            self.runtime.grpc_close(root, token, code);
        }
        self.rest.grpc_close(root, token, code);
    }

    fn work_on(&self, id: u32) -> bool {
        self.runtime.works_on(id) || self.rest.work_on(id)
    }

    fn forget(&self, id: u32) {
        self.runtime.forget(id);
        self.rest.forget(id);
    }

    fn wake_woken(&self) {
        self.runtime.wake_woken();
        self.rest.wake_woken();
    }
}

impl Parts for End {
    type Config = ();
    type Filters = ();

    const COUNT: usize = 0;
    const PHASES: Phases = Phases::NONE;

    fn read(_: &mut Object<'_>) -> Option<()> {
        Some(())
    }

    fn make((): (), _: &Plugin) -> Result<(), ConfigErrors> {
        Ok(())
    }

    fn take_up(&self, _: u32, (): (), _: &Rc<Timers>) {}

    fn tell(&self, _: usize, _: (u32, u32), _: Direction, _: Event) -> u32 {
        CONTINUE
    }

    fn http_call_response(&self, _: u32, _: u32, _: usize, _: usize) {}
    fn grpc_receive(&self, _: u32, _: u32, _: usize) {}
    fn grpc_close(&self, _: u32, _: u32, _: u32) {}
    fn work_on(&self, _: u32) -> bool {
        false
    }

    fn forget(&self, _: u32) {}
    fn wake_woken(&self) {}
}

/// Calls what would be a filter's callback, had it a module of its own; the rest stays out of this one.
fn tell<F: Filter>(runtime: &Runtime<F>, (id, root): (u32, u32), direction: Direction, event: Event) -> u32 {
    use Direction::{Request, Response};
    match (direction, event) {
        (Request, Event::Headers { end }) if const { F::PHASES.hears_headers(Request) } => {
            // Since the host has created the context, it may have created others.
            runtime.stream_create(id, root);
            runtime.request_headers(id, end)
        }
        (Request, Event::Body { size, end }) if const { F::PHASES.hears_body(Request) } => {
            runtime.request_body(id, size, end)
        }
        (Request, Event::Trailers) if const { F::PHASES.hears_trailers(Request) } => runtime.request_trailers(id),
        (Response, Event::Headers { end }) if const { F::PHASES.hears_headers(Response) } => {
            runtime.response_headers(id, end)
        }
        (Response, Event::Body { size, end }) if const { F::PHASES.hears_body(Response) } => {
            runtime.response_body(id, size, end)
        }
        (Response, Event::Trailers) if const { F::PHASES.hears_trailers(Response) } => runtime.response_trailers(id),
        _ => CONTINUE,
    }
}
