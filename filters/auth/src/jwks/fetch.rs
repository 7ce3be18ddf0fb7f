//! Fetch: one call for a key set, and what makes an answer to it none.

use std::fmt;

use palisade_sdk::{Answer, CallError, Filter, Handle, HeaderError, HostError, HttpCall};

use super::RemoteConfig;
use crate::jose::{KeySet, KeySetError};

/// Why a fetch brought no set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FetchError {
    /// The host did not send the call.
    NotSent(HostError),
    /// There was no answer.
    Call(CallError),
    /// The answer has another status than 200; redirects are not followed.
    Status(u16),
    /// The answer is no set, or one of no use.
    Content(KeySetError),
}

/// Fetches the set: its text, and what it says.
pub(super) async fn fetch<F: Filter>(
    handle: &Handle<F>,
    config: &RemoteConfig,
) -> Result<(Vec<u8>, KeySet), FetchError> {
    let call = call(handle, config).map_err(|_| FetchError::Call(CallError::Malformed))?;
    judge(call.send().await)
}

fn call<F: Filter>(handle: &Handle<F>, config: &RemoteConfig) -> Result<HttpCall, HeaderError> {
    let call = handle.http_call(&config.cluster).timeout(config.timeout).max_body(KeySet::LONGEST);
    let authority = config.authority.as_ref().unwrap_or(&config.cluster);
    let headers = [
        (":path", config.path.as_bytes()),
        ("accept", b"application/jwk-set+json, application/json"),
        (":authority", authority.as_bytes()),
    ];
    headers.into_iter().try_fold(call, |call, (name, value)| call.header(name, value))
}

fn judge(outcome: Result<Answer, CallError>) -> Result<(Vec<u8>, KeySet), FetchError> {
    let answer = outcome.map_err(|error| match error {
        CallError::NotSent(error) => FetchError::NotSent(error),
        error => FetchError::Call(error),
    })?;
    if answer.status != 200 {
        return Err(FetchError::Status(answer.status));
    }
    let set = KeySet::parse(&answer.body).map_err(FetchError::Content)?;
    Ok((answer.body, set))
}

// === impl FetchError ===

impl FetchError {
    /// The reason in a metric.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::NotSent(_) => "not_sent",
            Self::Call(CallError::Timeout) => "timeout",
            Self::Call(CallError::TooLong) | Self::Content(KeySetError::TooLong) => "too_long",
            Self::Call(_) => "unreachable",
            Self::Status(_) => "status",
            Self::Content(_) => "content",
        }
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent(error) => CallError::NotSent(*error).fmt(f),
            Self::Call(error) => error.fmt(f),
            Self::Status(status) => write!(f, "the answer has status {status}, and 200 is expected"),
            Self::Content(error) => error.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use palisade_sdk::{HeaderMap, Status};

    use super::*;

    fn answered(status: u16, body: &[u8]) -> Result<FetchError, KeySet> {
        let answer = Answer { status, headers: HeaderMap::default(), body: body.to_vec() };
        judge(Ok(answer)).map_or_else(Ok, |(_, set)| Err(set))
    }

    #[test]
    fn only_a_key_set_with_status_200_is_one() {
        const KEYS: &[u8] = br#"{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "1",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
        assert!(answered(200, KEYS).is_err(), "RFC 8037, appendix A.2");
        for status in [100, 201, 204, 206, 301, 302, 307, 401, 404, 500, 503] {
            assert_eq!(answered(status, KEYS).unwrap(), FetchError::Status(status));
        }
        assert_eq!(answered(200, b"<html>").unwrap(), FetchError::Content(KeySetError::Malformed));
        assert_eq!(answered(200, br#"{"keys": []}"#).unwrap(), FetchError::Content(KeySetError::NoUsableKey));
        let long = vec![b' '; KeySet::LONGEST + 1];
        assert_eq!(answered(200, &long).unwrap(), FetchError::Content(KeySetError::TooLong));
    }

    #[test]
    fn each_failure_has_a_reason() {
        let error = HostError { call: "proxy_http_call", status: Status::BadArgument };
        for (error, reason) in [
            (CallError::NotSent(error), "not_sent"),
            (CallError::Timeout, "timeout"),
            (CallError::Unreachable, "unreachable"),
            (CallError::TooLong, "too_long"),
        ] {
            let failure = judge(Err(error)).unwrap_err();
            assert_eq!((failure.reason(), failure.to_string()), (reason, error.to_string()));
        }
        assert_eq!(
            (FetchError::Status(302).reason(), FetchError::Content(KeySetError::Malformed).reason()),
            ("status", "content")
        );
    }
}
