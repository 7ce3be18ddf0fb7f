//! Protocol Buffers, as far as host calls take them: fields of a message by number.

/// The last field of this number that is bytes.
pub(crate) fn field(message: &[u8], number: u64) -> Option<&[u8]> {
    let mut found = None;
    for (own, value) in fields(message)? {
        if let Value::Bytes(bytes) = value
            && own == number
        {
            found = Some(bytes);
        }
    }
    found
}

/// Whether these bytes can be read as a message.
pub(crate) fn is_message(message: &[u8]) -> bool {
    fields(message).is_some()
}

/// Adds a field of bytes to a message.
pub(crate) fn put_bytes(message: &mut Vec<u8>, number: u64, bytes: &[u8]) {
    put_varint(message, (number << 3) | 2);
    put_varint(message, u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    message.extend_from_slice(bytes);
}

/// Adds a field that is a number to a message.
pub(crate) fn put_number(message: &mut Vec<u8>, number: u64, value: u64) {
    put_varint(message, number << 3);
    put_varint(message, value);
}

enum Value<'a> {
    Bytes(&'a [u8]),
    Other,
}

fn fields(mut rest: &[u8]) -> Option<Vec<(u64, Value<'_>)>> {
    let mut fields = Vec::new();
    while !rest.is_empty() {
        let key = take_varint(&mut rest)?;
        let value = match key & 7 {
            0 => take_varint(&mut rest).map(|_| Value::Other)?,
            1 => take(&mut rest, 8).map(|_| Value::Other)?,
            2 => {
                let length = usize::try_from(take_varint(&mut rest)?).ok()?;
                Value::Bytes(take(&mut rest, length)?)
            }
            5 => take(&mut rest, 4).map(|_| Value::Other)?,
            _ => return None,
        };
        fields.push((key >> 3, value));
    }
    Some(fields)
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (part, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    Some(part)
}

fn take_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, behind) = rest.split_first()?;
        *rest = behind;
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn put_varint(message: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        message.push(u8::try_from(value & 0x7f).unwrap_or(0) | 0x80);
        value >>= 7;
    }
    message.push(u8::try_from(value).unwrap_or(0));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_of_bytes_is_found_behind_others() {
        let mut message = Vec::new();
        put_number(&mut message, 1, 300);
        put_bytes(&mut message, 2, b"a");
        put_bytes(&mut message, 3, &[b'b'; 200]);
        assert_eq!(field(&message, 2), Some(&b"a"[..]));
        assert_eq!(field(&message, 3).map(<[u8]>::len), Some(200));
        assert_eq!(field(&message, 1), None);
    }

    #[test]
    fn a_message_that_is_cut_off_has_no_fields() {
        let mut message = Vec::new();
        put_bytes(&mut message, 1, b"abc");
        assert_eq!(field(&message[..3], 1), None);
        assert_eq!(field(b"plain text", 1), None);
    }
}
