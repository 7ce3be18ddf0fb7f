//! Messages of `envoy.service.ratelimit.v3`: what is asked and what is answered.
//!
//! From `envoy/service/ratelimit/v3/rls.proto`; fields that are not named here are passed over.

use super::answer::Answer;
use crate::decision::Decision;
use crate::headers::Shown;
use palisade_sdk::protobuf::{Wire, put_bytes, put_number, take_field};
use std::time::Duration;

/// The most lines of headers that a service may add.
const MOST_HEADERS: usize = 64;

/// A `RateLimitRequest` with these serialised `RateLimitDescriptor`s.
pub(super) fn request(domain: &str, descriptors: &[Vec<u8>], hits: u32) -> Vec<u8> {
    let mut message = Vec::new();
    put_bytes(&mut message, 1, domain.as_bytes());
    for descriptor in descriptors {
        put_bytes(&mut message, 2, descriptor);
    }
    put_number(&mut message, 3, hits.into());
    message
}

/// Adds an `Entry` to a `RateLimitDescriptor`.
pub(super) fn put_entry(descriptor: &mut Vec<u8>, key: &str, value: &str) {
    let mut entry = Vec::new();
    put_bytes(&mut entry, 1, key.as_bytes());
    put_bytes(&mut entry, 2, value.as_bytes());
    put_bytes(descriptor, 1, &entry);
}

/// A `RateLimitResponse`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) code: Code,
    /// One for each descriptor, or none.
    pub(super) statuses: Vec<Status>,
    pub(super) response_headers: Vec<(String, Vec<u8>)>,
    pub(super) request_headers: Vec<(String, Vec<u8>)>,
    pub(super) body: Vec<u8>,
}

/// What a service decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Code {
    /// Nothing, or what only a later protocol knows.
    #[default]
    Unknown,
    Ok,
    OverLimit,
}

/// A `DescriptorStatus`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) code: Code,
    limit: Option<Limit>,
    remaining: u32,
    pub(super) until_reset: Option<Duration>,
}

/// A `RateLimit`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Limit {
    requests: u32,
    unit: u32,
}

// === impl Response ===

impl Response {
    /// `None` for bytes that are no such message.
    pub(super) fn decode(mut message: &[u8]) -> Option<Self> {
        let mut response = Self::default();
        while !message.is_empty() {
            match take_field(&mut message)? {
                (1, Wire::Varint(code)) => response.code = Code::of(code),
                (2, Wire::Bytes(status)) => response.statuses.push(Status::decode(status)?),
                (3, Wire::Bytes(header)) => push_header(&mut response.response_headers, header)?,
                (4, Wire::Bytes(header)) => push_header(&mut response.request_headers, header)?,
                (5, Wire::Bytes(body)) => response.body = body.to_vec(),
                (1..=5, _) => return None,
                _ => {}
            }
        }
        Some(response)
    }

    pub(super) fn into_answer(self) -> Answer {
        let standings = self.statuses.iter().filter_map(Status::standing);
        let over = self.statuses.iter().filter(|status| status.code == Code::OverLimit);
        Answer {
            standing: standings.min_by(|(one, left), (other, left_there)| {
                // Of two fractions the smaller, by cross multiplication.
                let share = |left: &Decision, other: &Shown| left.remaining.saturating_mul(other.count);
                share(left, other).cmp(&share(left_there, one))
            }),
            // All of them have to end.
            retry: over.filter_map(|status| status.until_reset).map(nanoseconds).max(),
            request_headers: self.request_headers,
            response_headers: self.response_headers,
            body: self.body,
        }
    }
}

// === impl Code ===

impl Code {
    /// An enumeration is a number of 32 bits.
    fn of(number: u64) -> Self {
        match number as u32 {
            1 => Self::Ok,
            2 => Self::OverLimit,
            _ => Self::Unknown,
        }
    }
}

// === impl Status ===

impl Status {
    fn decode(mut message: &[u8]) -> Option<Self> {
        let mut status = Self::default();
        while !message.is_empty() {
            match take_field(&mut message)? {
                (1, Wire::Varint(code)) => status.code = Code::of(code),
                (2, Wire::Bytes(limit)) => status.limit.get_or_insert_default().merge(limit)?,
                (3, Wire::Varint(remaining)) => status.remaining = remaining as u32,
                (4, Wire::Bytes(reset)) => status.until_reset = Some(duration(reset)?),
                (1..=4, _) => return None,
                _ => {}
            }
        }
        Some(status)
    }

    /// The limit, and where it stands.
    pub(super) fn standing(&self) -> Option<(Shown, Decision)> {
        let limit = self.limit?;
        let shown = Shown { count: limit.requests.into(), seconds: limit.seconds(), concurrent: false };
        let reset = self.until_reset.map(nanoseconds);
        let decision = Decision {
            admitted: self.code != Code::OverLimit,
            remaining: self.remaining.into(),
            reset: reset.unwrap_or_default(),
            retry: reset.filter(|_| self.code == Code::OverLimit),
        };
        Some((shown, decision))
    }
}

// === impl Limit ===

impl Limit {
    fn merge(&mut self, mut message: &[u8]) -> Option<()> {
        while !message.is_empty() {
            match take_field(&mut message)? {
                (1, Wire::Varint(requests)) => self.requests = requests as u32,
                (2, Wire::Varint(unit)) => self.unit = unit as u32,
                (1 | 2, _) => return None,
                _ => {}
            }
        }
        Some(())
    }

    /// Of `RateLimit.Unit`; months and years are not all of one length.
    fn seconds(&self) -> Option<u64> {
        match self.unit {
            1 => Some(1),
            2 => Some(60),
            3 => Some(3_600),
            4 => Some(86_400),
            7 => Some(604_800),
            _ => None,
        }
    }
}

/// A `HeaderValue`: its value as a text, or else as bytes.
fn push_header(headers: &mut Vec<(String, Vec<u8>)>, mut message: &[u8]) -> Option<()> {
    if headers.len() >= MOST_HEADERS {
        return None;
    }
    let (mut name, mut text, mut raw) = (&[][..], &[][..], &[][..]);
    while !message.is_empty() {
        match take_field(&mut message)? {
            (1, Wire::Bytes(bytes)) => name = bytes,
            (2, Wire::Bytes(bytes)) => text = bytes,
            (3, Wire::Bytes(bytes)) => raw = bytes,
            (1..=3, _) => return None,
            _ => {}
        }
    }
    let name = str::from_utf8(name).ok()?.to_ascii_lowercase();
    let value = if text.is_empty() { raw } else { text };
    headers.push((name, value.to_vec()));
    Some(())
}

/// A `google.protobuf.Duration`; one in the past is over.
fn duration(mut message: &[u8]) -> Option<Duration> {
    let (mut seconds, mut nanos) = (0_u64, 0_u32);
    while !message.is_empty() {
        match take_field(&mut message)? {
            (1, Wire::Varint(number)) => seconds = number,
            // A number of 32 bits is the low half of what stands there.
            (2, Wire::Varint(number)) => nanos = number as u32,
            (1 | 2, _) => return None,
            _ => {}
        }
    }
    // Of two's complement: the highest bit says that it is negative.
    let is_past = seconds > i64::MAX.unsigned_abs() || nanos > i32::MAX.unsigned_abs();
    Some(if is_past {
        Duration::ZERO
    } else {
        Duration::from_secs(seconds).saturating_add(Duration::from_nanos(nanos.into()))
    })
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
