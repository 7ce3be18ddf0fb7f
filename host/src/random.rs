//! Random bytes for guests: from the system, or from a seed.

/// Where random bytes come from.
#[derive(Clone, Debug)]
pub enum Random {
    /// The system's source.
    System,
    /// A sequence that is the same for the same seed (SplitMix64).
    Seeded(u64),
}

impl Random {
    /// Fills the bytes.
    ///
    /// # Errors
    ///
    /// The system has no random bytes to give.
    pub fn fill(&mut self, bytes: &mut [u8]) -> Result<(), getrandom::Error> {
        if matches!(self, Self::System) {
            return getrandom::fill(bytes);
        }
        for chunk in bytes.chunks_mut(8) {
            let next = self.next();
            for (byte, random) in chunk.iter_mut().zip(next.to_le_bytes()) {
                *byte = random;
            }
        }
        Ok(())
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(u64::MAX);
        usize::try_from(self.next().checked_rem(bound).unwrap_or(0)).unwrap_or(0)
    }

    fn next(&mut self) -> u64 {
        match self {
            Self::System => getrandom::u64().unwrap_or(0),
            Self::Seeded(state) => {
                *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                mixed ^ (mixed >> 31)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        let fill = |seed| {
            let mut bytes = [0; 20];
            Random::Seeded(seed).fill(&mut bytes).unwrap();
            bytes
        };
        assert_eq!(fill(1), fill(1));
        assert_ne!(fill(1), fill(2));
    }
}
