//! Buffers: bodies, answers to callouts, configurations.

use super::arguments::Arguments;
use super::guest::{Guest, Outcome};
use crate::status::Status;
use crate::stream::Direction;

/// A buffer by its number in the ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Buffer {
    Body(Direction),
    /// Of TCP streams, which there are none of here.
    Network,
    CalloutBody,
    GrpcMessage,
    VmConfiguration,
    PluginConfiguration,
    CallData,
}

pub(super) fn get_buffer_bytes(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Outcome {
    let start = usize::try_from(arguments.u32(1)).unwrap_or(usize::MAX);
    let length = usize::try_from(arguments.u32(2)).unwrap_or(usize::MAX);
    let part = |bytes: &[u8]| {
        let rest = bytes.get(start..).unwrap_or_default();
        rest.get(..length).unwrap_or(rest).to_vec()
    };
    let part = Buffer::of(arguments.u32(0))?.look(guest, part).ok_or(Status::NOT_FOUND)?;
    guest.hand(&part, arguments.u32(3), arguments.u32(4))
}

pub(super) fn get_buffer_status(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Outcome {
    let length = Buffer::of(arguments.u32(0))?.look(guest, <[u8]>::len).ok_or(Status::NOT_FOUND)?;
    guest.write_u32(arguments.u32(1), u32::try_from(length).unwrap_or(u32::MAX))?;
    // Envoy never sets a flag.
    Ok(guest.write_u32(arguments.u32(2), 0)?)
}

pub(super) fn set_buffer_bytes(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Outcome {
    let buffer = Buffer::of(arguments.u32(0))?;
    buffer.look(guest, |_| ()).ok_or(Status::NOT_FOUND)?;
    let start = usize::try_from(arguments.u32(1)).unwrap_or(usize::MAX);
    let size = usize::try_from(arguments.u32(2)).unwrap_or(usize::MAX);
    let data = guest.read(arguments.u32(3), arguments.u32(4))?;
    let direction = match buffer {
        Buffer::Body(direction) => direction,
        Buffer::GrpcMessage => {
            let message = guest.state_mut().answer_mut().and_then(|answer| answer.grpc_message.as_mut());
            return Ok(replace(message.ok_or(Status::BAD_ARGUMENT)?, start, size, &data)?);
        }
        _ => return Err(Status::BAD_ARGUMENT.into()),
    };
    let (stream, place) = guest.state().stream().ok_or(Status::BAD_ARGUMENT)?;
    let mut exchange = stream.borrow_mut();
    let filter = exchange.filter_mut(place).ok_or(Status::BAD_ARGUMENT)?;
    let body = filter.side_mut(direction).body_mut().ok_or(Status::BAD_ARGUMENT)?;
    Ok(replace(body, start, size, &data)?)
}

/// Envoy takes a start of 0, or one at or behind the end.
fn replace(body: &mut Vec<u8>, start: usize, size: usize, data: &[u8]) -> Result<(), Status> {
    if start == 0 {
        let size = size.min(body.len());
        body.splice(..size, data.iter().copied());
    } else if start >= body.len() {
        body.extend_from_slice(data);
    } else {
        return Err(Status::BAD_ARGUMENT);
    }
    Ok(())
}

/// Of ABI 0.1.0: the plugin's configuration while it is configured, else the VM's.
pub(super) fn get_configuration(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Outcome {
    let state = guest.state();
    let bytes = state.configuration.clone().unwrap_or_else(|| state.settings.configuration.clone());
    guest.hand(&bytes, arguments.u32(0), arguments.u32(1))
}

// === impl Buffer ===

impl Buffer {
    const fn of(number: u32) -> Result<Self, Status> {
        Ok(match number {
            0 => Self::Body(Direction::Request),
            1 => Self::Body(Direction::Response),
            2 | 3 => Self::Network,
            4 => Self::CalloutBody,
            5 => Self::GrpcMessage,
            6 => Self::VmConfiguration,
            7 => Self::PluginConfiguration,
            8 => Self::CallData,
            _ => return Err(Status::BAD_ARGUMENT),
        })
    }

    /// Looks at what is in it now; `None` where Envoy says that there is no such buffer, and not that it is empty.
    fn look<T>(self, guest: &Guest<'_, '_>, look: impl FnOnce(&[u8]) -> T) -> Option<T> {
        let state = guest.state();
        let answer = state.answer();
        match self {
            Self::Body(direction) => Some(look_at_body(guest, direction, look)),
            Self::CalloutBody => answer?.body.as_deref().map(look),
            // Envoy's call data is what a host call looked at before: here, a message.
            Self::GrpcMessage | Self::CallData => {
                Some(look(answer.and_then(|answer| answer.grpc_message.as_deref()).unwrap_or_default()))
            }
            Self::VmConfiguration => Some(look(&state.settings.configuration)),
            Self::PluginConfiguration => state.configuration.as_deref().map(look),
            Self::Network => Some(look(&[])),
        }
    }
}

fn look_at_body<T>(guest: &Guest<'_, '_>, direction: Direction, look: impl FnOnce(&[u8]) -> T) -> T {
    let Some((stream, place)) = guest.state().stream() else { return look(&[]) };
    let exchange = stream.borrow();
    let body = exchange.filter(place).and_then(|filter| filter.side(direction).body());
    look(body.map(Vec::as_slice).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(start: usize, size: usize) -> Result<String, Status> {
        let mut body = b"body".to_vec();
        replace(&mut body, start, size, b"+").map(|()| String::from_utf8(body).unwrap())
    }

    #[test]
    fn a_body_is_prepended_to_appended_to_or_replaced_from_its_start() {
        assert_eq!(replaced(0, 0).as_deref(), Ok("+body"));
        assert_eq!(replaced(0, usize::MAX).as_deref(), Ok("+"));
        assert_eq!(replaced(0, 2).as_deref(), Ok("+dy"));
        assert_eq!(replaced(4, 0).as_deref(), Ok("body+"));
        assert_eq!(replaced(99, 5).as_deref(), Ok("body+"));
    }

    #[test]
    fn a_start_in_the_middle_is_refused() {
        assert_eq!(replaced(2, 1), Err(Status::BAD_ARGUMENT));
    }
}
