//! Shared data and queues.

use super::arguments::Arguments;
use super::guest::{Guest, Outcome};
use crate::status::Status;

pub(super) fn get_shared_data(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Outcome {
    let key = guest.read(arguments.u32(0), arguments.u32(1))?;
    let state = guest.state();
    let (value, cas) = state.shared.data.get(&state.settings.id, &key).ok_or(Status::NOT_FOUND)?;
    guest.hand(&value, arguments.u32(2), arguments.u32(3))?;
    Ok(guest.write_u32(arguments.u32(4), cas)?)
}

pub(super) fn set_shared_data(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Outcome {
    let key = guest.read(arguments.u32(0), arguments.u32(1))?;
    let value = guest.read(arguments.u32(2), arguments.u32(3))?;
    let state = guest.state();
    match state.shared.data.set(&state.settings.id, &key, &value, arguments.u32(4)) {
        Status::OK => Ok(()),
        status => Err(status.into()),
    }
}

pub(super) fn register_shared_queue(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Outcome {
    let name = guest.read(arguments.u32(0), arguments.u32(1))?;
    let state = guest.state();
    let token = state.shared.queues.register(&state.settings.id, &name, state.owner());
    Ok(guest.write_u32(arguments.u32(2), token)?)
}

pub(super) fn resolve_shared_queue(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Outcome {
    let vm_id = guest.read(arguments.u32(0), arguments.u32(1))?;
    let name = guest.read(arguments.u32(2), arguments.u32(3))?;
    let state = guest.state();
    let vm_id = if vm_id.is_empty() { state.settings.id.clone() } else { String::from_utf8_lossy(&vm_id).into_owned() };
    let token = state.shared.queues.resolve(&vm_id, &name).ok_or(Status::NOT_FOUND)?;
    Ok(guest.write_u32(arguments.u32(4), token)?)
}

pub(super) fn enqueue_shared_queue(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Outcome {
    let item = guest.read(arguments.u32(1), arguments.u32(2))?;
    let known = guest.state().shared.queues.enqueue(arguments.u32(0), &item);
    if known { Ok(()) } else { Err(Status::NOT_FOUND.into()) }
}

pub(super) fn dequeue_shared_queue(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Outcome {
    let item = guest.state().shared.queues.dequeue(arguments.u32(0)).ok_or(Status::NOT_FOUND)?;
    guest.hand(&item.ok_or(Status::EMPTY)?, arguments.u32(1), arguments.u32(2))
}
