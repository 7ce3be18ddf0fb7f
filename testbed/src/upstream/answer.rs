//! What an upstream answers.

use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};

use crate::message::{Headers, latin1};

/// An answer; the default is 200 with the echo of the request, once the request has come to its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    status: Option<u16>,
    headers: Headers,
    body: Option<Vec<u8>>,
    chunk: Option<usize>,
    chunk_pause: Duration,
    trailers: Headers,
    delay: Duration,
    early: bool,
    headers_only: bool,
    reset: Option<Reset>,
}

/// Where an answer breaks off: TCP RST on HTTP/1.1, `RST_STREAM` on HTTP/2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset {
    /// Before any byte of it.
    BeforeHeaders,
    /// After its headers.
    AfterHeaders,
    /// After half of its body.
    MidBody,
}

impl Answer {
    /// The default with another status.
    pub fn with_status(status: u16) -> Self {
        Self { status: Some(status), ..Self::default() }
    }

    /// With another status.
    pub fn status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// With one more header line.
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.headers.push(name, value);
        self
    }

    /// With this body instead of the echo.
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = Some(body.as_ref().to_vec());
        self
    }

    /// With the body in pieces of `size` bytes and a pause after each: chunked without a length on HTTP/1.1, one DATA
    /// frame each on HTTP/2.
    pub fn chunks(mut self, size: usize, pause: Duration) -> Self {
        self.chunk = Some(size.max(1));
        self.chunk_pause = pause;
        self
    }

    /// With one more trailer line; the body is chunked then.
    pub fn trailer(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.trailers.push(name, value);
        self
    }

    /// That much later.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// As soon as the request's headers have come, before its body.
    pub fn early(mut self) -> Self {
        self.early = true;
        self
    }

    /// Without a body: on HTTP/2 the headers end it.
    pub fn headers_only(mut self) -> Self {
        self.headers_only = true;
        self.body = Some(Vec::new());
        self
    }

    /// Broken off.
    pub fn reset(mut self, at: Reset) -> Self {
        self.reset = Some(at);
        self
    }

    /// The answer that a request's own headers ask for, `None` where it has no such header:
    ///
    /// | header | meaning |
    /// |---|---|
    /// | `x-upstream-status: 503` | the status |
    /// | `x-upstream-header: name: value` | a header line; may be repeated |
    /// | `x-upstream-body: text` | the body instead of the echo |
    /// | `x-upstream-body-bytes: 10` | a body of so many bytes, `x` each |
    /// | `x-upstream-chunk-bytes: 10` | the body in pieces of that size |
    /// | `x-upstream-chunk-pause-ms: 5` | the pause after each piece |
    /// | `x-upstream-trailer: name: value` | a trailer line; may be repeated |
    /// | `x-upstream-delay-ms: 100` | later |
    /// | `x-upstream-early: 1` | before the request's body |
    /// | `x-upstream-reset: before_headers` | broken off; also `after_headers`, `mid_body` |
    pub fn from_headers(headers: &Headers) -> Result<Option<Self>> {
        let mut answer = Self::default();
        let mut directed = false;
        for (name, value) in headers.iter() {
            let name = latin1(name).to_ascii_lowercase();
            let Some(option) = name.strip_prefix("x-upstream-") else { continue };
            directed = true;
            answer.set(option, value).with_context(|| format!("header {name}"))?;
        }
        Ok(directed.then_some(answer))
    }

    fn set(&mut self, option: &str, value: &[u8]) -> Result<()> {
        match option {
            "status" => self.status = Some(number(value)?),
            "header" => push_line(&mut self.headers, value)?,
            "body" => self.body = Some(value.to_vec()),
            "body-bytes" => self.body = Some(vec![b'x'; number(value)?]),
            "chunk-bytes" => self.chunk = Some(number::<usize>(value)?.max(1)),
            "chunk-pause-ms" => self.chunk_pause = Duration::from_millis(number(value)?),
            "trailer" => push_line(&mut self.trailers, value)?,
            "delay-ms" => self.delay = Duration::from_millis(number(value)?),
            "early" => self.early = true,
            "reset" => self.reset = Some(latin1(value).parse()?),
            _ => bail!("the upstream knows no such option"),
        }
        Ok(())
    }

    pub(super) fn status_code(&self) -> u16 {
        self.status.unwrap_or(200)
    }

    /// The header lines of the answer beside framing.
    pub(super) fn head(&self) -> Headers {
        let mut head = self.headers.clone();
        if self.body.is_none() && head.get("content-type").is_none() {
            head.push("content-type", "application/json");
        }
        head
    }

    pub(crate) fn given_body(&self) -> Option<&[u8]> {
        self.body.as_deref()
    }

    /// The body in the pieces in which it is to be written.
    pub(super) fn pieces<'a>(&self, body: &'a [u8]) -> Vec<&'a [u8]> {
        let body = if self.reset == Some(Reset::MidBody) { &body[..body.len() / 2] } else { body };
        body.chunks(self.chunk.unwrap_or(body.len()).max(1)).collect()
    }

    pub(super) fn is_chunked(&self) -> bool {
        self.chunk.is_some() || !self.trailers.is_empty()
    }

    pub(super) fn trailers(&self) -> &Headers {
        &self.trailers
    }

    pub(super) fn is_early(&self) -> bool {
        self.early
    }

    pub(super) fn is_headers_only(&self) -> bool {
        self.headers_only
    }

    pub(super) fn resets_at(&self, at: Reset) -> bool {
        self.reset == Some(at)
    }

    pub(super) async fn wait(&self) {
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
    }

    pub(super) async fn pause(&self) {
        if !self.chunk_pause.is_zero() {
            tokio::time::sleep(self.chunk_pause).await;
        }
    }
}

impl FromStr for Reset {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "before_headers" => Ok(Self::BeforeHeaders),
            "after_headers" => Ok(Self::AfterHeaders),
            "mid_body" => Ok(Self::MidBody),
            _ => bail!("{text:?} is none of before_headers, after_headers, mid_body"),
        }
    }
}

fn number<T: FromStr>(value: &[u8]) -> Result<T> {
    let text = latin1(value);
    text.parse().map_err(|_| anyhow!("{text:?} is no number that fits"))
}

fn push_line(lines: &mut Headers, line: &[u8]) -> Result<()> {
    let colon = line.iter().position(|byte| *byte == b':').context("expected `name: value`")?;
    lines.push(line[..colon].trim_ascii(), line[colon + 1..].trim_ascii());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_directs_its_answer_by_headers() {
        let headers =
            [("x-upstream-status", "503"), ("X-Upstream-Header", "a: b"), ("x-upstream-delay-ms", "5"), ("other", "1")];
        let answer = Answer::from_headers(&headers.into_iter().collect()).unwrap();
        assert_eq!(answer, Some(Answer::with_status(503).header("a", "b").delay(Duration::from_millis(5))));
    }

    #[test]
    fn a_request_without_such_headers_directs_nothing() {
        assert_eq!(Answer::from_headers(&[("a", "b")].into_iter().collect()).unwrap(), None);
    }

    #[test]
    fn an_unknown_option_is_named() {
        let error = Answer::from_headers(&[("x-upstream-statsu", "503")].into_iter().collect()).unwrap_err();
        assert!(format!("{error:#}").contains("x-upstream-statsu"));
    }
}
