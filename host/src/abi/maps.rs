//! Header maps: headers and trailers of both messages, and of answers to callouts.

use super::arguments::Arguments;
use super::guest::{Guest, Halt, Outcome};
use crate::fields::Fields;
use crate::pairs;
use crate::status::Status;
use crate::stream::{Direction, Exchange, Filter};
use crate::version::Abi;

/// The maps have the numbers 0 to 7.
const MAPS: u32 = 8;

pub(super) fn get_header_map_size(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Outcome {
    let size = change(guest, arguments.u32(0), |map| map.byte_size())?;
    Ok(guest.write_u32(arguments.u32(1), u32::try_from(size).unwrap_or(u32::MAX))?)
}

pub(super) fn get_header_map_pairs(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Outcome {
    let number = check(arguments.u32(0))?;
    let pairs = look(guest, number, |map| if map.is_empty() { Vec::new() } else { pairs::encode(map.iter()) });
    guest.hand(&pairs.unwrap_or_default(), arguments.u32(1), arguments.u32(2))
}

pub(super) fn set_header_map_pairs(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Outcome {
    let number = check(arguments.u32(0))?;
    let pairs = guest.read(arguments.u32(1), arguments.u32(2))?;
    Ok(change(guest, number, |map| *map = pairs::decode(&pairs))?)
}

pub(super) fn get_header_map_value(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Outcome {
    let number = check(arguments.u32(0))?;
    let name = guest.read(arguments.u32(1), arguments.u32(2))?;
    let value = look(guest, number, |map| map.get(&name).map(<[u8]>::to_vec)).ok_or(Status::BAD_ARGUMENT)?;
    let first = guest.state().settings.module.abi() == Abi::V0_1_0;
    let value = if first { value.or_else(|| Some(Vec::new())) } else { value };
    guest.hand(&value.ok_or(Status::NOT_FOUND)?, arguments.u32(3), arguments.u32(4))
}

pub(super) fn add_header_map_value(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Outcome {
    let (number, name, value) = line(guest, arguments)?;
    Ok(change(guest, number, |map| map.add(name, value))?)
}

pub(super) fn replace_header_map_value(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Outcome {
    let (number, name, value) = line(guest, arguments)?;
    Ok(change(guest, number, |map| map.replace(name, value))?)
}

pub(super) fn remove_header_map_value(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Outcome {
    let number = check(arguments.u32(0))?;
    let name = guest.read(arguments.u32(1), arguments.u32(2))?;
    Ok(change(guest, number, |map| map.remove(name))?)
}

fn line(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Result<(u32, Vec<u8>, Vec<u8>), Halt> {
    let number = check(arguments.u32(0))?;
    let name = guest.read(arguments.u32(1), arguments.u32(2))?;
    let value = guest.read(arguments.u32(3), arguments.u32(4))?;
    Ok((number, name, value))
}

const fn check(number: u32) -> Result<u32, Status> {
    if number < MAPS { Ok(number) } else { Err(Status::BAD_ARGUMENT) }
}

/// A map of the stream or of a callout's answer, where it can be seen.
fn look<T>(guest: &Guest<'_, '_>, number: u32, look: impl FnOnce(&Fields) -> T) -> Option<T> {
    let state = guest.state();
    let answer = state.answer();
    let logging =
        state.stream().is_some_and(|(stream, place)| stream.borrow().filter(place).is_some_and(|one| one.logging));
    if logging && !matches!(number, 0 | 2 | 3) {
        // What the log has not got is empty there, and not missing.
        return Some(look(&Fields::new()));
    }
    match number {
        4 => answer?.grpc_initial.as_ref().map(look),
        5 => answer?.grpc_trailing.as_ref().map(look),
        6 => answer?.headers.as_ref().map(look),
        7 => answer?.trailers.as_ref().map(look),
        _ => {
            let (stream, place) = state.stream()?;
            let exchange = stream.borrow();
            let filter = exchange.filter(place)?;
            visible(&exchange, filter, number, filter.logging).map(look)
        }
    }
}

/// A map of the stream, where it can be changed.
fn change<T>(guest: &Guest<'_, '_>, number: u32, change: impl FnOnce(&mut Fields) -> T) -> Result<T, Status> {
    let (stream, place) = guest.state().stream().ok_or(Status::BAD_ARGUMENT)?;
    let mut exchange = stream.borrow_mut();
    let filter = exchange.filter(place).ok_or(Status::BAD_ARGUMENT)?;
    visible(&exchange, filter, number, false).ok_or(Status::BAD_ARGUMENT)?;
    let (direction, trailers) = place_of(number).ok_or(Status::BAD_ARGUMENT)?;
    let message = exchange.message_mut(direction);
    let map = if trailers { message.trailers.as_mut() } else { message.headers.as_mut() };
    map.map(change).ok_or(Status::BAD_ARGUMENT)
}

fn visible<'a>(exchange: &'a Exchange, filter: &Filter, number: u32, logging: bool) -> Option<&'a Fields> {
    let (direction, trailers) = place_of(number)?;
    let (side, message) = (filter.side(direction), exchange.message(direction));
    // The log sees no trailers of the request.
    let logged = logging && (direction == Direction::Response || !trailers);
    if trailers {
        message.trailers.as_ref().filter(|_| side.sees_trailers || logged)
    } else {
        message.headers.as_ref().filter(|_| side.sees_headers || logged)
    }
}

/// Which message a map is of, and whether it is its trailers.
const fn place_of(number: u32) -> Option<(Direction, bool)> {
    match number {
        0 => Some((Direction::Request, false)),
        1 => Some((Direction::Request, true)),
        2 => Some((Direction::Response, false)),
        3 => Some((Direction::Response, true)),
        _ => None,
    }
}
