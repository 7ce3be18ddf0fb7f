//! gRPC calls, one a request: the query names the method, headers the rest.

use crate::Probe;
use crate::callouts::{BALLAST, query};
use palisade_sdk::{GrpcAnswer, GrpcCall, GrpcError, Handle, Reply, Request};
use std::hint::black_box;
use std::time::Duration;

/// Longer than any test.
const LONG: Duration = Duration::from_secs(600);

impl Probe {
    /// Tells what came of a call, which may not take long where there is `x-hurry`.
    pub(crate) async fn grpc(&self, request: Request<Self>) -> Result<(), Reply> {
        let timeout = match request.header("x-hurry")? {
            Some(_) => Duration::from_millis(200),
            None => Duration::from_secs(10),
        };
        let text = match self.ask_by_grpc(&request, timeout).await? {
            Ok(answer) => format!("{answer:?} {}", answer.message.escape_ascii()),
            Err(GrpcError::Status(status)) => format!("{status:?} {}", status.message.escape_ascii()),
            Err(error) => format!("{error:?}"),
        };
        Err(Reply::new(200, "probe_grpc").body(text))
    }

    /// Which configuration serves this request, after a call.
    pub(crate) async fn grpc_label(&self, mut request: Request<Self>) -> Result<(), Reply> {
        request.set_header("x-probe-label", &self.config.label)?;
        let outcome = self.ask_by_grpc(&request, LONG).await?;
        outcome.map_err(|error| Reply::new(503, "probe_grpc").body(error.to_string()))?;
        let mut response = request.response().await;
        response.set_header("x-probe-label", &self.config.label)?;
        Ok(())
    }

    /// Waits for a call with a large value in the future, which a client that goes away must free.
    pub(crate) async fn cancelled_grpc(&self, request: Request<Self>) -> Result<(), Reply> {
        let ballast = black_box(vec![1_u8; BALLAST]);
        let outcome = self.ask_by_grpc(&request, LONG).await?;
        Err(Reply::new(200, "probe_cancel").body(format!("{} {outcome:?}", ballast.len())))
    }

    /// Answers with the value that the background task brings by a call.
    pub(crate) async fn grpc_flight(&self) -> Result<(), Reply> {
        let value = self.grpc_flight.value().await;
        Err(Reply::new(200, "probe_flight").body(format!("{value:?}")))
    }

    /// Brings the value once somebody wants it.
    pub(crate) async fn fly_by_grpc(&self, handle: &Handle<Self>) {
        self.grpc_flight.wanted().await;
        let answer = call(handle, "h2", "Background").timeout(LONG).send().await;
        self.grpc_flight.land(answer);
    }

    /// Tries to make another call of one; nothing of it may reach the server.
    pub(crate) async fn grpc_names(&self, request: Request<Self>) -> Result<(), Reply> {
        let methods = ["a b", "a HTTP/1.1\r\nx-smuggled: 1", "a\0", "a\n"];
        let mut refused = 0_u32;
        for method in methods {
            let outcome = call(request.handle(), "h2", method).send().await;
            refused = refused.saturating_add(u32::from(outcome == Err(GrpcError::Name)));
        }
        let lines = [
            (":path", "/evil"),
            ("content-type", "text/html"),
            ("grpc-timeout", "99H"),
            ("te", "gzip"),
            ("host", "evil"),
            ("x-probe", "a\r\nx-smuggled: 1"),
            ("X-Probe", "a"),
        ];
        let refuses = |(name, value): &(&str, &str)| call(request.handle(), "h2", "M").metadata(name, value).is_err();
        let refused_lines = lines.iter().filter(|line| refuses(line)).count();
        let text =
            format!("refused {refused}/{} methods, {refused_lines}/{} lines of metadata", methods.len(), lines.len());
        Err(Reply::new(200, "probe_grpc").body(text))
    }

    async fn ask_by_grpc(
        &self,
        request: &Request<Self>,
        timeout: Duration,
    ) -> Result<Result<GrpcAnswer, GrpcError>, Reply> {
        let header = |name: &str| Ok::<_, Reply>(request.header(name)?.unwrap_or_default());
        let cluster = request.header("x-cluster")?.unwrap_or_else(|| b"h2".to_vec());
        let method = query(request)?;
        let call = call(request.handle(), &String::from_utf8_lossy(&cluster), method.trim_start_matches('/'));
        let call = call.metadata("x-probe", header("x-metadata")?)?.message(header("x-message")?);
        Ok(call.timeout(timeout).max_message(1000).send().await)
    }
}

fn call(handle: &Handle<Probe>, cluster: &str, method: &str) -> GrpcCall {
    handle.grpc_call(cluster, "probe.Probe", method)
}
