//! Reading: a request's headers and properties, at as few calls of the host as the limits need.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell};

use palisade_sdk::matching::{Attributes, Field, RequestView};
use palisade_sdk::{ExchangeError, Filter, Handle, HeaderMap, Request};

use crate::limiter::Limiter;

/// What one request says. A pseudo-header, which cannot come twice, is read alone where nothing else is asked for; all others are read
/// at once, which costs the host less than to look for one and for a second line of it.
pub(crate) struct Reading<'r, F> {
    request: &'r Request<F>,
    first: OnceCell<(String, Field<Vec<u8>>)>,
    all: OnceCell<HeaderMap>,
    habit: &'r Habit,
}

/// Whether the requests of this configuration are usually asked for more than one header.
#[derive(Default)]
pub(crate) struct Habit(Cell<bool>);

impl<'r, F: Filter> Reading<'r, F> {
    pub(crate) fn new(request: &'r Request<F>, habit: &'r Habit) -> Self {
        Self { request, first: OnceCell::new(), all: OnceCell::new(), habit }
    }

    /// The request as matchers and selectors see it.
    pub(crate) fn view<'v>(&'v self, limiter: &'v Limiter) -> RequestView<'v, Self> {
        RequestView::new(self, &limiter.config().client_ip)
    }

    /// The way to the host.
    pub(crate) fn handle(&self) -> &'r Handle<F> {
        self.request.handle()
    }

    fn all(&self) -> Result<&HeaderMap, ExchangeError> {
        if let Some(all) = self.all.get() {
            return Ok(all);
        }
        let all = self.request.headers()?;
        Ok(self.all.get_or_init(|| all))
    }

    /// One header by itself; `None` where that leaves open whether there is more than one line.
    fn alone(&self, name: &str) -> Result<Option<Field<Cow<'static, [u8]>>>, ExchangeError> {
        if name.starts_with(':') {
            return Ok(Some(Field::from(self.request.header(name)?).map(Cow::Owned)));
        }
        // All lines, joined with commas.
        Ok(match self.request.joined(name)? {
            Some(joined) if joined.contains(&b',') => None,
            joined => Some(Field::from(joined).map(Cow::Owned)),
        })
    }
}

impl<F: Filter> Attributes for Reading<'_, F> {
    type Error = ExchangeError;

    fn header(&self, name: &str) -> Result<Field<Cow<'_, [u8]>>, ExchangeError> {
        if let Some((_, value)) = self.first.get().filter(|(first, _)| first == name) {
            return Ok(borrowed(value));
        }
        if self.first.get().is_some() {
            self.habit.0.set(true);
        }
        if name.starts_with(':') && self.all.get().is_none() && !self.habit.0.get() {
            let value = self.request.header(name)?.into();
            let (_, value) = self.first.get_or_init(|| (name.to_owned(), value));
            return Ok(borrowed(value));
        }
        match self.all() {
            Ok(all) => Ok(all.field(name).map(Cow::Borrowed)),
            // Envoy hands over no more than 1024 headers, and no more than a MiB of them, at once.
            Err(error) => self.alone(name)?.ok_or(error),
        }
    }

    fn property(&self, path: &[&str]) -> Result<Option<Cow<'_, [u8]>>, ExchangeError> {
        Ok(self.request.handle().property(path)?.map(Cow::Owned))
    }
}

fn borrowed(value: &Field<Vec<u8>>) -> Field<Cow<'_, [u8]>> {
    match value {
        Field::Absent => Field::Absent,
        Field::One(value) => Field::One(Cow::Borrowed(value)),
        Field::Many => Field::Many,
    }
}
