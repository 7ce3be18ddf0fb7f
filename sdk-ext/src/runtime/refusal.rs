//! Refusal: the answer that a client gets in place of the upstream's.

use crate::abi;
use crate::fused::chain;
use crate::headers;
use crate::reply::Answer;
use crate::status::HostError;

/// Has the host send it to the client of the effective stream.
pub(crate) fn send(id: u32, answer: &Answer) -> Result<(), HostError> {
    let lines = answer.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
    let lines = headers::encode(lines);
    abi::send_local_response(answer.status, &answer.details, &answer.body, &lines, answer.grpc_status)?;
    chain::answered(id);
    Ok(())
}

/// The client learns nothing of what went wrong inside.
pub(crate) fn failure(status: u16, details: &'static str) -> Box<Answer> {
    Box::new(Answer { status, details: details.into(), headers: Vec::new(), body: Vec::new(), grpc_status: None })
}
