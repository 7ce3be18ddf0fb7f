//! Mutation: new cases from old ones, the same with the same seed.

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// Longer cases are cut: what is found in long ones is found in short ones, and sooner.
const LONGEST: usize = 512;

/// Makes cases from a corpus and from the words of a format.
pub struct Mutator<'c> {
    rng: SmallRng,
    corpus: &'c [Vec<u8>],
    words: &'c [&'c str],
}

impl<'c> Mutator<'c> {
    /// A mutator of this corpus, which must not be empty.
    #[must_use]
    pub fn new(seed: u64, corpus: &'c [Vec<u8>], words: &'c [&'c str]) -> Self {
        assert!(!corpus.is_empty(), "the corpus is empty");
        Self { rng: SmallRng::seed_from_u64(seed), corpus, words }
    }

    /// The next case: one of the corpus with up to eight changes.
    pub fn next(&mut self, case: &mut Vec<u8>) {
        case.clear();
        case.extend_from_slice(self.pick());
        for _ in 0..self.rng.random_range(0..=8) {
            self.change(case);
        }
        case.truncate(LONGEST);
    }

    fn change(&mut self, case: &mut Vec<u8>) {
        let at = self.rng.random_range(0..=case.len());
        let end = self.rng.random_range(at..=case.len().min(at + 16));
        match self.rng.random_range(0..8) {
            0 => case.truncate(at),
            1 => drop(case.drain(at..end)),
            2 => {
                let part = case[at..end].to_vec();
                insert(case, at, &part);
            }
            3 => insert(case, at, &[self.rng.random()]),
            4 if !self.words.is_empty() => {
                let word = self.words[self.rng.random_range(0..self.words.len())];
                insert(case, at, word.as_bytes());
            }
            5 => {
                let other = self.pick();
                let from = self.rng.random_range(0..=other.len());
                case.truncate(at);
                case.extend_from_slice(&other[from..]);
            }
            6 if at < case.len() => case[at] ^= 1 << self.rng.random_range(0..8),
            _ if at < case.len() => {
                // A byte that stands elsewhere in the case is likelier to mean something than any.
                let from = self.rng.random_range(0..case.len());
                case[at] = case[from];
            }
            _ => {}
        }
    }

    fn pick(&mut self) -> &'c [u8] {
        let corpus: &'c [Vec<u8>] = self.corpus;
        &corpus[self.rng.random_range(0..corpus.len())]
    }
}

fn insert(case: &mut Vec<u8>, at: usize, part: &[u8]) {
    drop(case.splice(at..at, part.iter().copied()));
}
