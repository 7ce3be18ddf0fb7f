//! Faults on purpose: any status to any host call, or a trap.

use crate::status::Status;

/// A fault for the host calls that it fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The host call, for example `proxy_get_shared_data`; any where it is empty.
    pub call: String,
    /// Which of the calls that fit: the first is 1; all where it is `None`.
    pub nth: Option<u64>,
    /// What happens instead of the call.
    pub effect: Effect,
}

/// What happens instead of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It does nothing and answers this.
    Answer(Status),
    /// It traps.
    Trap,
}

/// The faults of a VM, and how often each fitted so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults(Vec<(Fault, u64)>);

impl Fault {
    /// This status to every call of this name.
    #[must_use]
    pub fn answer(call: &str, status: Status) -> Self {
        Self { call: call.to_owned(), nth: None, effect: Effect::Answer(status) }
    }

    /// A trap at the `nth` call of this name, or of any where it is empty.
    #[must_use]
    pub fn trap(call: &str, nth: u64) -> Self {
        Self { call: call.to_owned(), nth: Some(nth), effect: Effect::Trap }
    }
}

impl Faults {
    /// Adds one.
    pub(crate) fn add(&mut self, fault: Fault) {
        self.0.push((fault, 0));
    }

    /// Takes all away.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// What happens instead of this call, if anything.
    pub(crate) fn at(&mut self, call: &str) -> Option<Effect> {
        let mut effect = None;
        for (fault, count) in &mut self.0 {
            if fault.call.is_empty() || fault.call == call {
                *count = count.saturating_add(1);
                if fault.nth.is_none_or(|nth| nth == *count) {
                    effect = effect.or(Some(fault.effect));
                }
            }
        }
        effect
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nth_call_of_a_name_fails_once() {
        let mut faults = Faults::default();
        faults.add(Fault::trap("a", 2));
        assert_eq!(["a", "b", "a", "a"].map(|call| faults.at(call)), [None, None, Some(Effect::Trap), None]);
    }

    #[test]
    fn a_status_is_for_all_calls_of_a_name() {
        let mut faults = Faults::default();
        faults.add(Fault::answer("a", Status::EMPTY));
        assert_eq!(faults.at("a"), faults.at("a"));
        assert_eq!(faults.at("a"), Some(Effect::Answer(Status::EMPTY)));
    }
}
