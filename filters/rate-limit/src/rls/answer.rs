//! Answer: what a rate limit service says besides yes and no.

use crate::decision::Decision;
use crate::headers::Shown;

/// What comes with a service's decision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The limit that is nearest to its end, and where it stands, where the service says so.
    pub(crate) standing: Option<(Shown, Decision)>,
    /// How long a refusal holds in nanoseconds, where the service says so.
    pub(crate) retry: Option<u64>,
    /// Lines to add to the request, names in lower case; whether they may stand in one is still to be seen.
    pub(crate) request_headers: Vec<(String, Vec<u8>)>,
    /// Lines to add to the response.
    pub(crate) response_headers: Vec<(String, Vec<u8>)>,
    /// The body of a refusal.
    pub(crate) body: Vec<u8>,
}
