//! Protocol Buffers on the wire, as far as the host speaks them with a module.

/// A field's content by its wire type, of which the host uses three.
pub(crate) enum Wire<'a> {
    Varint(u64),
    Fixed64([u8; 8]),
    Bytes(&'a [u8]),
}

/// Takes the next field off the front of a message: its number and content.
pub(crate) fn take_field<'a>(message: &mut &'a [u8]) -> Option<(u64, Wire<'a>)> {
    let tag = take_varint(message)?;
    let content = match tag & 7 {
        0 => Wire::Varint(take_varint(message)?),
        1 => {
            let (number, rest) = message.split_first_chunk()?;
            *message = rest;
            Wire::Fixed64(*number)
        }
        2 => {
            let length = usize::try_from(take_varint(message)?).ok()?;
            let (content, rest) = message.split_at_checked(length)?;
            *message = rest;
            Wire::Bytes(content)
        }
        _ => return None,
    };
    Some((tag >> 3, content))
}

fn take_varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// A field of which the tag says that a length stands before its content.
pub(crate) fn bytes_field(tag: u8, content: &[u8]) -> Vec<u8> {
    [&[tag], varint(content.len()).as_slice(), content].concat()
}

/// Seven bits a byte, the lowest first; the eighth says that more follow.
pub(crate) fn varint(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            bytes.push(low & 0x7F);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_as_long_as_it_must_be() {
        assert_eq!(varint(0), [0]);
        assert_eq!(varint(0x7F), [0x7F]);
        assert_eq!(varint(0x80), [0x80, 0x01]);
        assert_eq!(varint(u32::MAX as usize), [0xFF, 0xFF, 0xFF, 0xFF, 0x0F]);
    }
}
