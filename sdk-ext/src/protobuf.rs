//! Protocol Buffers on the wire, as far as a host and its services speak them with a module.
//!
//! By hand: a message that `prost` derives brings its runtime, and those that filters need have a few fields each.

/// A field's content by its wire type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire<'a> {
    /// A number, a truth value, or one of an enumeration.
    Varint(u64),
    /// A number of eight bytes, such as a `double`.
    Fixed64([u8; 8]),
    /// A number of four bytes.
    Fixed32([u8; 4]),
    /// A text, bytes or a message.
    Bytes(&'a [u8]),
}

/// Takes the next field off the front of a message: its number and content. `None` where the message ends or is
/// malformed; groups, which no current protocol has, count as such.
pub fn take_field<'a>(message: &mut &'a [u8]) -> Option<(u64, Wire<'a>)> {
    let tag = take_varint(message)?;
    let number = tag >> 3;
    if !(1..1 << 29).contains(&number) {
        return None;
    }
    let content = match tag & 7 {
        0 => Wire::Varint(take_varint(message)?),
        1 => Wire::Fixed64(*take_chunk(message)?),
        2 => {
            let length = usize::try_from(take_varint(message)?).ok()?;
            let (content, rest) = message.split_at_checked(length)?;
            *message = rest;
            Wire::Bytes(content)
        }
        5 => Wire::Fixed32(*take_chunk(message)?),
        _ => return None,
    };
    Some((number, content))
}

/// Adds a text, bytes or a message, even an empty one.
pub fn put_bytes(message: &mut Vec<u8>, field: u32, content: &[u8]) {
    put_varint(message, u64::from(field) << 3 | 2);
    put_varint(message, u64::try_from(content.len()).unwrap_or(u64::MAX));
    message.extend_from_slice(content);
}

/// Adds a number; 0, which is the default, is left out.
pub fn put_number(message: &mut Vec<u8>, field: u32, number: u64) {
    if number != 0 {
        put_varint(message, u64::from(field) << 3);
        put_varint(message, number);
    }
}

fn take_chunk<'a, const N: usize>(message: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (chunk, rest) = message.split_first_chunk()?;
    *message = rest;
    Some(chunk)
}

/// At most 64 bits, so at most ten bytes, of which the last has one bit.
fn take_varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = message.split_first()?;
        *message = rest;
        let bits = u64::from(byte & 0x7F);
        if shift == 63 && bits > 1 {
            return None;
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Seven bits a byte, the lowest first; the eighth says that more follow.
fn put_varint(message: &mut Vec<u8>, mut number: u64) {
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            message.push(low & 0x7F);
            return;
        }
        message.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(mut message: &[u8]) -> Option<Vec<(u64, Wire<'_>)>> {
        let mut fields = Vec::new();
        while !message.is_empty() {
            fields.push(take_field(&mut message)?);
        }
        Some(fields)
    }

    #[test]
    fn a_number_is_as_long_as_it_must_be() {
        for (number, bytes) in [
            (1, &[0x08, 0x01][..]),
            (0x7F, &[0x08, 0x7F]),
            (0x80, &[0x08, 0x80, 0x01]),
            (u64::from(u32::MAX), &[0x08, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F]),
            (0, &[]),
        ] {
            let mut message = Vec::new();
            put_number(&mut message, 1, number);
            assert_eq!(message, bytes);
        }
    }

    #[test]
    fn a_number_may_have_all_of_its_64_bits_and_no_more() {
        let longest = |last: &[u8]| [&[0x08][..], &[0xFF; 9], last].concat();
        assert_eq!(read(&longest(&[0x01])), Some(vec![(1, Wire::Varint(u64::MAX))]));
        assert_eq!(read(&longest(&[0x02])), None);
        assert_eq!(read(&longest(&[0x81, 0])), None);
    }

    #[test]
    fn what_is_cut_or_claims_more_than_there_is_is_malformed() {
        for message in
            [&[0x08][..], &[0x08, 0x80], &[0x0A, 2, 0], &[0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F], &[0x09, 0], &[0x0D, 0]]
        {
            assert_eq!(read(message), None, "{message:?}");
        }
    }

    #[test]
    fn groups_and_fields_without_a_number_are_malformed() {
        for message in [&[0x0B, 0x0C][..], &[0x0E], &[0x0F], &[0x00, 0x00], &[0x02, 0x00]] {
            assert_eq!(read(message), None, "{message:?}");
        }
    }

    #[test]
    fn numbers_of_fixed_size_are_read() {
        let message = [&[0x09][..], &[1; 8], &[0x15], &[2; 4], &[0x18, 7]].concat();
        let fields = vec![(1, Wire::Fixed64([1; 8])), (2, Wire::Fixed32([2; 4])), (3, Wire::Varint(7))];
        assert_eq!(read(&message), Some(fields));
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_again(fields in proptest::collection::vec((1_u32..1 << 29, any::<u64>(), proptest::collection::vec(any::<u8>(), 0..300)), 0..9)) {
            let mut message = Vec::new();
            let mut expected = Vec::new();
            for (field, number, bytes) in &fields {
                put_number(&mut message, *field, *number);
                put_bytes(&mut message, *field, bytes);
                if *number != 0 {
                    expected.push((u64::from(*field), Wire::Varint(*number)));
                }
                expected.push((u64::from(*field), Wire::Bytes(bytes)));
            }
            prop_assert_eq!(read(&message), Some(expected));
        }

        #[test]
        fn arbitrary_bytes_are_fields_or_malformed(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let fields = read(&bytes).map_or(0, |fields| fields.len());
            prop_assert!(fields <= bytes.len());
        }
    }
}
