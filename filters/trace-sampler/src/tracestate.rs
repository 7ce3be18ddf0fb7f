//! The `tracestate` header field of [W3C Trace Context Level 2](https://www.w3.org/TR/trace-context-2/), and
//! [OpenTelemetry's member](https://opentelemetry.io/docs/specs/otel/trace/tracestate-handling/) `ot` in it.

use crate::{
    ows,
    probability::{Randomness, Threshold},
};

/// The most members that a list may have.
pub const MAX_MEMBERS: usize = 32;

const LONGEST_KEY: usize = 256;
const LONGEST_VALUE: usize = 256;
const OT: &[u8] = b"ot";

/// A valid list of members, borrowed from the field.
#[derive(Clone, Copy, Debug)]
pub struct Tracestate<'a> {
    field: &'a [u8],
    ot: Option<Ot<'a>>,
    /// Whether the field has neither duplicates nor empty members.
    tidy: bool,
}

/// A field that breaks the specification: all of it is to be discarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// What becomes of the sampling threshold in the `ot` member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThresholdUpdate {
    /// It stays as it came.
    Keep,
    /// The probability is unknown, or the trace is not sampled.
    Erase,
    /// The trace is sampled with this threshold.
    Set(Threshold),
}

/// The field after an update.
#[derive(Debug, PartialEq, Eq)]
pub enum Updated {
    /// The field may stay as it came.
    Unchanged,
    /// The field's new value, never empty.
    Changed(Vec<u8>),
    /// Nothing is left: the field has to go.
    Empty,
}

#[derive(Clone, Copy)]
struct Member<'a> {
    key: &'a [u8],
    value: &'a [u8],
}

/// The keys that a list has had so far.
#[derive(Default)]
struct Keys<'a> {
    keys: [&'a [u8]; MAX_MEMBERS],
    length: usize,
}

/// The value of the `ot` member: sub-keys, separated by `;`, each with its value after a `:`.
#[derive(Clone, Copy, Debug)]
struct Ot<'a>(&'a [u8]);

/// A sub-key of the `ot` member.
enum SubKey<T> {
    Absent,
    /// Malformed, or there more than once.
    Unusable,
    Valid(T),
}

// === impl Tracestate ===

impl<'a> Tracestate<'a> {
    /// A list without members.
    pub const EMPTY: Self = Self { field: &[], ot: None, tidy: true };

    /// Reads the field's value: every line of it, joined with `,`.
    ///
    /// # Errors
    ///
    /// A malformed member, or more than 32 of them.
    pub fn parse(joined: &'a [u8]) -> Result<Self, Malformed> {
        let mut list = Self { field: joined, ..Self::EMPTY };
        let mut keys = Keys::default();
        let mut listed: usize = 0;
        for member in joined.split(|&byte| byte == b',').map(ows::trim) {
            if member.is_empty() {
                list.tidy = false;
                continue;
            }
            let member = Member::split(member).filter(Member::is_valid).ok_or(Malformed)?;
            listed = listed.saturating_add(1);
            if listed > MAX_MEMBERS {
                return Err(Malformed);
            }
            if !keys.insert(member.key) {
                list.tidy = false;
            } else if member.key == OT {
                list.ot = Some(Ot(member.value));
            }
        }
        Ok(list)
    }

    /// The explicit randomness of the trace, `rv`.
    pub fn randomness(&self) -> Option<Randomness> {
        self.ot?.sub_key(b"rv", Randomness::decode).valid()
    }

    /// The threshold with which the caller sampled, `th`.
    pub fn threshold(&self) -> Option<Threshold> {
        self.ot?.sub_key(b"th", Threshold::decode).valid()
    }

    /// Returns the list with the `ot` member as `update` wants it, and whether the 256 characters of that
    /// member suffice. If they do not, a threshold that it has is erased rather than left to lie.
    ///
    /// An `ot` member that changes moves to the front, and the last of 33 members falls out.
    pub fn update(&self, update: ThresholdUpdate) -> (Updated, bool) {
        let current = self.ot.map(|ot| ot.sub_key(b"th", Threshold::decode));
        match (update, current) {
            (ThresholdUpdate::Keep, _) | (ThresholdUpdate::Erase, None | Some(SubKey::Absent)) => {
                (self.unchanged(), true)
            }
            (ThresholdUpdate::Set(new), Some(SubKey::Valid(old))) if old == new => (self.unchanged(), true),
            (ThresholdUpdate::Erase, Some(_)) => (self.render(None), true),
            (ThresholdUpdate::Set(new), current) => {
                let kept: usize = self.ot.map_or(0, |ot| ot.others().map(|other| other.len().saturating_add(1)).sum());
                let threshold = new.encode();
                let length = kept.saturating_add(b"th:".len()).saturating_add(threshold.as_ref().len());
                if length <= LONGEST_VALUE {
                    (self.render(Some(threshold.as_ref())), true)
                } else if matches!(current, None | Some(SubKey::Absent)) {
                    (self.unchanged(), false)
                } else {
                    (self.render(None), false)
                }
            }
        }
    }

    /// The list, given that no member changes.
    fn unchanged(&self) -> Updated {
        if self.tidy {
            return Updated::Unchanged;
        }
        let mut field = Vec::new();
        for member in self.members() {
            member.render(&mut field);
        }
        non_empty(field)
    }

    /// The list with this threshold in the `ot` member, or none.
    fn render(&self, threshold: Option<&[u8]>) -> Updated {
        let mut ot = Vec::with_capacity(LONGEST_VALUE);
        if let Some(threshold) = threshold {
            ot.extend_from_slice(b"th:");
            ot.extend_from_slice(threshold);
        }
        for other in self.ot.iter().flat_map(Ot::others) {
            if !ot.is_empty() {
                ot.push(b';');
            }
            ot.extend_from_slice(other);
        }
        // A blank that stood before a `;` may not end the value.
        while ot.last() == Some(&b' ') {
            ot.pop();
        }

        let others = self.members().filter(|member| member.key != OT);
        let mut field = Vec::new();
        let mut room = MAX_MEMBERS;
        if !ot.is_empty() {
            Member { key: OT, value: &ot }.render(&mut field);
            room = room.saturating_sub(1);
        }
        for member in others.take(room) {
            member.render(&mut field);
        }
        non_empty(field)
    }

    /// The members that count: the first with each key.
    fn members(&self) -> impl Iterator<Item = Member<'a>> {
        let mut keys = Keys::default();
        let members = self.field.split(|&byte| byte == b',').map(ows::trim).filter_map(Member::split);
        members.filter(move |member| keys.insert(member.key))
    }
}

fn non_empty(field: Vec<u8>) -> Updated {
    if field.is_empty() { Updated::Empty } else { Updated::Changed(field) }
}

// === impl Member ===

impl<'a> Member<'a> {
    /// Splits a member that has no whitespace around it.
    fn split(member: &'a [u8]) -> Option<Self> {
        let equals = member.iter().position(|&byte| byte == b'=')?;
        let (key, value) = member.split_at_checked(equals)?;
        Some(Self { key, value: value.strip_prefix(b"=")? })
    }

    fn is_valid(&self) -> bool {
        let Self { key, value } = self;
        key.len() <= LONGEST_KEY
            && matches!(key.first(), Some(b'a'..=b'z' | b'0'..=b'9'))
            && key.iter().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@'))
            && (1..=LONGEST_VALUE).contains(&value.len())
            && value.iter().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b',' | b'='))
    }

    fn render(&self, field: &mut Vec<u8>) {
        if !field.is_empty() {
            field.push(b',');
        }
        field.extend_from_slice(self.key);
        field.push(b'=');
        field.extend_from_slice(self.value);
    }
}

// === impl Keys ===

impl<'a> Keys<'a> {
    /// Whether the key is new.
    fn insert(&mut self, key: &'a [u8]) -> bool {
        if self.keys.iter().take(self.length).any(|earlier| *earlier == key) {
            return false;
        }
        if let Some(slot) = self.keys.get_mut(self.length) {
            *slot = key;
            self.length = self.length.saturating_add(1);
        }
        true
    }
}

// === impl Ot ===

impl<'a> Ot<'a> {
    fn sub_key<T>(&self, key: &[u8], decode: impl Fn(&[u8]) -> Option<T>) -> SubKey<T> {
        let mut values = self.sub_keys().filter_map(|sub_key| value_of(sub_key, key));
        match (values.next(), values.next()) {
            (None, _) => SubKey::Absent,
            (Some(value), None) => decode(value).map_or(SubKey::Unusable, SubKey::Valid),
            (Some(_), Some(_)) => SubKey::Unusable,
        }
    }

    /// Everything but the threshold, as it came and in its order.
    fn others(&self) -> impl Iterator<Item = &'a [u8]> {
        self.sub_keys().filter(|sub_key| value_of(sub_key, b"th").is_none())
    }

    fn sub_keys(&self) -> impl Iterator<Item = &'a [u8]> {
        self.0.split(|&byte| byte == b';').filter(|sub_key| !sub_key.is_empty())
    }
}

fn value_of<'a>(sub_key: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    sub_key.strip_prefix(key)?.strip_prefix(b":")
}

// === impl SubKey ===

impl<T> SubKey<T> {
    fn valid(self) -> Option<T> {
        match self {
            Self::Valid(value) => Some(value),
            Self::Absent | Self::Unusable => None,
        }
    }
}

#[cfg(test)]
mod tests;
