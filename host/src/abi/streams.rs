//! Streams: going on, breaking off, answering.

use super::arguments::Arguments;
use super::guest::{Guest, Outcome};
use crate::pairs;
use crate::status::Status;
use crate::stream::{Action, Direction, LocalReply};
use std::rc::Rc;

pub(super) fn continue_stream(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Outcome {
    match arguments.u32(0) {
        0 => resume(guest, Direction::Request),
        1 => resume(guest, Direction::Response),
        // The client's side of a TCP stream, of which there is none here.
        2 => Ok(()),
        3 => Err(Status::UNIMPLEMENTED.into()),
        _ => Err(Status::BAD_ARGUMENT.into()),
    }
}

pub(super) fn continue_request(guest: &mut Guest<'_, '_>, _: Arguments<'_>) -> Outcome {
    resume(guest, Direction::Request)
}

pub(super) fn continue_response(guest: &mut Guest<'_, '_>, _: Arguments<'_>) -> Outcome {
    resume(guest, Direction::Response)
}

fn resume(guest: &mut Guest<'_, '_>, direction: Direction) -> Outcome {
    if let Some((stream, place)) = guest.state().stream() {
        if let Some(filter) = stream.borrow_mut().filter_mut(place) {
            filter.forget_request();
        }
        guest.state_mut().actions.push_back(Action::Continue(Rc::downgrade(&stream), place, direction));
    }
    Ok(())
}

pub(super) fn close_stream(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Outcome {
    match arguments.u32(0) {
        0 | 1 => {
            if let Some((stream, _)) = guest.state().stream() {
                guest.state_mut().actions.push_back(Action::Reset(Rc::downgrade(&stream)));
            }
            Ok(())
        }
        2 | 3 => Ok(()),
        _ => Err(Status::BAD_ARGUMENT.into()),
    }
}

pub(super) fn send_local_response(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Outcome {
    let details = guest.read(arguments.u32(1), arguments.u32(2))?;
    let body = guest.read(arguments.u32(3), arguments.u32(4))?;
    let headers = pairs::decode(&guest.read(arguments.u32(5), arguments.u32(6))?);
    let grpc_status = Some(arguments.u32(7)).filter(|status| *status != u32::MAX);
    let details = String::from_utf8_lossy(&details).replace(|letter: char| letter.is_ascii_whitespace(), "_");
    let reply = LocalReply { status: arguments.u32(0), body, headers, grpc_status, details };
    guest.state_mut().stop_iteration = true;
    let Some((stream, place)) = guest.state().stream() else { return Ok(()) };
    let first =
        stream.borrow_mut().filter_mut(place).is_some_and(|filter| !std::mem::replace(&mut filter.replied, true));
    if first {
        guest.state_mut().actions.push_back(Action::Reply(Rc::downgrade(&stream), reply));
    }
    Ok(())
}
