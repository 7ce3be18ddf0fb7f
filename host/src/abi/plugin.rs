//! The plugin and its surroundings: log, clock, tick, contexts, foreign functions.

use super::arguments::Arguments;
use super::guest::{Guest, Halt, Outcome};
use crate::error::Why;
use crate::foreign;
use crate::status::Status;

pub(super) fn log(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Outcome {
    let level = arguments.u32(0);
    if level > 5 {
        return Err(Status::BAD_ARGUMENT.into());
    }
    let text = guest.read(arguments.u32(1), arguments.u32(2))?;
    if guest.state_mut().log(level, &text) { Ok(()) } else { Err(Halt::Trap(wasmtime::Error::new(Why::Log))) }
}

pub(super) fn get_log_level(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Outcome {
    let level = guest.state().shared.log_level();
    Ok(guest.write_u32(arguments.u32(0), level)?)
}

pub(super) fn get_current_time_nanoseconds(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Outcome {
    let now = guest.state().shared.clock.now();
    Ok(guest.write_u64(arguments.u32(0), now)?)
}

pub(super) fn set_tick_period_milliseconds(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Outcome {
    let (root, period) = (guest.state().root(), arguments.u32(0));
    guest.state_mut().set_period(root, period);
    Ok(())
}

pub(super) fn set_effective_context(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Outcome {
    let id = arguments.u32(0);
    let state = guest.state_mut();
    // 0 is the VM itself.
    if id != 0 && !state.contexts.contains_key(&id) {
        return Err(Status::BAD_ARGUMENT.into());
    }
    state.effective = id;
    Ok(())
}

pub(super) fn done(guest: &mut Guest<'_, '_>, _: Arguments<'_>) -> Outcome {
    let root = guest.state().root();
    if guest.state_mut().finish_root(root) { Ok(()) } else { Err(Status::NOT_FOUND.into()) }
}

pub(super) fn call_foreign_function(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Outcome {
    let name = guest.read(arguments.u32(0), arguments.u32(1))?;
    let argument = guest.read(arguments.u32(2), arguments.u32(3))?;
    let outcome = foreign::call(guest.state(), &name, &argument).ok_or(Status::NOT_FOUND)?;
    let (answer, status) = match outcome {
        Ok(answer) => (answer, None),
        Err(status) => (Vec::new(), Some(status)),
    };
    let (pointer_at, length_at) = (arguments.u32(4), arguments.u32(5));
    let pointer = if pointer_at == 0 || answer.is_empty() { 0 } else { guest.place(&answer)? };
    if pointer_at != 0 {
        guest.write_u32(pointer_at, pointer)?;
    }
    if length_at != 0 {
        guest.write_u32(length_at, u32::try_from(answer.len()).unwrap_or(u32::MAX))?;
    }
    status.map_or(Ok(()), |status| Err(status.into()))
}

/// There is no resolver here, as in an Envoy without one.
pub(super) fn resolve_dns(_: &mut Guest<'_, '_>, _: Arguments<'_>) -> Outcome {
    Err(Status::BAD_ARGUMENT.into())
}

pub(super) fn pthread_equal(_: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Outcome {
    if arguments.u32(0) == arguments.u32(1) { Err(Status(1).into()) } else { Ok(()) }
}

pub(super) fn nothing(_: &mut Guest<'_, '_>, _: Arguments<'_>) -> Outcome {
    Ok(())
}
