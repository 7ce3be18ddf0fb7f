//! Refusal: the answer that a client gets in place of the upstream's.

use crate::abi;
use crate::headers;
use crate::reply::Answer;
use crate::status::HostError;

/// Has the host send it.
pub(super) fn send(answer: &Answer) -> Result<(), HostError> {
    let lines = answer.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
    abi::send_local_response(answer.status, &answer.details, &answer.body, &headers::encode(lines), answer.grpc_status)
}

/// The client learns nothing of what went wrong inside.
pub(super) fn failure(status: u16, details: &'static str) -> Box<Answer> {
    Box::new(Answer { status, details: details.into(), headers: Vec::new(), body: Vec::new(), grpc_status: None })
}
