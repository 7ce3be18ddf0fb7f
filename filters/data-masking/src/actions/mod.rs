//! Actions: what stands in the place of a match.

use palisade_sdk::config::Node;

/// What happens to a match.
#[derive(Debug)]
pub struct Action {}

/// Why an action could not be applied: the value must not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {}

impl Action {
    /// Reads it.
    pub fn read(_: Node<'_>) -> Option<Self> {
        None
    }

    /// Appends what stands in the place of `value`, a match of `detector` (empty for a field that is named by its path).
    ///
    /// # Errors
    ///
    /// There is nothing to put there: the value must not pass.
    pub fn apply(&self, _detector: &str, _value: &[u8], _out: &mut Vec<u8>) -> Result<(), Error> {
        Ok(())
    }
}

/// What a ciphertext begins with.
pub const CIPHERTEXT_PREFIX: &str = "enc_";
/// The longest ciphertext.
pub const LONGEST_CIPHERTEXT: usize = 8 * 1024;
