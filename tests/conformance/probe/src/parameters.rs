//! Parameters of host functions by kind: what a script gives for them, and what the host writes to them.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::slice::Iter;

use crate::answer::Answer;
use crate::script::{Argument, Call, quoted};

/// The arguments of a call that no parameter has taken yet.
pub(crate) struct Arguments<'a> {
    rest: Iter<'a, Argument>,
    variable: &'a dyn Fn(&str) -> Option<u64>,
}

impl<'a> Arguments<'a> {
    pub(crate) fn new(call: &'a Call, variable: &'a dyn Fn(&str) -> Option<u64>) -> Self {
        Self { rest: call.arguments.iter(), variable }
    }

    fn next(&mut self, parameter: &str) -> Result<&Argument, String> {
        self.rest.next().ok_or_else(|| format!("the argument `{parameter}` is missing"))
    }

    fn number(&mut self, parameter: &str) -> Result<u64, String> {
        let variable = self.variable;
        match self.next(parameter)? {
            Argument::Number(number) => Ok(*number),
            Argument::Variable(name) => variable(name).ok_or_else(|| format!("nothing has set ${name}")),
            other => Err(format!("`{parameter}` is a number, not {other:?}")),
        }
    }

    /// Where a result is to go instead of memory of the probe's own.
    fn place(&mut self, parameter: &str) -> Result<Option<usize>, String> {
        match self.rest.next() {
            None => Ok(None),
            Some(Argument::Place { address, .. }) => Ok(Some(*address)),
            Some(other) => Err(format!("`{parameter}` is a place, not {other:?}")),
        }
    }

    pub(crate) fn end(&mut self) -> Result<(), String> {
        self.rest.next().map_or(Ok(()), |argument| Err(format!("{argument:?} is one argument too many")))
    }
}

pub(crate) struct Number(u32);

impl Number {
    #[allow(clippy::cast_possible_truncation, reason = "a negative number is written as such")]
    pub(crate) fn read(parameter: &str, arguments: &mut Arguments<'_>) -> Result<Self, String> {
        arguments.number(parameter).map(|number| Self(number as u32))
    }

    pub(crate) const fn value(&self) -> u32 {
        self.0
    }

    pub(crate) const fn tell(&self, _: &str, _: &mut Answer) {}
}

pub(crate) struct Wide(u64);

impl Wide {
    pub(crate) fn read(parameter: &str, arguments: &mut Arguments<'_>) -> Result<Self, String> {
        arguments.number(parameter).map(Self)
    }

    pub(crate) const fn value(&self) -> u64 {
        self.0
    }

    pub(crate) const fn tell(&self, _: &str, _: &mut Answer) {}
}

pub(crate) enum Bytes {
    Own(Vec<u8>),
    Elsewhere(usize, usize),
}

impl Bytes {
    pub(crate) fn read(parameter: &str, arguments: &mut Arguments<'_>) -> Result<Self, String> {
        match arguments.next(parameter)? {
            Argument::Bytes(bytes) => Ok(Self::Own(bytes.clone())),
            Argument::Place { address, length } => Ok(Self::Elsewhere(*address, *length)),
            other => Err(format!("`{parameter}` is bytes, not {other:?}")),
        }
    }

    pub(crate) const fn data(&self) -> *const u8 {
        match self {
            Self::Own(bytes) => bytes.as_ptr(),
            Self::Elsewhere(address, _) => std::ptr::without_provenance(*address),
        }
    }

    pub(crate) const fn length(&self) -> usize {
        match self {
            Self::Own(bytes) => bytes.len(),
            Self::Elsewhere(_, length) => *length,
        }
    }

    pub(crate) const fn tell(&self, _: &str, _: &mut Answer) {}
}

/// A number that the host writes; one that it leaves alone is told from one that it sets to zero.
pub(crate) struct OutNumber {
    value: Cell<u32>,
    elsewhere: Option<usize>,
}

const UNTOUCHED: u32 = 0xdead_beef;

impl OutNumber {
    pub(crate) fn read(parameter: &str, arguments: &mut Arguments<'_>) -> Result<Self, String> {
        Ok(Self { value: Cell::new(UNTOUCHED), elsewhere: arguments.place(parameter)? })
    }

    pub(crate) fn place(&self) -> *mut u32 {
        self.elsewhere.map_or_else(|| self.value.as_ptr(), std::ptr::without_provenance_mut)
    }

    pub(crate) fn tell(&self, parameter: &str, answer: &mut Answer) {
        let value = self.value.get();
        if value != UNTOUCHED {
            answer.results.push(format!("{parameter} {value}"));
            answer.number.get_or_insert(value);
        }
    }
}

pub(crate) struct OutWide {
    value: Cell<u64>,
    elsewhere: Option<usize>,
}

impl OutWide {
    pub(crate) fn read(parameter: &str, arguments: &mut Arguments<'_>) -> Result<Self, String> {
        Ok(Self { value: Cell::new(u64::from(UNTOUCHED)), elsewhere: arguments.place(parameter)? })
    }

    pub(crate) fn place(&self) -> *mut u64 {
        self.elsewhere.map_or_else(|| self.value.as_ptr(), std::ptr::without_provenance_mut)
    }

    pub(crate) fn tell(&self, parameter: &str, answer: &mut Answer) {
        let value = self.value.get();
        if value != u64::from(UNTOUCHED) {
            answer.results.push(format!("{parameter} {value}"));
        }
    }
}

/// Bytes that the host hands over in memory that it asked the probe for.
pub(crate) struct OutBytes {
    data: Cell<*mut u8>,
    length: Cell<usize>,
    elsewhere: Option<usize>,
}

impl OutBytes {
    pub(crate) fn read(parameter: &str, arguments: &mut Arguments<'_>) -> Result<Self, String> {
        let data = Cell::new(std::ptr::without_provenance_mut(UNTOUCHED as usize));
        Ok(Self { data, length: Cell::new(UNTOUCHED as usize), elsewhere: arguments.place(parameter)? })
    }

    pub(crate) fn data(&self) -> *mut *mut u8 {
        self.elsewhere.map_or_else(|| self.data.as_ptr(), std::ptr::without_provenance_mut)
    }

    pub(crate) const fn length(&self) -> *mut usize {
        self.length.as_ptr()
    }

    /// What the host handed over: nothing at all, a null pointer, or bytes.
    fn taken(&self) -> Option<Option<Vec<u8>>> {
        let (data, length) = (self.data.get(), self.length.get());
        if length == UNTOUCHED as usize || data.addr() == UNTOUCHED as usize {
            return None;
        }
        if data.is_null() {
            return Some(None);
        }
        // SAFETY: the host got this memory from `allocate(length)` and has filled it; nobody else owns it.
        Some(Some(unsafe { Vec::from_raw_parts(data, length, length) }))
    }

    pub(crate) fn tell(&self, parameter: &str, answer: &mut Answer) {
        self.tell_as(parameter, answer, quoted);
    }

    fn tell_as(&self, parameter: &str, answer: &mut Answer, show: fn(&[u8]) -> String) {
        match self.taken() {
            None => {}
            Some(None) => answer.results.push(format!("{parameter} null, {} bytes", self.length.get())),
            Some(Some(bytes)) => {
                answer.results.push(format!("{parameter} {}", show(&bytes)));
                answer.bytes.get_or_insert(bytes);
            }
        }
    }
}

/// A header map that the host hands over.
pub(crate) struct OutPairs(OutBytes);

impl OutPairs {
    pub(crate) fn read(parameter: &str, arguments: &mut Arguments<'_>) -> Result<Self, String> {
        OutBytes::read(parameter, arguments).map(Self)
    }

    pub(crate) fn data(&self) -> *mut *mut u8 {
        self.0.data()
    }

    pub(crate) const fn length(&self) -> *mut usize {
        self.0.length()
    }

    pub(crate) fn tell(&self, parameter: &str, answer: &mut Answer) {
        self.0.tell_as(parameter, answer, |bytes| crate::script::shown_pairs(bytes).unwrap_or_else(|| quoted(bytes)));
    }
}
