//! Metrics.

use super::arguments::Arguments;
use super::guest::{Guest, Outcome};
use crate::metrics::Kind;
use crate::status::Status;

pub(super) fn define_metric(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Outcome {
    let name = guest.read(arguments.u32(1), arguments.u32(2))?;
    let kind = Kind::from_number(arguments.u32(0)).ok_or(Status::BAD_ARGUMENT)?;
    let name = format!("wasmcustom.{}", String::from_utf8_lossy(&name));
    let state = guest.state_mut();
    state.shared.metrics.define(kind, &name);
    let id = state.metrics.define(kind, name);
    Ok(guest.write_u32(arguments.u32(3), id)?)
}

pub(super) fn record_metric(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Outcome {
    let state = guest.state();
    let (kind, name) = state.metrics.get(arguments.u32(0)).ok_or(Status::NOT_FOUND)?;
    state.shared.metrics.record(*kind, name, arguments.i64(1).cast_unsigned());
    Ok(())
}

pub(super) fn increment_metric(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Outcome {
    let (id, offset) = (arguments.u32(0), arguments.i64(1));
    let kind = number(id)?;
    let state = guest.state();
    let (_, name) = state.metrics.get(id).ok_or(Status::NOT_FOUND)?;
    if kind == Kind::Counter && offset <= 0 {
        return Err(Status::BAD_ARGUMENT.into());
    }
    state.shared.metrics.add(kind, name, offset);
    Ok(())
}

pub(super) fn get_metric(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Outcome {
    let id = arguments.u32(0);
    let kind = number(id)?;
    let state = guest.state();
    let (_, name) = state.metrics.get(id).ok_or(Status::NOT_FOUND)?;
    let value = state.shared.metrics.number(kind, name).ok_or(Status::NOT_FOUND)?;
    Ok(guest.write_u64(arguments.u32(1), value)?)
}

/// The kind of a metric that is a number.
const fn number(id: u32) -> Result<Kind, Status> {
    match Kind::of_id(id) {
        Some(kind @ (Kind::Counter | Kind::Gauge)) => Ok(kind),
        Some(Kind::Histogram) | None => Err(Status::BAD_ARGUMENT),
    }
}
