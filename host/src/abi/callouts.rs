//! Callouts: requests that filters send themselves, and how they ended.

use super::arguments::Arguments;
use super::guest::{Guest, Halt, Outcome};
use crate::callout::{Callout, CalloutKind};
use crate::effect::Effect;
use crate::fields::Fields;
use crate::pairs;
use crate::protobuf;
use crate::status::Status;

pub(super) fn get_status(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Outcome {
    let (code, message) = guest.state().status.clone();
    guest.write_u32(arguments.u32(0), code)?;
    guest.hand(&message, arguments.u32(1), arguments.u32(2))
}

pub(super) fn http_call(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Outcome {
    let cluster = guest.read(arguments.u32(0), arguments.u32(1))?;
    let mut headers = pairs::decode(&guest.read(arguments.u32(2), arguments.u32(3))?);
    let body = guest.read(arguments.u32(4), arguments.u32(5))?;
    let trailers = pairs::decode(&guest.read(arguments.u32(6), arguments.u32(7))?);
    let (timeout, token_at) = (arguments.u32(8), arguments.u32(9));
    guest.write_u32(token_at, 0)?;
    let cluster = known(guest, &cluster).ok_or(Status::BAD_ARGUMENT)?;
    let whole = [":path", ":method", ":authority"].iter().all(|name| headers.get(name).is_some());
    if !whole || i32::try_from(timeout).is_err() {
        return Err(Status::BAD_ARGUMENT.into());
    }
    if !body.is_empty() {
        headers.replace("content-length", body.len().to_string());
    }
    let state = guest.state_mut();
    let callout = Callout { root: state.root(), cluster, headers, body, trailers, timeout };
    let token = state.send(CalloutKind::Http, callout);
    Ok(guest.write_u32(token_at, token)?)
}

pub(super) fn grpc_call(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Outcome {
    let (cluster, headers) = grpc_head(guest, arguments)?;
    let body = guest.read(arguments.u32(8), arguments.u32(9))?;
    let timeout = arguments.u32(10);
    let root = guest.state().root();
    let callout = Callout { root, cluster, headers, body, trailers: Fields::new(), timeout };
    let token = send_grpc(guest, CalloutKind::GrpcCall, callout)?;
    Ok(guest.write_u32(arguments.u32(11), token)?)
}

pub(super) fn grpc_stream(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Outcome {
    let (cluster, headers) = grpc_head(guest, arguments)?;
    let root = guest.state().root();
    let callout = Callout { root, cluster, headers, body: Vec::new(), trailers: Fields::new(), timeout: 0 };
    let token = send_grpc(guest, CalloutKind::GrpcStream, callout)?;
    Ok(guest.write_u32(arguments.u32(8), token)?)
}

/// Where a serialised service names a cluster that there is none of, Envoy fails the call, and ends it all the same.
fn send_grpc(guest: &mut Guest<'_, '_>, kind: CalloutKind, callout: Callout) -> Result<u32, Status> {
    let known = guest.state().shared.has_cluster(&callout.cluster);
    let token = guest.state_mut().send(kind, callout);
    if known { Ok(token) } else { Err(Status::INTERNAL_FAILURE) }
}

pub(super) fn grpc_send(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Outcome {
    let token = arguments.u32(0);
    let message = guest.read(arguments.u32(1), arguments.u32(2))?;
    if CalloutKind::of(token) != Some(CalloutKind::GrpcStream) {
        return Err(Status::BAD_ARGUMENT.into());
    }
    let state = guest.state();
    if !state.callouts.contains_key(&token) {
        return Err(Status::NOT_FOUND.into());
    }
    state.effect(Effect::GrpcSend(state.callout(token), message, arguments.u32(3) != 0));
    Ok(())
}

pub(super) fn grpc_cancel(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Outcome {
    give_up(guest, arguments.u32(0))
}

pub(super) fn grpc_close(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Outcome {
    let token = arguments.u32(0);
    if CalloutKind::of(token) != Some(CalloutKind::GrpcStream) {
        return give_up(guest, token);
    }
    let state = guest.state();
    if !state.callouts.contains_key(&token) {
        return Err(Status::NOT_FOUND.into());
    }
    state.effect(Effect::GrpcSend(state.callout(token), Vec::new(), true));
    Ok(())
}

fn give_up(guest: &mut Guest<'_, '_>, token: u32) -> Outcome {
    if !matches!(CalloutKind::of(token), Some(CalloutKind::GrpcCall | CalloutKind::GrpcStream)) {
        return Err(Status::BAD_ARGUMENT.into());
    }
    let state = guest.state_mut();
    if state.callouts.remove(&token).is_none() {
        return Err(Status::NOT_FOUND.into());
    }
    state.effect(Effect::Cancelled(state.callout(token)));
    Ok(())
}

fn grpc_head(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Result<(String, Fields), Halt> {
    let service = guest.read(arguments.u32(0), arguments.u32(1))?;
    let name = guest.read(arguments.u32(2), arguments.u32(3))?;
    let method = guest.read(arguments.u32(4), arguments.u32(5))?;
    let metadata = pairs::decode(&guest.read(arguments.u32(6), arguments.u32(7))?);
    // A serialised GrpcService, or just the name of a cluster.
    let named = protobuf::field(&service, 1).and_then(|envoy| protobuf::field(envoy, 1));
    let cluster = match named {
        Some(name) => String::from_utf8_lossy(name).into_owned(),
        None => known(guest, &service).ok_or(Status::PARSE_FAILURE)?,
    };
    let mut headers = Fields::new();
    headers.add(":method", "POST");
    headers.add(":path", [b"/", name.as_slice(), b"/", &method].concat());
    headers.add(":authority", &cluster);
    headers.add(":scheme", "http");
    headers.add("te", "trailers");
    headers.add("content-type", "application/grpc");
    for (name, value) in metadata.iter() {
        headers.add(name, value);
    }
    Ok((cluster, headers))
}

fn known(guest: &Guest<'_, '_>, cluster: &[u8]) -> Option<String> {
    let cluster = String::from_utf8(cluster.to_vec()).ok()?;
    guest.state().shared.has_cluster(&cluster).then_some(cluster)
}
