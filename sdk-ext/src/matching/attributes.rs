//! Where the values of a request come from.

use std::borrow::Cow;

/// A value that a client can leave out or send more than once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field<T> {
    /// It is not there.
    Absent,
    /// It is there once.
    One(T),
    /// It is there more than once, so that it has no value to rely on.
    Many,
}

/// The headers and properties of one request.
pub trait Attributes {
    /// What goes wrong when the host is asked.
    type Error;

    /// A request header, or a pseudo header such as `:path`. The name is in lower case.
    ///
    /// # Errors
    ///
    /// When the host refuses to answer; an absent header is not an error.
    fn header(&self, name: &str) -> Result<Field<Cow<'_, [u8]>>, Self::Error>;

    /// A property by its path, such as `["source", "address"]`; `None` where the host does not know it.
    ///
    /// # Errors
    ///
    /// When the host refuses to answer; an unknown property is not an error.
    fn property(&self, path: &[&str]) -> Result<Option<Cow<'_, [u8]>>, Self::Error>;
}

// === impl Field ===

impl<T> Field<T> {
    /// Derives a field from the one value, if there is one.
    pub fn and_then<U>(self, derive: impl FnOnce(T) -> Field<U>) -> Field<U> {
        match self {
            Field::Absent => Field::Absent,
            Field::One(value) => derive(value),
            Field::Many => Field::Many,
        }
    }

    /// Converts the one value, if there is one.
    pub fn map<U>(self, convert: impl FnOnce(T) -> U) -> Field<U> {
        self.and_then(|value| Field::One(convert(value)))
    }
}

impl<T> From<Option<T>> for Field<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Field::Absent, Field::One)
    }
}
