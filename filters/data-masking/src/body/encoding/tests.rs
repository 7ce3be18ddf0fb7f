use std::io::Write as _;

use flate2::write::{GzEncoder, ZlibEncoder};
use flate2::{Compression, GzBuilder};

use super::*;

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn zlib(content: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn decoded(encoding: Encoding, pieces: &[&[u8]], most: usize) -> Result<Vec<u8>, Stop> {
    let mut decoder = encoding.decoder(most).unwrap();
    let mut out = Vec::new();
    for piece in pieces {
        let mut piece = *piece;
        while decoder.decode(&mut piece, &mut out)? {}
        assert!(piece.is_empty());
    }
    decoder.finish()?;
    Ok(out)
}

#[test]
fn what_is_encoded_is_decoded_in_every_chunking() {
    let content = b"a body that comes in pieces".repeat(20);
    let encoded = [gzip(&content), gzip(b" and another")].concat();
    let expected = [content.as_slice(), b" and another"].concat();
    for cut in 0..=encoded.len() {
        let (first, second) = encoded.split_at(cut);
        assert_eq!(decoded(Encoding::Gzip, &[first, second], 1 << 20).unwrap(), expected, "{cut}");
    }
    assert_eq!(decoded(Encoding::Deflate, &[&zlib(&content)], 1 << 20).unwrap(), content);
}

#[test]
fn what_is_cut_off_or_garbled_is_no_content() {
    let encoded = gzip(b"a body");
    for end in 1..encoded.len() {
        assert_eq!(decoded(Encoding::Gzip, &[&encoded[..end]], 1 << 20), Err(Stop::Failed("undecodable")), "{end}");
    }
    assert_eq!(decoded(Encoding::Gzip, &[b"no gzip at all, is it?"], 1 << 20), Err(Stop::Failed("undecodable")));
    assert_eq!(decoded(Encoding::Gzip, &[], 1 << 20), Ok(Vec::new()));
    for place in encoded.len() - 8..encoded.len() {
        let mut garbled = encoded.clone();
        garbled[place] ^= 1;
        assert_eq!(decoded(Encoding::Gzip, &[&garbled], 1 << 20), Err(Stop::Failed("undecodable")), "{place}");
    }
    assert_eq!(decoded(Encoding::Gzip, &[&encoded, b"\0"], 1 << 20), Err(Stop::Failed("undecodable")));
    let mut zlib = zlib(b"a body");
    zlib.push(0);
    assert_eq!(decoded(Encoding::Deflate, &[&zlib], 1 << 20), Err(Stop::Failed("undecodable")));
    for end in 1..zlib.len() - 1 {
        assert_eq!(decoded(Encoding::Deflate, &[&zlib[..end]], 1 << 20), Err(Stop::Failed("undecodable")), "{end}");
    }
}

#[test]
fn a_part_of_the_content_comes_at_a_time() {
    let content: Vec<u8> = (0..1_000_000_u32).map(|number| (number.wrapping_mul(number) >> 7) as u8).collect();
    let encoded = gzip(&content);
    let mut decoder = Encoding::Gzip.decoder(16 << 20).unwrap();
    let (mut rest, mut out, mut has_more) = (encoded.as_slice(), Vec::new(), true);
    while has_more {
        let len = out.len();
        has_more = decoder.decode(&mut rest, &mut out).unwrap();
        assert!(out.len() - len <= TINFL_LZ_DICT_SIZE);
    }
    assert_eq!(decoder.finish(), Ok(()));
    assert!(rest.is_empty() && out == content);
}

#[test]
fn what_a_header_of_gzip_may_hold_is_no_content() {
    let builder = GzBuilder::new().extra(vec![1, 2, 3]).filename("a.json").comment("no content");
    let mut encoder = builder.write(Vec::new(), Compression::default());
    encoder.write_all(b"a body").unwrap();
    let mut encoded = encoder.finish().unwrap();
    for cut in 0..=encoded.len() {
        let (first, second) = encoded.split_at(cut);
        assert_eq!(decoded(Encoding::Gzip, &[first, second], 1 << 20).unwrap(), b"a body", "{cut}");
    }
    // With a checksum of its header.
    encoded = gzip(b"a body");
    encoded[3] = 2;
    encoded.splice(10..10, [0, 0]);
    assert_eq!(decoded(Encoding::Gzip, &[&encoded], 1 << 20).unwrap(), b"a body");
}

#[test]
fn a_bomb_is_refused_before_it_is_large() {
    let bomb = gzip(&vec![0; 64 << 20]);
    let mut decoder = Encoding::Gzip.decoder(16 << 20).unwrap();
    let mut out = Vec::new();
    let mut rest = bomb.as_slice();
    let stop = loop {
        match decoder.decode(&mut rest, &mut out) {
            Ok(_) => assert!(!rest.is_empty()),
            Err(stop) => break stop,
        }
    };
    assert_eq!(stop, Stop::Failed("bomb"));
    assert!(out.len() < 1 << 20, "{}", out.len());
    let long = gzip(&[0; 100]);
    assert_eq!(decoded(Encoding::Gzip, &[&long], 99), Err(Stop::Failed("bomb")));
}

#[test]
fn what_hardly_holds_anything_is_refused_before_it_is_long() {
    // A member without content, and a block of zlib without any: each costs as much as one of a whole text.
    let members = gzip(b"").repeat(10_000);
    let blocks = [&[0x78, 0x9c][..], &[0x02, 0x08, 0x20, 0x80, 0x00].repeat(200_000)].concat();
    for (encoding, encoded) in [(Encoding::Gzip, members), (Encoding::Deflate, blocks)] {
        let mut decoder = encoding.decoder(16 << 20).unwrap();
        let mut out = Vec::new();
        let mut rest = encoded.as_slice();
        let stop = loop {
            match decoder.decode(&mut rest, &mut out) {
                Ok(has_more) => assert!(has_more),
                Err(stop) => break stop,
            }
        };
        assert_eq!(stop, Stop::Failed("bomb"));
        assert!(encoded.len() - rest.len() < 128 * 1024, "{}", rest.len());
    }
    // A message for each byte, as a stream may have it.
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    let content = "a few words ".repeat(2000);
    for byte in content.bytes() {
        encoder.write_all(&[byte]).unwrap();
        encoder.flush().unwrap();
    }
    let encoded = encoder.finish().unwrap();
    assert!(encoded.len() > 2 * UNSUSPICIOUS);
    assert_eq!(decoded(Encoding::Deflate, &[&encoded], 1 << 20).unwrap(), content.as_bytes());
}

#[test]
fn blocks_count_as_content_where_they_hold_none() {
    // 258 bytes that are all the same, then blocks without any, and so on.
    let mut bits = Bits::default();
    for _ in 0..20_000 {
        bits.put(0b010, 3);
        // The literal 'a', and 257 times what stands one before.
        bits.put(0b1000_1001, 8);
        bits.put(0b1010_0011, 8);
        bits.put(0, 5);
        bits.put(0, 7);
        for _ in 0..100 {
            bits.put(0b010, 3);
            bits.put(0, 7);
        }
    }
    let blocks = bits.bytes;
    let head = &gzip(b"")[..10];
    for (encoding, encoded) in
        [(Encoding::Gzip, [head, &blocks].concat()), (Encoding::Deflate, [&[0x78, 0x9c], &*blocks].concat())]
    {
        let mut decoder = encoding.decoder(16 << 20).unwrap();
        let mut rest = encoded.as_slice();
        let stop = loop {
            match decoder.decode(&mut rest, &mut Vec::new()) {
                Ok(has_more) => assert!(has_more),
                Err(stop) => break stop,
            }
        };
        assert_eq!(stop, Stop::Failed("bomb"));
        assert!(decoder.blocks < 1000, "{}", decoder.blocks);
    }
}

/// What is written bit by bit, the lowest first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    free: u32,
}

impl Bits {
    fn put(&mut self, bits: u32, count: u32) {
        for bit in 0..count {
            if self.free == 0 {
                self.bytes.push(0);
                self.free = 8;
            }
            *self.bytes.last_mut().unwrap() |= u8::try_from(bits >> bit & 1).unwrap() << (8 - self.free);
            self.free -= 1;
        }
    }
}

#[test]
fn only_one_known_encoding_is_decoded() {
    for (value, encoding) in [
        ("", Some(Encoding::Identity)),
        ("Identity", Some(Encoding::Identity)),
        (" gzip ", Some(Encoding::Gzip)),
        ("x-gzip", Some(Encoding::Gzip)),
        ("deflate", Some(Encoding::Deflate)),
        ("br", None),
        ("zstd", None),
        ("gzip, br", None),
        ("gzip,gzip", None),
    ] {
        assert_eq!(Encoding::named(value.as_bytes()), encoding, "{value}");
    }
}
