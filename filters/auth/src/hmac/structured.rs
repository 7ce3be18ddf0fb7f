//! Structured fields (RFC 8941): dictionaries, as `Signature-Input`, `Signature` and `Content-Digest` are, read strictly
//! and written in their canonical form.
//!
//! Stricter than the RFC in one point: a key that occurs twice in a dictionary or among parameters is refused, where
//! the RFC lets the last one win. Two readers that disagree on which counts would verify different things.

use crate::base64;

/// What a dictionary or a list of parameters may hold at most; a message has no use for more.
const MOST: usize = 64;

/// A dictionary, in the order of its members.
pub type Dictionary = Vec<(String, Member)>;

/// The parameters of a value, in their order.
pub type Parameters = Vec<(String, Bare)>;

/// The value of a dictionary's member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Member {
    /// One value.
    Item(Item),
    /// Several, in parentheses, with parameters of their own.
    InnerList(Vec<Item>, Parameters),
}

/// A value and its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The value.
    pub bare: Bare,
    /// Its parameters.
    pub parameters: Parameters,
}

/// A value without parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bare {
    /// Of up to 15 digits.
    Integer(i64),
    /// In thousandths.
    Decimal(i64),
    /// Printable ASCII.
    String(String),
    /// A bare word.
    Token(String),
    /// In base64.
    Bytes(Vec<u8>),
    /// `?1` or `?0`.
    Boolean(bool),
}

/// Reads a dictionary; `None` for anything else.
#[must_use]
pub fn dictionary(field: &[u8]) -> Option<Dictionary> {
    let mut reader = Reader(trim(field, b" "));
    let mut members = Dictionary::new();
    while !reader.0.is_empty() {
        if !members.is_empty() {
            reader.skip(b" \t");
            reader.expect(b',')?;
            reader.skip(b" \t");
        }
        let key = reader.key()?;
        let member = if reader.accept(b'=') {
            reader.member()?
        } else {
            Member::Item(Item { bare: Bare::Boolean(true), parameters: reader.parameters()? })
        };
        insert(&mut members, key, member)?;
        // What stands behind the last member is trimmed: white space alone is no end.
        if reader.0.iter().all(|byte| matches!(byte, b' ' | b'\t')) {
            reader.0 = &[];
        }
    }
    Some(members)
}

/// The value of a key.
#[must_use]
pub fn find<'a, T>(entries: &'a [(String, T)], key: &str) -> Option<&'a T> {
    entries.iter().find(|(own, _)| own == key).map(|(_, value)| value)
}

fn insert<T>(entries: &mut Vec<(String, T)>, key: String, value: T) -> Option<()> {
    let fits = entries.len() < MOST && find(entries, &key).is_none();
    fits.then(|| entries.push((key, value)))
}

fn trim<'a>(mut bytes: &'a [u8], blanks: &[u8]) -> &'a [u8] {
    while let [first, rest @ ..] = bytes
        && blanks.contains(first)
    {
        bytes = rest;
    }
    while let [rest @ .., last] = bytes
        && blanks.contains(last)
    {
        bytes = rest;
    }
    bytes
}

// === writing ===

impl Member {
    /// Writes it in its canonical form.
    pub fn write(&self, to: &mut Vec<u8>) {
        match self {
            Self::Item(item) => item.write(to),
            Self::InnerList(items, parameters) => write_inner_list(items, parameters, to),
        }
    }
}

/// Writes an inner list in its canonical form.
pub fn write_inner_list(items: &[Item], parameters: &Parameters, to: &mut Vec<u8>) {
    to.push(b'(');
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            to.push(b' ');
        }
        item.write(to);
    }
    to.push(b')');
    write_parameters(parameters, to);
}

impl Item {
    /// Writes it in its canonical form.
    pub fn write(&self, to: &mut Vec<u8>) {
        self.bare.write(to);
        write_parameters(&self.parameters, to);
    }
}

impl Bare {
    fn write(&self, to: &mut Vec<u8>) {
        match self {
            Self::Integer(integer) => to.extend_from_slice(integer.to_string().as_bytes()),
            Self::Decimal(thousandths) => {
                let sign = if *thousandths < 0 { "-" } else { "" };
                let (whole, rest) = (thousandths.unsigned_abs() / 1000, thousandths.unsigned_abs() % 1000);
                let decimal = format!("{sign}{whole}.{rest:03}");
                // One digit stays behind the point.
                let shorter = decimal.strip_suffix("00").or_else(|| decimal.strip_suffix('0')).unwrap_or(&decimal);
                to.extend_from_slice(shorter.as_bytes());
            }
            Self::String(text) => {
                to.push(b'"');
                for byte in text.bytes() {
                    if matches!(byte, b'"' | b'\\') {
                        to.push(b'\\');
                    }
                    to.push(byte);
                }
                to.push(b'"');
            }
            Self::Token(token) => to.extend_from_slice(token.as_bytes()),
            Self::Bytes(bytes) => write_bytes(bytes, to),
            Self::Boolean(true) => to.extend_from_slice(b"?1"),
            Self::Boolean(false) => to.extend_from_slice(b"?0"),
        }
    }
}

/// Writes a byte sequence, `:` before and behind.
pub fn write_bytes(bytes: &[u8], to: &mut Vec<u8>) {
    to.push(b':');
    to.extend_from_slice(base64::encode(bytes).as_bytes());
    to.push(b':');
}

fn write_parameters(parameters: &Parameters, to: &mut Vec<u8>) {
    for (key, value) in parameters {
        to.push(b';');
        to.extend_from_slice(key.as_bytes());
        if *value != Bare::Boolean(true) {
            to.push(b'=');
            value.write(to);
        }
    }
}

// === reading ===

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn accept(&mut self, byte: u8) -> bool {
        match self.0 {
            [first, rest @ ..] if *first == byte => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.accept(byte).then_some(())
    }

    fn skip(&mut self, blanks: &[u8]) {
        self.run(|byte| blanks.contains(&byte));
    }

    /// The longest front of bytes that pass.
    fn run(&mut self, passes: impl Fn(u8) -> bool) -> &'a [u8] {
        let length = self.0.iter().position(|byte| !passes(*byte)).unwrap_or(self.0.len());
        let (front, rest) = self.0.split_at_checked(length).unwrap_or_default();
        self.0 = rest;
        front
    }

    fn key(&mut self) -> Option<String> {
        let first = |byte: &u8| byte.is_ascii_lowercase() || *byte == b'*';
        self.0.first().filter(|byte| first(byte))?;
        let rest =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-' | b'.' | b'*');
        text(self.run(rest))
    }

    fn member(&mut self) -> Option<Member> {
        if !self.accept(b'(') {
            return self.item().map(Member::Item);
        }
        let mut items = Vec::new();
        loop {
            self.skip(b" ");
            if self.accept(b')') {
                return Some(Member::InnerList(items, self.parameters()?));
            }
            if items.len() == MOST {
                return None;
            }
            items.push(self.item()?);
            if !matches!(self.0.first(), Some(b' ' | b')')) {
                return None;
            }
        }
    }

    fn item(&mut self) -> Option<Item> {
        Some(Item { bare: self.bare()?, parameters: self.parameters()? })
    }

    fn parameters(&mut self) -> Option<Parameters> {
        let mut parameters = Parameters::new();
        while self.accept(b';') {
            self.skip(b" ");
            let key = self.key()?;
            let value = if self.accept(b'=') { self.bare()? } else { Bare::Boolean(true) };
            insert(&mut parameters, key, value)?;
        }
        Some(parameters)
    }

    fn bare(&mut self) -> Option<Bare> {
        match self.0.first()? {
            b'-' | b'0'..=b'9' => self.number(),
            b'"' => self.string(),
            b':' => self.bytes(),
            b'?' => self.boolean(),
            byte if byte.is_ascii_alphabetic() || *byte == b'*' => {
                let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&byte);
                text(self.run(token)).map(Bare::Token)
            }
            _ => None,
        }
    }

    fn number(&mut self) -> Option<Bare> {
        let sign = if self.accept(b'-') { -1 } else { 1 };
        let whole = self.run(|byte| byte.is_ascii_digit());
        if !self.accept(b'.') {
            let length_is_valid = (1..=15).contains(&whole.len());
            return length_is_valid.then_some(Bare::Integer(decimal(whole)?.checked_mul(sign)?));
        }
        let fraction = self.run(|byte| byte.is_ascii_digit());
        if !(1..=12).contains(&whole.len()) {
            return None;
        }
        let thousandths = match fraction {
            [_] => decimal(fraction)?.checked_mul(100),
            [_, _] => decimal(fraction)?.checked_mul(10),
            [_, _, _] => decimal(fraction),
            _ => None,
        };
        let number = decimal(whole)?.checked_mul(1000)?.checked_add(thousandths?)?;
        Some(Bare::Decimal(number.checked_mul(sign)?))
    }

    fn string(&mut self) -> Option<Bare> {
        self.expect(b'"')?;
        let mut string = String::new();
        loop {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            match byte {
                b'"' => return Some(Bare::String(string)),
                b'\\' => {
                    let (escaped, rest) = self.0.split_first()?;
                    self.0 = rest;
                    matches!(escaped, b'"' | b'\\').then(|| string.push(char::from(*escaped)))?;
                }
                b' '..=b'~' => string.push(char::from(*byte)),
                _ => return None,
            }
        }
    }

    fn bytes(&mut self) -> Option<Bare> {
        self.expect(b':')?;
        let encoded = self.run(|byte| byte != b':');
        self.expect(b':')?;
        base64::decode(encoded).map(Bare::Bytes)
    }

    fn boolean(&mut self) -> Option<Bare> {
        self.expect(b'?')?;
        match self.accept(b'1') {
            true => Some(Bare::Boolean(true)),
            false => self.accept(b'0').then_some(Bare::Boolean(false)),
        }
    }
}

fn text(bytes: &[u8]) -> Option<String> {
    str::from_utf8(bytes).ok().map(str::to_owned)
}

/// The number that digits write.
fn decimal(digits: &[u8]) -> Option<i64> {
    digits
        .iter()
        .try_fold(0_i64, |number, digit| number.checked_mul(10)?.checked_add(i64::from(digit.checked_sub(b'0')?)))
}

#[cfg(test)]
mod tests;
