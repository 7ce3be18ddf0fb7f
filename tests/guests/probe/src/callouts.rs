//! Waiting: callouts and sleeps in each phase, with the message held meanwhile.

use crate::Probe;
use futures_util::future::join_all;
use palisade_sdk::{Answer, CallError, Handle, Reply, Request};
use std::hint::black_box;
use std::time::Duration;

/// The size of what a cancelled exchange holds, in bytes.
pub(crate) const BALLAST: usize = 16 * 1024;

impl Probe {
    /// As an auth filter does it: the answer's status decides, and nothing passes before it.
    pub(crate) async fn call(&self, mut request: Request<Self>) -> Result<(), Reply> {
        let query = query(&request)?;
        match self.ask(request.handle(), &query).await {
            Ok(answer) if answer.status == 200 => {
                request.set_header("x-probe-call", answer.body)?;
                Ok(())
            }
            Ok(answer) => Err(Reply::new(403, "probe_call").body(answer.status.to_string())),
            Err(error) => Err(Reply::new(503, "probe_call").body(error.to_string())),
        }
    }

    /// Names the error of a call to the cluster in `x-cluster`.
    pub(crate) async fn call_error(&self, request: Request<Self>) -> Result<(), Reply> {
        let cluster = String::from_utf8_lossy(&request.header("x-cluster")?.unwrap_or_default()).into_owned();
        let call = request.handle().http_call(&cluster).timeout(Duration::from_millis(200)).max_body(1024);
        let outcome = call.header(":path", query(&request)?)?.send().await;
        Err(Reply::new(200, "probe_call").body(format!("{outcome:?}")))
    }

    /// Sends a header on as it came, whatever its bytes.
    pub(crate) async fn call_bytes(&self, request: Request<Self>) -> Result<(), Reply> {
        let bytes = request.header("x-bytes")?.unwrap_or_default();
        let outcome = request.handle().http_call(&self.config.callouts).header("x-bytes", bytes)?.send().await;
        Err(Reply::new(200, "probe_call").body(format!("{outcome:?}")))
    }

    /// Waits with each piece of the body in hand.
    pub(crate) async fn call_in_body(&self, request: Request<Self>) -> Result<(), Reply> {
        let query = query(&request)?;
        let mut body = request.into_body();
        let handle = body.handle().clone();
        while body.chunk().await?.is_some() {
            if self.ask(&handle, &query).await.is_ok_and(|answer| answer.status != 200) {
                return Err(Reply::new(403, "probe_call"));
            }
        }
        Ok(())
    }

    pub(crate) async fn call_in_response(&self, request: Request<Self>) -> Result<(), Reply> {
        let query = query(&request)?;
        let mut response = request.response().await;
        match self.ask(response.handle(), &query).await {
            Ok(answer) => Ok(response.set_header("x-probe-call", answer.status.to_string())?),
            Err(error) => Err(Reply::new(502, "probe_call").body(error.to_string())),
        }
    }

    pub(crate) async fn sleep(&self, mut request: Request<Self>) -> Result<(), Reply> {
        let before = palisade_sdk::now()?;
        request.handle().sleep(Duration::from_millis(120)).await?;
        let slept = palisade_sdk::now()?.saturating_sub(before);
        request.set_header("x-probe-slept", slept.as_millis().to_string())?;
        Ok(())
    }

    /// Waits for a callout with a large value in the future, which a client that goes away must free.
    pub(crate) async fn cancelled_call(&self, request: Request<Self>) -> Result<(), Reply> {
        let ballast = black_box(vec![1_u8; BALLAST]);
        self.ask_query(&request).await?;
        Err(Reply::new(200, "probe_cancel").body(ballast.len().to_string()))
    }

    /// The same for many timers, each of which is small.
    pub(crate) async fn cancelled_sleep(&self, request: Request<Self>) -> Result<(), Reply> {
        let ballast = black_box(vec![1_u8; BALLAST]);
        join_all((0..100).map(|_| request.handle().sleep(Duration::from_secs(600)))).await;
        Err(Reply::new(200, "probe_cancel").body(ballast.len().to_string()))
    }

    /// Makes the callout that the query names, if it names one.
    pub(crate) async fn ask_query(&self, request: &Request<Self>) -> Result<(), Reply> {
        let query = query(request)?;
        if query != "/" {
            let answer = self.ask(request.handle(), &query).await;
            answer.map_err(|error| Reply::new(503, "probe_call").body(error.to_string()))?;
        }
        Ok(())
    }

    async fn ask(&self, handle: &Handle<Self>, path: &str) -> Result<Answer, CallError> {
        let call = handle.http_call(&self.config.callouts).timeout(Duration::from_secs(5));
        call.header(":path", path).map_err(|_| CallError::Malformed)?.send().await
    }
}

/// The query string is the path of the callout.
pub(crate) fn query(request: &Request<Probe>) -> Result<String, Reply> {
    let path = request.header(":path")?.unwrap_or_default();
    let path = String::from_utf8_lossy(&path).into_owned();
    Ok(path.split_once('?').map_or("/", |(_, query)| query).to_owned())
}
