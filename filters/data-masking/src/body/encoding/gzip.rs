//! gzip: members of compressed data, each with a header and a checksum (RFC 1952).

use super::{Inflate, Inflated};

/// A stream of members.
#[derive(Debug)]
pub(super) struct Gzip {
    place: Place,
    /// What the header has.
    flags: u8,
    /// The last bytes that were read as a number.
    number: u32,
    /// Of the content of the member.
    checksum: Crc32,
    len: u32,
}

/// What comes next, and how many bytes of it are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Header(u8),
    ExtraLen(u8),
    Extra(u32),
    Name,
    Comment,
    HeaderChecksum(u8),
    Data,
    Checksum(u8),
    Len(u8),
}

/// The checksum of a member.
#[derive(Clone, Copy, Debug)]
struct Crc32(u32);

const HEADER: u8 = 10;

const HAS_CHECKSUM: u8 = 2;
const HAS_EXTRA: u8 = 4;
const HAS_NAME: u8 = 8;
const HAS_COMMENT: u8 = 16;

impl Default for Gzip {
    fn default() -> Self {
        Self { place: Place::Header(HEADER), flags: 0, number: 0, checksum: Crc32::START, len: 0 }
    }
}

impl Gzip {
    /// Takes what it has read from the front of `encoded`, and returns some of the content; nothing where it is none.
    pub(super) fn decode<'a>(&mut self, inflate: &'a mut Inflate, encoded: &mut &[u8]) -> Option<Inflated<'a>> {
        while self.place != Place::Data {
            let Some((byte, rest)) = encoded.split_first() else { return Some(Inflated::default()) };
            *encoded = rest;
            if self.place == Place::Header(HEADER) {
                (self.checksum, self.len) = (Crc32::START, 0);
                inflate.restart();
            }
            self.place = self.next(*byte)?;
        }
        let inflated = inflate.step(encoded, 0)?;
        self.checksum.add(inflated.content);
        self.len = self.len.wrapping_add(inflated.content.len() as u32);
        if inflated.is_over {
            self.place = Place::Checksum(4);
        }
        Some(inflated)
    }

    /// Whether it may end here.
    pub(super) fn is_over(&self) -> bool {
        self.place == Place::Header(HEADER)
    }

    /// What comes behind this byte; nothing where it cannot stand here.
    fn next(&mut self, byte: u8) -> Option<Place> {
        self.number = self.number >> 8 | u32::from(byte) << 24;
        Some(match self.place {
            Place::Header(10) => (byte == 0x1f).then_some(Place::Header(9))?,
            Place::Header(9) => (byte == 0x8b).then_some(Place::Header(8))?,
            Place::Header(8) => (byte == 8).then_some(Place::Header(7))?,
            Place::Header(7) => {
                self.flags = byte;
                (byte & 0xe0 == 0).then_some(Place::Header(6))?
            }
            Place::Header(1) => self.behind(Place::Header(0)),
            Place::Header(left) => Place::Header(left.saturating_sub(1)),
            Place::ExtraLen(2) => Place::ExtraLen(1),
            Place::ExtraLen(_) => match self.number >> 16 {
                0 => self.behind(Place::Extra(0)),
                len => Place::Extra(len),
            },
            Place::Extra(1) => self.behind(Place::Extra(0)),
            Place::Extra(left) => Place::Extra(left.saturating_sub(1)),
            place @ (Place::Name | Place::Comment) if byte == 0 => self.behind(place),
            Place::HeaderChecksum(2) => Place::HeaderChecksum(1),
            Place::HeaderChecksum(_) => Place::Data,
            Place::Checksum(1) => (self.number == self.checksum.sum()).then_some(Place::Len(4))?,
            Place::Checksum(left) => Place::Checksum(left.saturating_sub(1)),
            Place::Len(1) => (self.number == self.len).then_some(Place::Header(HEADER))?,
            Place::Len(left) => Place::Len(left.saturating_sub(1)),
            place @ (Place::Name | Place::Comment | Place::Data) => place,
        })
    }

    /// What the header has behind this part of it.
    fn behind(&self, part: Place) -> Place {
        let has = |flag| self.flags & flag != 0;
        match part {
            Place::Header(_) if has(HAS_EXTRA) => Place::ExtraLen(2),
            Place::Header(_) | Place::Extra(_) if has(HAS_NAME) => Place::Name,
            Place::Header(_) | Place::Extra(_) | Place::Name if has(HAS_COMMENT) => Place::Comment,
            _ if has(HAS_CHECKSUM) => Place::HeaderChecksum(2),
            _ => Place::Data,
        }
    }
}

// === impl Crc32 ===

impl Crc32 {
    const START: Self = Self(!0);

    fn add(&mut self, content: &[u8]) {
        /// Of each half of a byte: a larger table would be quicker, and be in every module.
        const TABLE: [u32; 16] = [
            0x0000_0000,
            0x1db7_1064,
            0x3b6e_20c8,
            0x26d9_30ac,
            0x76dc_4190,
            0x6b6b_51f4,
            0x4db2_6158,
            0x5005_713c,
            0xedb8_8320,
            0xf00f_9344,
            0xd6d6_a3e8,
            0xcb61_b38c,
            0x9b64_c2b0,
            0x86d3_d2d4,
            0xa00a_e278,
            0xbdbd_f21c,
        ];
        let half = |sum: u32| sum >> 4 ^ TABLE.get(sum as usize & 15).copied().unwrap_or_default();
        self.0 = content.iter().fold(self.0, |sum, byte| half(half(sum ^ u32::from(*byte))));
    }

    fn sum(self) -> u32 {
        !self.0
    }
}
