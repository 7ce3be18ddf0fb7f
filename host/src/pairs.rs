//! The ABI's serialised pairs.

use crate::fields::Fields;

/// Above these, Envoy takes pairs for none at all.
const MAX_BYTES: usize = 1024 * 1024;
const MAX_PAIRS: usize = 1024;

/// A count, the lengths of each name and value, then the bytes with a NUL behind each.
pub(crate) fn encode<'a>(pairs: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Vec<u8> {
    let (mut lengths, mut bytes, mut count) = (Vec::new(), Vec::new(), 0_usize);
    for (name, value) in pairs {
        count = count.saturating_add(1);
        for part in [name, value] {
            lengths.extend_from_slice(&word(part.len()));
            bytes.extend_from_slice(part);
            bytes.push(0);
        }
    }
    [&word(count), lengths.as_slice(), bytes.as_slice()].concat()
}

/// The fields of serialised pairs; none where they are cut off or too many.
pub(crate) fn decode(bytes: &[u8]) -> Fields {
    if bytes.len() > MAX_BYTES { Fields::new() } else { try_decode(bytes).unwrap_or_default() }
}

fn try_decode(bytes: &[u8]) -> Option<Fields> {
    let (count, rest) = bytes.split_first_chunk()?;
    let count = usize::try_from(u32::from_le_bytes(*count)).ok().filter(|count| *count <= MAX_PAIRS)?;
    let (lengths, mut rest) = rest.split_at_checked(count.checked_mul(8)?)?;
    let mut fields = Fields::new();
    for lengths in lengths.chunks_exact(8) {
        let (name, value) = lengths.split_at_checked(4)?;
        let name = take(&mut rest, name)?;
        fields.add(name, take(&mut rest, value)?);
    }
    Some(fields)
}

fn take<'a>(rest: &mut &'a [u8], length: &[u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(u32::from_le_bytes(length.try_into().ok()?)).ok()?;
    let (part, behind) = rest.split_at_checked(length)?;
    *rest = behind.get(1..)?;
    Some(part)
}

fn word(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two() -> Fields {
        [("a", "1"), ("bc", "")].into_iter().collect()
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        assert_eq!(decode(&encode(two().iter())), two());
    }

    #[test]
    fn pairs_that_are_cut_off_are_none() {
        let bytes = encode(two().iter());
        for length in 0..bytes.len() {
            assert!(decode(&bytes[..length]).is_empty(), "{length}");
        }
    }

    #[test]
    fn more_than_1024_pairs_are_none() {
        let many = |count| (0..count).map(|_| (&b"a"[..], &b"b"[..]));
        assert_eq!(decode(&encode(many(1024))).len(), 1024);
        assert!(decode(&encode(many(1025))).is_empty());
    }

    #[test]
    fn a_length_beyond_the_bytes_is_none() {
        assert!(decode(&[1, 0, 0, 0, 255, 255, 255, 255, 1, 0, 0, 0, b'a', 0]).is_empty());
    }
}
