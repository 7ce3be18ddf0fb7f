//! The end of a stream: every filter logs, then is done, then is deleted.

use super::{Handle, callbacks, run};
use crate::effect::{Effect, Frame};

/// Ends a stream whose response is whole, once.
pub(crate) fn end(stream: &Handle) {
    if std::mem::replace(&mut stream.borrow_mut().ended, true) {
        return;
    }
    {
        let mut exchange = stream.borrow_mut();
        exchange.info.ended = Some(exchange.clock.now());
    }
    let places = 0..stream.borrow().filters.len();
    for place in places.clone() {
        log(stream, place);
    }
    for place in places {
        delete(stream, place);
    }
    let exchange = stream.borrow();
    exchange.effect(Effect::Ended { stream: exchange.id });
}

/// Breaks a stream off: the client went away, or is to see that its response is not whole.
pub(crate) fn abort(stream: &Handle) {
    if stream.borrow().ended {
        return;
    }
    {
        let exchange = stream.borrow();
        exchange.effect(Effect::Downstream { stream: exchange.id, frame: Frame::Reset });
    }
    end(stream);
}

/// A filter that has not seen the request gets its context here.
fn log(stream: &Handle, place: usize) {
    let vm = stream.borrow().filter(place).and_then(|filter| filter.vm.clone());
    let Some((vm, _)) = vm.filter(|(vm, _)| !vm.borrow().failed()) else { return };
    callbacks::create(stream, place);
    set_logging(stream, place, true);
    let context = stream.borrow().filter(place).map_or(0, |filter| filter.context);
    run(&vm, context, "proxy_on_log", &[]);
    set_logging(stream, place, false);
}

fn set_logging(stream: &Handle, place: usize, logging: bool) {
    if let Some(filter) = stream.borrow_mut().filter_mut(place) {
        filter.logging = logging;
    }
}

fn delete(stream: &Handle, place: usize) {
    let found = {
        let exchange = stream.borrow();
        exchange.filter(place).and_then(|filter| filter.vm.clone().map(|(vm, _)| (vm, filter.context)))
    };
    let Some((vm, context)) = found.filter(|(_, context)| *context != 0) else { return };
    if !vm.borrow().failed() {
        run(&vm, context, "proxy_on_done", &[]);
        run(&vm, context, "proxy_on_delete", &[]);
    }
    vm.borrow_mut().remove_context(context);
}
