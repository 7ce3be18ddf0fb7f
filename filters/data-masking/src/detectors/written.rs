//! Numbers written in fixed forms, such as `123-45-6789`.

use super::Score;
use super::text::{Found, Text, Unknown};
use super::traits::Needs;

/// The most digits and letters of a number.
const LONGEST: usize = 24;

/// A number that is written in one of several forms.
#[derive(Debug)]
pub(super) struct Written {
    /// What stands at each place: `9` a digit, `A` a capital, `a` a letter, `X` a digit or capital, `H` a hexadecimal
    /// digit; `~` nothing, a blank or a hyphen, the same everywhere; any other byte itself.
    pub(super) forms: &'static [&'static str],
    /// How sure a number is, given its digits and letters, these in upper case.
    pub(super) check: fn(&[u8]) -> Option<Score>,
    /// Whether digits that nothing separates are too common to count without a context word.
    pub(super) is_common: bool,
}

/// What a text has in which a number stands in one of these forms.
pub(super) const fn needs(forms: &[&str]) -> Needs {
    let mut needs = Needs { len: usize::MAX, digits: usize::MAX, kinds: 0, is_number: true };
    let mut rest = forms;
    while let [form, behind @ ..] = rest {
        let (mut len, mut digits) = (0usize, 0usize);
        let mut symbols = form.as_bytes();
        while let [symbol, more @ ..] = symbols {
            if *symbol != b'~' {
                len = len.saturating_add(1);
            }
            match *symbol {
                b'0'..=b'9' => digits = digits.saturating_add(1),
                b'A' | b'a' | b'X' | b'H' | b':' => needs.is_number = false,
                _ => {}
            }
            symbols = more;
        }
        if len < needs.len {
            needs.len = len;
        }
        if digits < needs.digits {
            needs.digits = digits;
        }
        rest = behind;
    }
    needs
}

/// Numbers of leading digits, as bits.
pub(super) const fn leading(least: usize, most: usize) -> u32 {
    (u32::MAX << least) & (u32::MAX >> 31usize.saturating_sub(most))
}

/// How many digits a number may begin with that stands in one of these forms.
pub(super) const fn leads(forms: &[&str]) -> u32 {
    let mut leads = 0;
    let mut rest = forms;
    while let [form, behind @ ..] = rest {
        let mut digits = 0usize;
        let mut symbols = form.as_bytes();
        leads |= loop {
            match symbols {
                [b'0'..=b'9', more @ ..] => (digits, symbols) = (digits.saturating_add(1), more),
                // It is there, or nothing is.
                [b'~', more @ ..] => {
                    leads |= leading(digits, digits);
                    symbols = more;
                }
                [b'X' | b'H', ..] => break leading(digits, 31),
                _ => break leading(digits, digits),
            }
        };
        rest = behind;
    }
    leads
}

struct Number {
    bytes: [u8; LONGEST],
    len: usize,
}

impl Written {
    pub(super) fn recognise(&self, text: Text<'_>) -> Result<Option<Found>, Unknown> {
        let mut found = None;
        let mut is_unknown = false;
        for form in self.forms {
            match self.form(text, form.as_bytes()) {
                Ok(other) => found = Found::better(found, other),
                Err(Unknown) => is_unknown = true,
            }
        }
        if is_unknown { Err(Unknown) } else { Ok(found) }
    }

    fn form(&self, text: Text<'_>, form: &[u8]) -> Result<Option<Found>, Unknown> {
        let mut number = Number { bytes: [0; LONGEST], len: 0 };
        let mut separator = None;
        let mut is_separated = false;
        let mut at = 0usize;
        for symbol in form {
            let Some(byte) = text.byte(at)? else { return Ok(None) };
            let fits = match symbol {
                b'9' => byte.is_ascii_digit(),
                b'A' => byte.is_ascii_uppercase(),
                b'a' => byte.is_ascii_alphabetic(),
                b'X' => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
                b'H' => byte.is_ascii_hexdigit(),
                b'~' => {
                    let here = matches!(byte, b' ' | b'-').then_some(byte);
                    if *separator.get_or_insert(here) != here {
                        return Ok(None);
                    }
                    is_separated |= here.is_some();
                    at = at.saturating_add(usize::from(here.is_some()));
                    continue;
                }
                _ if byte == *symbol => {
                    is_separated = true;
                    at = at.saturating_add(1);
                    continue;
                }
                _ => false,
            };
            if !fits {
                return Ok(None);
            }
            number.push(byte.to_ascii_uppercase());
            at = at.saturating_add(1);
        }
        if !text.ends_number(at)? {
            return Ok(None);
        }
        let is_bare = self.is_common && !is_separated;
        let score = (self.check)(number.bytes());
        Ok(score.map(|score| Found::new(at, if is_bare { score.by_context() } else { score })))
    }
}

// === impl Number ===

impl Number {
    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.len) {
            *place = byte;
            self.len = self.len.saturating_add(1);
        }
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}
