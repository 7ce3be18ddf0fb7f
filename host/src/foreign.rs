//! Foreign functions: what Envoy offers beyond the ABI, by name.

mod compression;
mod signature;

use crate::protobuf;
use crate::status::Status;
use crate::vm::VmState;

/// Calls the function of this name; `None` where there is none.
pub(crate) fn call(state: &VmState, name: &[u8], argument: &[u8]) -> Option<Result<Vec<u8>, Status>> {
    Some(match name {
        b"compress" => compression::compress(argument),
        b"uncompress" => compression::uncompress(argument),
        b"verify_signature" => signature::verify(argument),
        b"set_envoy_filter_state" => set_filter_state(state, argument),
        // There is one route.
        b"clear_route_cache" => Ok(Vec::new()),
        // Every property is text that lasts as long as its stream.
        b"declare_property" if protobuf::is_message(argument) => Ok(Vec::new()),
        b"declare_property" => Err(Status::BAD_ARGUMENT),
        b"sign" => signature::sign(argument),
        b"expr_create" | b"expr_evaluate" | b"expr_delete" => Err(Status::BAD_ARGUMENT),
        _ => return None,
    })
}

/// A message of a path (1), a value (2) and a span (3).
fn set_filter_state(state: &VmState, argument: &[u8]) -> Result<Vec<u8>, Status> {
    // Only what Envoy has a name for can be set.
    let path = protobuf::field(argument, 1).filter(|path| path.starts_with(b"envoy.")).ok_or(Status::NOT_FOUND)?;
    let value = protobuf::field(argument, 2).unwrap_or_default();
    let (stream, _) = state.stream().ok_or(Status::NOT_FOUND)?;
    stream.borrow_mut().filter_state.insert(path.to_vec(), value.to_vec());
    Ok(Vec::new())
}
