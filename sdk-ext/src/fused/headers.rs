//! Headers: those of a message, from the host; in a fused module, from the one copy that its parts share.
//!
//! To read headers is what costs a filter most, and each part would read them all. So the first part that reads takes
//! the whole map, which is kept up to date with what parts write as long as the host's callback runs: nobody else can
//! change it in that time.

use super::chain;
use crate::abi;
use crate::direction::Direction;
use crate::handle;
use crate::headers::{HeaderError, HeaderMap};
use crate::runtime::stream::Stream;
use crate::status::HostError;
use std::borrow::Cow;
use std::cell::RefCell;

/// The headers of one message, as the host has them.
struct Copy {
    id: u32,
    direction: Direction,
    headers: HeaderMap,
}

thread_local! {
    static COPY: RefCell<Option<Copy>> = const { RefCell::new(None) };
}

/// All headers.
pub(crate) fn all(stream: &Stream, direction: Direction) -> Result<HeaderMap, HeaderError> {
    if chain::is_fused() { read(stream, direction, HeaderMap::clone) } else { fetch(direction) }
}

/// The first line of a header.
pub(crate) fn first(stream: &Stream, direction: Direction, name: &str) -> Result<Option<Vec<u8>>, HostError> {
    if chain::is_fused()
        && let Ok(value) = read(stream, direction, |headers| headers.all(name).next().map(<[u8]>::to_vec))
    {
        return Ok(value);
    }
    // A map that is too large to be had at once can still be asked.
    abi::header_map_value(direction.headers(), name)
}

/// All lines of a header, joined with commas.
pub(crate) fn joined(stream: &Stream, direction: Direction, name: &str) -> Result<Option<Vec<u8>>, HostError> {
    if chain::is_fused()
        && let Ok(value) = read(stream, direction, |headers| headers.joined(name).map(Cow::into_owned))
    {
        return Ok(value);
    }
    handle::property(&[direction.name(), "headers", name])
}

/// Replaces all lines of a header by one.
pub(crate) fn set(stream: &Stream, direction: Direction, name: &str, value: &[u8]) -> Result<(), HostError> {
    abi::replace_header_map_value(direction.headers(), name, value)?;
    write(stream, direction, |headers| {
        headers.remove(name);
        headers.add(name, value);
        // Envoy has pseudo-headers in front.
        !name.starts_with(':')
    });
    Ok(())
}

/// Adds a line of a header.
pub(crate) fn add(stream: &Stream, direction: Direction, name: &str, value: &[u8]) -> Result<(), HostError> {
    abi::add_header_map_value(direction.headers(), name, value)?;
    write(stream, direction, |headers| {
        let is_first = headers.all(name).next().is_none();
        headers.add(name, value);
        // Envoy joins the lines of some headers.
        is_first
    });
    Ok(())
}

/// Removes all lines of a header.
pub(crate) fn remove(stream: &Stream, direction: Direction, name: &str) -> Result<(), HostError> {
    abi::remove_header_map_value(direction.headers(), name)?;
    write(stream, direction, |headers| {
        headers.remove(name);
        true
    });
    Ok(())
}

/// The host's callback is over, or one has come: what the host has may be something else.
pub(super) fn forget() {
    COPY.set(None);
}

fn fetch(direction: Direction) -> Result<HeaderMap, HeaderError> {
    let headers = HeaderMap::from_pairs(abi::header_map_pairs(direction.headers())?)?;
    // Every message has pseudo-headers; an empty map is one that the host could not hand over.
    if headers.is_empty() { Err(HeaderError::Malformed) } else { Ok(headers) }
}

fn read<T>(stream: &Stream, direction: Direction, read: impl FnOnce(&HeaderMap) -> T) -> Result<T, HeaderError> {
    COPY.with_borrow_mut(|copy| {
        if let Some(copy) = copy.as_ref().filter(|copy| copy.is_of(stream, direction)) {
            return Ok(read(&copy.headers));
        }
        let headers = fetch(direction)?;
        Ok(read(&copy.insert(Copy { id: stream.id, direction, headers }).headers))
    })
}

/// What was written to the host, in the copy as well, which is given up where that may differ.
fn write(stream: &Stream, direction: Direction, write: impl FnOnce(&mut HeaderMap) -> bool) {
    if chain::is_fused() {
        COPY.with_borrow_mut(|copy| {
            if let Some(own) = copy.as_mut().filter(|copy| copy.is_of(stream, direction))
                && !write(&mut own.headers)
            {
                *copy = None;
            }
        });
    }
}

impl Copy {
    fn is_of(&self, stream: &Stream, direction: Direction) -> bool {
        self.id == stream.id && self.direction == direction
    }
}
