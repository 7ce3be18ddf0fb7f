//! Protocol Buffers: the wire format, as far as the messages of a rate limit service need it.
//!
//! By hand: the few fields that are read take 2 KiB of a module, and a derived message brings its runtime.

/// Bytes that are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// What stands in a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Varint(u64),
    /// A text, bytes or a message.
    Bytes(&'a [u8]),
    /// A number of four or eight bytes, which no field that is read has.
    Fixed,
}

/// The fields of a message in their order, up to the first that is malformed.
#[derive(Clone, Debug)]
pub(super) struct Fields<'a>(&'a [u8]);

const VARINT: u64 = 0;
const EIGHT_BYTES: u64 = 1;
const LENGTH: u64 = 2;
const FOUR_BYTES: u64 = 5;

/// Writes a number; 0, which is the default, is left out.
pub(super) fn put_number(message: &mut Vec<u8>, field: u32, number: u64) {
    if number != 0 {
        put_varint(message, u64::from(field) << 3 | VARINT);
        put_varint(message, number);
    }
}

/// Writes a text or a message, even an empty one.
pub(super) fn put_bytes(message: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    put_varint(message, u64::from(field) << 3 | LENGTH);
    put_varint(message, u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    message.extend_from_slice(bytes);
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

// === impl Value ===

impl<'a> Value<'a> {
    pub(super) fn number(self) -> Result<u64, Malformed> {
        match self {
            Self::Varint(number) => Ok(number),
            Self::Bytes(_) | Self::Fixed => Err(Malformed),
        }
    }

    pub(super) fn bytes(self) -> Result<&'a [u8], Malformed> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Varint(_) | Self::Fixed => Err(Malformed),
        }
    }
}

// === impl Fields ===

impl<'a> Fields<'a> {
    pub(super) fn of(message: &'a [u8]) -> Self {
        Self(message)
    }

    fn field(&mut self) -> Result<(u32, Value<'a>), Malformed> {
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).ok().filter(|number| (1..1 << 29).contains(number)).ok_or(Malformed)?;
        let value = match tag & 7 {
            VARINT => Value::Varint(self.varint()?),
            LENGTH => {
                let length = self.varint()?;
                Value::Bytes(self.take(usize::try_from(length).map_err(|_| Malformed)?)?)
            }
            EIGHT_BYTES => self.take(8).map(|_| Value::Fixed)?,
            FOUR_BYTES => self.take(4).map(|_| Value::Fixed)?,
            // Groups, of which this protocol has none.
            _ => return Err(Malformed),
        };
        Ok((number, value))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    /// At most 64 bits, so at most ten bytes, of which the last has one bit.
    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (first, rest) = self.0.split_first().ok_or(Malformed)?;
            self.0 = rest;
            let bits = u64::from(first & 0x7F);
            if shift == 63 && bits > 1 {
                return Err(Malformed);
            }
            number |= bits << shift;
            if first & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Malformed)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Value<'a>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(message: &[u8]) -> Result<Vec<(u32, Value<'_>)>, Malformed> {
        Fields::of(message).collect()
    }

    #[test]
    fn a_number_may_have_all_of_its_64_bits_and_no_more() {
        let mut longest = vec![0x08];
        longest.extend([0xFF; 9]);
        longest.push(0x01);
        assert_eq!(read(&longest), Ok(vec![(1, Value::Varint(u64::MAX))]));
        *longest.last_mut().unwrap() = 0x02;
        assert_eq!(read(&longest), Err(Malformed));
        *longest.last_mut().unwrap() = 0x81;
        assert_eq!(read(&[longest, vec![0]].concat()), Err(Malformed));
    }

    #[test]
    fn what_is_cut_or_claims_more_than_there_is_is_malformed() {
        for message in
            [&[0x08][..], &[0x08, 0x80], &[0x0A, 2, 0], &[0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F], &[0x09, 0], &[0x0D, 0]]
        {
            assert_eq!(read(message), Err(Malformed), "{message:?}");
        }
    }

    #[test]
    fn groups_and_fields_without_a_number_are_malformed() {
        for message in [&[0x0B, 0x0C][..], &[0x0E], &[0x0F], &[0x00, 0x00], &[0x02, 0x00]] {
            assert_eq!(read(message), Err(Malformed), "{message:?}");
        }
    }

    #[test]
    fn numbers_of_fixed_size_are_passed_over() {
        let message = [&[0x09][..], &[1; 8], &[0x15], &[2; 4], &[0x18, 7]].concat();
        assert_eq!(read(&message), Ok(vec![(1, Value::Fixed), (2, Value::Fixed), (3, Value::Varint(7))]));
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
                    expected.push((*field, Value::Varint(*number)));
                }
                expected.push((*field, Value::Bytes(bytes)));
            }
            prop_assert_eq!(read(&message), Ok(expected));
        }

        #[test]
        fn arbitrary_bytes_are_fields_or_malformed(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let fields = Fields::of(&bytes).count();
            prop_assert!(fields <= bytes.len());
        }
    }
}
