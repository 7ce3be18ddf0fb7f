//! What the program says, on standard error, where nobody may be listening any more.

use std::fmt::Arguments;
use std::io::{self, Write};

/// A line of the program's own.
macro_rules! say {
    ($($text:tt)*) => {
        $crate::say::line(format_args!("palisade serve: {}", format_args!($($text)*)))
    };
}

pub(crate) use say;

/// Writes a line, or loses it.
pub(crate) fn line(text: Arguments<'_>) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}
