//! Held messages: a filter that waits for a callout in the headers or with a piece of the body in hand, while the peer
//! goes on sending.

use crate::Probe;
use palisade_sdk::exchange::{Head, Side};
use palisade_sdk::{ExchangeError, Handle, Reply, Request};
use std::time::Duration;

/// What a path `/held/<request or response>/<when>/<how>` asks for: `when` the filter waits is `head`, `before` or
/// `after` its change to a piece, or `never`.
struct Plan<'a> {
    path: &'a str,
    when: &'a str,
    how: &'a str,
}

impl Probe {
    pub(crate) async fn held(&self, request: Request<Self>, path: &str) -> Result<(), Reply> {
        let mut words = path.split('?').next().unwrap_or_default().split('/').skip(2);
        let side = words.next().unwrap_or_default();
        let plan = Plan { path, when: words.next().unwrap_or_default(), how: words.next().unwrap_or_default() };
        let outcome = match side {
            "response" => self.work(request.response().await, &plan).await,
            "both" => self.hold_both(request).await,
            _ => self.work(request, &plan).await,
        };
        match outcome {
            // As a filter that makes do with a body that is cut short.
            Err(ExchangeError::Overtaken) if plan.how == "tolerate" => Ok(()),
            outcome => Ok(outcome?),
        }
    }

    /// Holds the whole request, and then the response for a moment.
    async fn hold_both(&self, request: Request<Self>) -> Result<(), ExchangeError> {
        let handle = request.handle().clone();
        let mut body = request.rewrite_body()?;
        body.whole(64 * 1024).await?;
        let mut response = match body.trailers_or_response().await? {
            Ok(trailers) => trailers.response().await,
            Err(response) => response,
        };
        handle.sleep(Duration::from_millis(1)).await?;
        Ok(response.set_header("x-probe", "held")?)
    }

    async fn work<S: Side>(&self, head: Head<Self, S>, plan: &Plan<'_>) -> Result<(), ExchangeError> {
        self.pause(head.handle(), plan, "head").await?;
        match plan.how {
            "read" => self.read_held(head, plan).await,
            "whole" => self.wrap_whole(head, plan).await,
            "keep" => self.wrap_kept(head, plan).await,
            _ => self.wrap_each(head, plan).await,
        }
    }

    /// Says in the log what it has read.
    async fn read_held<S: Side>(&self, head: Head<Self, S>, plan: &Plan<'_>) -> Result<(), ExchangeError> {
        let handle = head.handle().clone();
        let mut body = head.into_body();
        let mut seen = Vec::new();
        while let Some(chunk) = body.chunk().await? {
            self.pause(&handle, plan, "before").await?;
            seen.extend(chunk.bytes()?);
            self.pause(&handle, plan, "after").await?;
        }
        log::info!("{} read {:?}", plan.path, String::from_utf8_lossy(&seen));
        Ok(())
    }

    /// Puts each piece in angle brackets.
    async fn wrap_each<S: Side>(&self, head: Head<Self, S>, plan: &Plan<'_>) -> Result<(), ExchangeError> {
        let handle = head.handle().clone();
        let mut body = head.rewrite_body()?;
        while let Some(mut chunk) = body.chunk().await? {
            self.pause(&handle, plan, "before").await?;
            if !chunk.is_empty() {
                let bytes = chunk.bytes()?;
                chunk.replace(&wrapped(&bytes))?;
            }
            self.pause(&handle, plan, "after").await?;
        }
        Ok(())
    }

    async fn wrap_whole<S: Side>(&self, head: Head<Self, S>, plan: &Plan<'_>) -> Result<(), ExchangeError> {
        let handle = head.handle().clone();
        let mut body = head.rewrite_body()?;
        if let Some(mut whole) = body.whole(64 * 1024).await? {
            self.pause(&handle, plan, "before").await?;
            let bytes = whole.bytes()?;
            whole.replace(&wrapped(&bytes))?;
            self.pause(&handle, plan, "after").await?;
        }
        Ok(())
    }

    async fn wrap_kept<S: Side>(&self, head: Head<Self, S>, plan: &Plan<'_>) -> Result<(), ExchangeError> {
        let handle = head.handle().clone();
        let mut body = head.rewrite_body()?;
        while let Some(mut chunk) = body.chunk().await? {
            self.pause(&handle, plan, "before").await?;
            if chunk.is_last() {
                let bytes = chunk.bytes()?;
                chunk.replace(&wrapped(&bytes))?;
            } else {
                chunk.keep();
            }
        }
        Ok(())
    }

    /// Waits until a callout is answered, whatever the answer, if that is when the plan wants it.
    async fn pause(&self, handle: &Handle<Self>, plan: &Plan<'_>, when: &str) -> Result<(), ExchangeError> {
        if plan.when == when {
            let call = handle.http_call(&self.config.callouts).header(":path", "/pause")?;
            let _ = call.timeout(Duration::from_secs(10)).send().await;
        }
        Ok(())
    }
}

fn wrapped(bytes: &[u8]) -> Vec<u8> {
    [b"<", bytes, b">"].concat()
}
