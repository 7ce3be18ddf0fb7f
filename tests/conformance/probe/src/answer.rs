//! What the host answered to a call.

/// What the host answered.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u32,
    /// What it wrote, in the order of the parameters.
    pub(crate) results: Vec<String>,
    /// The first number that it wrote: an id, a token, a CAS.
    pub(crate) number: Option<u32>,
    /// The first bytes that it handed over.
    pub(crate) bytes: Option<Vec<u8>>,
}

impl Answer {
    pub(crate) const fn new(status: u32) -> Self {
        Self { status, results: Vec::new(), number: None, bytes: None }
    }
}
