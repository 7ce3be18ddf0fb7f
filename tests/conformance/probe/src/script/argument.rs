//! The arguments of a host call, as a script writes them.

use std::fmt::Write as _;

/// An argument of a host call.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Argument {
    /// A number; a negative one in two's complement.
    Number(u64),
    /// Bytes in the probe's memory.
    Bytes(Vec<u8>),
    /// What an earlier call has given back.
    Variable(String),
    /// An address and a length, in the probe's memory or outside.
    Place {
        /// Where it begins.
        address: usize,
        /// How long it is said to be.
        length: usize,
    },
}

/// Reads arguments from behind the opening parenthesis.
pub(super) struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(rest: &'a str) -> Self {
        Self { rest }
    }

    /// Everything up to the closing parenthesis, which ends the line.
    pub(super) fn arguments(&mut self) -> Result<Vec<Argument>, String> {
        let arguments = self.list(")", Self::argument)?;
        if self.rest.is_empty() { Ok(arguments) } else { Err(format!("`{}` behind the call", self.rest)) }
    }

    /// Items with commas between them, up to what closes them.
    fn list<T>(&mut self, close: &str, item: fn(&mut Self) -> Result<T, String>) -> Result<Vec<T>, String> {
        let mut items = Vec::new();
        while !self.takes(close) {
            if !items.is_empty() && !self.takes(",") {
                return Err(format!("`,` or `{close}` is missing before `{}`", self.rest));
            }
            items.push(item(self)?);
        }
        Ok(items)
    }

    fn argument(&mut self) -> Result<Argument, String> {
        if self.takes("\"") {
            let text = self.text()?;
            let times = if self.takes("*") { self.number()? } else { 1 };
            return Ok(Argument::Bytes(text.repeat(usize::try_from(times).unwrap_or_default())));
        }
        if self.takes("{") {
            return Ok(Argument::Bytes(serialised(&self.list("}", Self::pair)?)));
        }
        if self.takes("$") {
            return Ok(Argument::Variable(self.word().to_owned()));
        }
        if self.takes("@") {
            let address = self.number()?;
            let length = if self.takes("+") { self.number()? } else { 0 };
            let size = |number| usize::try_from(number).map_err(|_| format!("{number} is no address"));
            return Ok(Argument::Place { address: size(address)?, length: size(length)? });
        }
        self.number().map(Argument::Number)
    }

    fn pair(&mut self) -> Result<(Vec<u8>, Vec<u8>), String> {
        let mut quoted =
            || if self.takes("\"") { self.text() } else { Err("a pair is `\"name\": \"value\"`".to_owned()) };
        let name = quoted()?;
        if !self.takes(":") {
            return Err("a pair is `\"name\": \"value\"`".to_owned());
        }
        if !self.takes("\"") {
            return Err("a pair is `\"name\": \"value\"`".to_owned());
        }
        Ok((name, self.text()?))
    }

    /// The rest of a text behind its opening quote.
    fn text(&mut self) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        let mut characters = self.rest.chars();
        loop {
            match characters.next().ok_or("a text has no end")? {
                '"' => break,
                '\\' => bytes.push(match characters.next() {
                    Some('0') => 0,
                    Some('n') => b'\n',
                    Some('r') => b'\r',
                    Some(same @ ('"' | '\\')) => u8::try_from(same).unwrap_or_default(),
                    Some('x') => {
                        let digits: String = characters.by_ref().take(2).collect();
                        u8::from_str_radix(&digits, 16).map_err(|_| format!("\\x{digits} is no byte"))?
                    }
                    other => return Err(format!("\\{} means nothing", other.unwrap_or(' '))),
                }),
                character => bytes.extend(character.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        self.rest = characters.as_str();
        Ok(bytes)
    }

    fn number(&mut self) -> Result<u64, String> {
        let negative = self.takes("-");
        let word = self.word();
        let number = match word {
            "MAX" => Some(u64::from(u32::MAX)),
            _ => word.parse().ok(),
        };
        let number: u64 = number.ok_or_else(|| format!("`{word}{}` is no argument", self.rest))?;
        Ok(if negative { number.wrapping_neg() } else { number })
    }

    fn word(&mut self) -> &'a str {
        self.rest = self.rest.trim_start();
        let end = self.rest.find(|character: char| !character.is_ascii_alphanumeric() && character != '_');
        let (word, rest) = self.rest.split_at_checked(end.unwrap_or(self.rest.len())).unwrap_or((self.rest, ""));
        self.rest = rest;
        word
    }

    fn takes(&mut self, token: &str) -> bool {
        let found = self.rest.trim_start().strip_prefix(token);
        self.rest = found.unwrap_or(self.rest);
        found.is_some()
    }
}

/// A header map in the ABI's pair format.
fn serialised(pairs: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let size = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    let mut bytes = size(pairs.len()).to_vec();
    for (name, value) in pairs {
        bytes.extend(size(name.len()));
        bytes.extend(size(value.len()));
    }
    for (name, value) in pairs {
        bytes.extend_from_slice(name);
        bytes.push(0);
        bytes.extend_from_slice(value);
        bytes.push(0);
    }
    bytes
}

/// A header map in the ABI's pair format as a script writes it; `None` where it is not in this format.
pub(crate) fn shown_pairs(bytes: &[u8]) -> Option<String> {
    let mut rest = bytes;
    let count = take_size(&mut rest)?;
    let lengths: Vec<_> = (0..count).map_while(|_| Some((take_size(&mut rest)?, take_size(&mut rest)?))).collect();
    let mut shown = Vec::new();
    for (name, value) in lengths {
        shown.push(format!("{}: {}", quoted(take(&mut rest, name)?), quoted(take(&mut rest, value)?)));
    }
    (shown.len() == count && rest.is_empty()).then(|| format!("{{{}}}", shown.join(", ")))
}

fn take_size(rest: &mut &[u8]) -> Option<usize> {
    let (size, after) = rest.split_first_chunk::<4>()?;
    *rest = after;
    usize::try_from(u32::from_le_bytes(*size)).ok()
}

/// A name or a value and the NUL behind it.
fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (bytes, after) = rest.split_at_checked(length)?;
    *rest = after.strip_prefix(&[0])?;
    Some(bytes)
}

/// Bytes as a script writes them; of long ones the beginning, with their length.
pub(crate) fn quoted(bytes: &[u8]) -> String {
    const SHOWN: usize = 160;
    let mut text = String::from("\"");
    for byte in bytes.iter().take(SHOWN) {
        let _ = match byte {
            b'"' | b'\\' => write!(text, "\\{}", char::from(*byte)),
            b' '..=b'~' => write!(text, "{}", char::from(*byte)),
            _ => write!(text, "\\x{byte:02x}"),
        };
    }
    text.push('"');
    if bytes.len() > SHOWN {
        let _ = write!(text, " .. {} bytes", bytes.len());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(text: &str) -> Result<Vec<Argument>, String> {
        Cursor::new(text).arguments()
    }

    #[test]
    fn each_kind_of_argument_is_read() {
        let bytes = |bytes: &[u8]| Argument::Bytes(bytes.to_vec());
        assert_eq!(
            arguments(r#"7, -1, MAX, "a,\0\xFF\"", "ab" * 2, $id, @8+MAX, @4)"#).unwrap(),
            [
                Argument::Number(7),
                Argument::Number(u64::MAX),
                Argument::Number(u64::from(u32::MAX)),
                bytes(b"a,\0\xFF\""),
                bytes(b"abab"),
                Argument::Variable("id".into()),
                Argument::Place { address: 8, length: u32::MAX as usize },
                Argument::Place { address: 4, length: 0 },
            ]
        );
        assert_eq!(arguments(")").unwrap(), []);
    }

    #[test]
    fn a_header_map_is_serialised_and_shown_as_it_was_written() {
        let [Argument::Bytes(map)] = &arguments(r#"{"a": "b", "c": ""})"#).unwrap()[..] else { panic!() };
        assert_eq!(shown_pairs(map).as_deref(), Some(r#"{"a": "b", "c": ""}"#));
        assert_eq!(shown_pairs(&map[1..]), None);
        assert_eq!(shown_pairs(&[0; 4]).as_deref(), Some("{}"));
    }

    #[test]
    fn what_is_no_argument_is_told() {
        for text in ["", "1", "x)", "1 2)", "\"a)", r#""\q")"#, "{\"a\"})", "1) 2", "@)"] {
            assert!(arguments(text).is_err(), "{text}");
        }
    }

    #[test]
    fn long_bytes_are_shown_by_their_beginning_and_length() {
        assert_eq!(quoted(b"a\"\n"), r#""a\"\x0a""#);
        assert!(quoted(&[b'x'; 1000]).ends_with("x\" .. 1000 bytes"));
    }
}
