//! Properties.

use super::arguments::Arguments;
use super::guest::{Guest, Outcome};
use crate::properties;
use crate::status::Status;

pub(super) fn get_property(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Outcome {
    let path = guest.read(arguments.u32(0), arguments.u32(1))?;
    let value = properties::get(guest.state(), &path)?;
    guest.hand(&value, arguments.u32(2), arguments.u32(3))
}

pub(super) fn set_property(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Outcome {
    let path = guest.read(arguments.u32(0), arguments.u32(1))?;
    let value = guest.read(arguments.u32(2), arguments.u32(3))?;
    let (stream, _) = guest.state().stream().ok_or(Status::NOT_FOUND)?;
    stream.borrow_mut().filter_state.insert([b"wasm.", path.as_slice()].concat(), value);
    Ok(())
}
