//! Clusters: matches that overlap, of which the best one counts.

use super::{Finding, What};
use crate::detectors::Score;

/// How long a chain of overlapping matches is held as one.
const LONGEST_CHAIN: usize = 8 * 1024;

/// Matches that overlap, as far as they are known.
pub(super) struct Cluster {
    /// Where they are to be looked for again.
    pub(super) place: usize,
    start: usize,
    pub(super) end: usize,
    /// How much of its beginning belongs to matches that began before it.
    pub(super) debt: usize,
    best: Option<Candidate>,
}

#[derive(Clone, Copy)]
pub(super) struct Candidate {
    /// Where it is recognised: before `start`, when its beginning is no part of the value.
    pub(super) place: usize,
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) score: Score,
    pub(super) index: usize,
}

// === impl Cluster ===

impl Cluster {
    /// What is left of matches that began before.
    pub(super) fn owed(start: usize, end: usize) -> Self {
        Self { place: start, start, end, debt: end.saturating_sub(start), best: None }
    }

    /// Settles what is over at `place`.
    pub(super) fn settle_before(cluster: &mut Option<Self>, place: usize, findings: &mut Vec<Finding>) {
        // Matches that overlap on and on are not held for ever.
        while let Some(endless) = cluster.take_if(|cluster| cluster.is_endless(place)) {
            let (cut, end) = (endless.start.saturating_add(LONGEST_CHAIN), endless.end);
            endless.cut(cut, findings);
            *cluster = Some(Self::owed(cut, end));
        }
        if let Some(whole) = cluster.take_if(|cluster| cluster.end <= place) {
            whole.settle(findings);
        }
    }

    fn is_endless(&self, place: usize) -> bool {
        let cut = self.start.saturating_add(LONGEST_CHAIN);
        cut <= place && cut < self.end
    }

    pub(super) fn add(cluster: &mut Option<Self>, candidate: Candidate) {
        match cluster {
            Some(cluster) => {
                cluster.start = cluster.start.min(candidate.start);
                cluster.end = cluster.end.max(candidate.end);
                if cluster.best.is_none_or(|best| candidate.is_better(&best)) {
                    cluster.best = Some(candidate);
                }
            }
            None => {
                let Candidate { place, start, end, .. } = candidate;
                *cluster = Some(Self { place, start, end, debt: 0, best: Some(candidate) });
            }
        }
    }

    /// The best match is one; what others have left around it is overlap.
    pub(super) fn settle(self, findings: &mut Vec<Finding>) {
        match self.best {
            Some(best) => {
                Finding::push(findings, self.start, best.start, What::Overlap);
                Finding::push(findings, best.start, best.end, What::Match(best.index));
                Finding::push(findings, best.end, self.end, What::Overlap);
            }
            None => Finding::push(findings, self.start, self.end, What::Overlap),
        }
    }

    /// What stands before `place`.
    pub(super) fn cut(self, place: usize, findings: &mut Vec<Finding>) {
        let whole = Self { end: self.end.min(place), ..self };
        match whole.best {
            Some(best) if best.end > place => Finding::push(findings, whole.start, whole.end, What::Overlap),
            _ => whole.settle(findings),
        }
    }
}

// === impl Candidate ===

impl Candidate {
    /// The longer one is better, then the surer one, then the one that comes first in the config.
    pub(super) fn is_better(&self, other: &Self) -> bool {
        let rank = |candidate: &Self| {
            (candidate.end.saturating_sub(candidate.start), candidate.score, std::cmp::Reverse(candidate.index))
        };
        rank(self) > rank(other)
    }
}
