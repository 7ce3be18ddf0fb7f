//! Hand-overs: headers for the upstream and a text for the other filters.

/// The most of a header's value, and of a claim that is published, in bytes.
pub(crate) const MAX_VALUE: usize = 8 * 1024;

/// What one request's callers hand over.
#[derive(Debug, Default, PartialEq)]
pub struct HandOver {
    /// Headers for the upstream.
    pub headers: Vec<(String, Vec<u8>)>,
    /// What other filters read, as JSON; empty where no claim is chosen.
    pub published: Vec<u8>,
    /// How many values were left out, since no header can hold them.
    pub dropped: u32,
}

// === impl HandOver ===

impl HandOver {
    /// Sets a header, unless it is set; without a value that it can hold, one is dropped.
    pub(crate) fn set(&mut self, name: &str, value: Option<Vec<u8>>) {
        if self.headers.iter().any(|(set, _)| set == name) {
            return;
        }
        match value.filter(|value| value.len() <= MAX_VALUE) {
            Some(value) => self.headers.push((name.to_owned(), value)),
            None => self.drop_one(),
        }
    }

    /// Counts a value that was left out.
    pub(crate) fn drop_one(&mut self) {
        self.dropped = self.dropped.saturating_add(1);
    }
}
