//! Entropy for new traces, from the host's cryptographic source.

use std::cell::{Cell, RefCell};

use palisade_sdk::{HostError, random};

use crate::context::Entropy;

/// How many traces one call of the host serves: what it costs hardly depends on how many bytes it gives.
const TRACES: usize = 32;

/// A supply that is drawn in advance.
#[derive(Default)]
pub(crate) struct EntropySupply {
    traces: RefCell<[Entropy; TRACES]>,
    left: Cell<usize>,
}

impl EntropySupply {
    /// Bytes that nobody has had before.
    ///
    /// # Errors
    ///
    /// When the host refuses to give any.
    pub(crate) fn draw(&self) -> Result<Entropy, HostError> {
        let mut traces = self.traces.borrow_mut();
        if self.left.get() == 0 {
            random::fill(traces.as_flattened_mut())?;
            self.left.set(TRACES);
        }
        let left = self.left.get().saturating_sub(1);
        self.left.set(left);
        Ok(traces.get_mut(left).map(std::mem::take).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_the_host_there_is_none() {
        assert!(EntropySupply::default().draw().is_err());
    }

    #[test]
    fn no_bytes_are_given_twice() {
        let supply = EntropySupply::default();
        for (place, entropy) in supply.traces.borrow_mut().iter_mut().enumerate() {
            entropy.fill(u8::try_from(place).unwrap() + 1);
        }
        supply.left.set(TRACES);
        let drawn: std::collections::BTreeSet<_> = (0..TRACES).map(|_| supply.draw().unwrap()).collect();
        assert_eq!(drawn.len(), TRACES);
        assert!(supply.draw().is_err(), "the supply is used up");
    }
}
