//! Family: metrics of one name, one for each tuple of label values.

use super::labels::{self, Labels};
use super::{Counter, Gauge, Histogram, Kind, add, record};
use crate::abi;
use crate::bytes::are_equal;
use std::cell::RefCell;
use std::cmp::Ordering;
use std::marker::PhantomData;

/// The metrics of one name, told apart by the values of its labels.
///
/// Each tuple of values makes a series that stays until the process ends, so the values must be ones that the
/// configuration bounds, not ones that clients choose: for those, see [`capped`](Self::capped).
pub struct Family<M, const N: usize> {
    pub(super) members: Members,
    kind: PhantomData<M>,
}

#[expect(private_bounds, reason = "the kinds are the three of the ABI")]
impl<M: Kind, const N: usize> Family<M, N> {
    pub(crate) fn new(name: Vec<u8>, labels: &'static Labels<N>) -> Self {
        Self { members: Members::new(M::KIND, name, labels.names()), kind: PhantomData }
    }
}

impl<const N: usize> Family<Counter, N> {
    /// Adds one to the counter of these values.
    pub fn increment<V: AsRef<str>>(&self, values: [V; N]) {
        self.add(values, 1);
    }

    /// Adds `count` to the counter of these values.
    pub fn add<V: AsRef<str>>(&self, values: [V; N], count: u32) {
        add(self.id(values), count);
    }
}

impl<const N: usize> Family<Gauge, N> {
    /// Sets the gauge of these values, for the whole process.
    pub fn set<V: AsRef<str>>(&self, values: [V; N], value: u64) {
        record(self.id(values), value);
    }
}

impl<const N: usize> Family<Histogram, N> {
    /// Records one value in the histogram of these label values.
    pub fn record<V: AsRef<str>>(&self, values: [V; N], value: u64) {
        record(self.id(values), value);
    }
}

impl<M, const N: usize> Family<M, N> {
    fn id<V: AsRef<str>>(&self, values: [V; N]) -> Option<u32> {
        let values = values.each_ref().map(|value| value.as_ref().as_bytes());
        self.members.id(&values, &values, || true)
    }
}

/// The members of a family that have been used.
pub(super) struct Members {
    pub(super) name: Vec<u8>,
    kind: u32,
    labels: &'static [&'static str],
    /// In the order of [`order`]: no client can make that slow, and it needs no seed.
    used: RefCell<Vec<Member>>,
}

struct Member {
    /// The values, with a [`SEPARATOR`] between them.
    key: Vec<u8>,
    /// Of the metric; none where the host refused it.
    id: Option<u32>,
}

/// A byte of no value: one of a [`Family`] is text, one of a capped family is plain.
const SEPARATOR: u8 = 0xFF;

impl Members {
    fn new(kind: u32, name: Vec<u8>, labels: &'static [&'static str]) -> Self {
        Self { name, kind, labels, used: RefCell::default() }
    }

    /// The id of the metric with these values or, where that is not used yet and `admit` is against it, of the one with
    /// the other values.
    pub(super) fn id(&self, values: &[&[u8]], other: &[&[u8]], admit: impl FnOnce() -> bool) -> Option<u32> {
        match self.find(values) {
            Ok(id) => id,
            Err(place) if admit() => self.define(place, values),
            Err(_) => self.find(other).unwrap_or_else(|place| self.define(place, other)),
        }
    }

    /// The id, or the place of the member in the list.
    fn find(&self, values: &[&[u8]]) -> Result<Option<u32>, usize> {
        let used = self.used.borrow();
        let place = used.binary_search_by(|member| order(&member.key, values))?;
        Ok(used.get(place).and_then(|member| member.id))
    }

    fn define(&self, place: usize, values: &[&[u8]]) -> Option<u32> {
        let key = values.join(&SEPARATOR);
        let id = abi::define_metric(self.kind, &labels::name(&self.name, self.labels, values)).ok();
        self.used.borrow_mut().insert(place, Member { key, id });
        id
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.used.borrow().len()
    }
}

/// How a key stands to that of these values, which nobody has to make: the shorter first, and of one length as bytes are.
fn order(key: &[u8], values: &[&[u8]]) -> Ordering {
    let length = values.iter().fold(values.len(), |length, value| length.wrapping_add(value.len())).saturating_sub(1);
    let by_length = key.len().cmp(&length);
    if by_length.is_ne() {
        return by_length;
    }
    let mut rest = key;
    for value in values {
        // Keys of one length differ before one of them ends.
        let (part, behind) = rest.split_at_checked(value.len()).unwrap_or((rest, &[]));
        let (separator, behind) = behind.split_first().unwrap_or((&SEPARATOR, &[]));
        if !are_equal(part, value) || *separator != SEPARATOR {
            return part.cmp(value).then(separator.cmp(&SEPARATOR));
        }
        rest = behind;
    }
    Ordering::Equal
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn values_stand_as_their_key_does(
            mut keys in proptest::collection::vec(["[ab/]{0,3}", "[ab/]{0,3}", "[ab/]{0,3}"], 1..12),
        ) {
            let key = |values: &[String; 3]| values.each_ref().map(|value| value.as_bytes()).join(&SEPARATOR);
            keys.sort_by_key(|values| (key(values).len(), key(values)));
            for (left, right) in keys.iter().flat_map(|left| keys.iter().map(move |right| (left, right))) {
                let expected = (key(left).len(), key(left)).cmp(&(key(right).len(), key(right)));
                let values = right.each_ref().map(|value| value.as_bytes());
                prop_assert_eq!(order(&key(left), &values), expected);
            }
        }
    }
}
