//! The wasm module of the guest probe between two filters that take part in everything and change nothing.

use palisade_guest_probe::Probe;
use std::time::Duration;

use palisade_sdk::config::{ConfigErrors, FromFields, Object};
use palisade_sdk::{Exchange, ExchangeError, Filter, OnFailure, Phases, Plugin, Reply, phases};

/// A reader, before the probe or behind it: reads messages to their ends, piece by piece. The one before holds a request with `x-wait` for a
/// while, and its response.
pub struct Reader<const BEHIND: bool>;

/// A configuration without fields.
pub struct Nothing;

impl FromFields for Nothing {
    fn from_fields(_: &mut Object<'_>) -> Option<Self> {
        Some(Self)
    }
}

impl<const BEHIND: bool> Filter for Reader<BEHIND> {
    type Config = Nothing;

    const NAME: &'static str = if BEHIND { "behind" } else { "before" };
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const PHASES: Phases = phases![
        request_headers,
        request_body,
        request_trailers,
        response_headers,
        response_body,
        response_trailers,
        sleep
    ];
    const ON_FAILURE: OnFailure = OnFailure::Pass;

    fn configure(_: Nothing, _: Plugin) -> Result<Self, ConfigErrors> {
        Ok(Self)
    }

    async fn exchange(&self, exchange: Exchange<Self>) -> Result<(), Reply> {
        // A response that comes before the end of its request ends the reading.
        let _ = read(exchange).await;
        Ok(())
    }
}

async fn read<const BEHIND: bool>(exchange: Exchange<Reader<BEHIND>>) -> Result<(), ExchangeError> {
    let request = exchange.request().await;
    request.headers()?;
    let wait = (!BEHIND && request.header("x-wait")?.is_some()).then_some(Duration::from_millis(100));
    if let Some(wait) = wait {
        request.handle().sleep(wait).await?;
    }
    let mut body = request.into_body();
    while let Some(piece) = body.chunk().await? {
        piece.bytes()?;
    }
    let response = match body.trailers_or_response().await? {
        Ok(trailers) => trailers.response().await,
        Err(response) => response,
    };
    response.headers()?;
    if let Some(wait) = wait {
        response.handle().sleep(wait).await?;
    }
    let mut body = response.into_body();
    while let Some(piece) = body.chunk().await? {
        piece.bytes()?;
    }
    body.trailers().await?;
    Ok(())
}

palisade_sdk::fuse!(
    [Reader<false>, Probe, Reader<true>],
    phases: [
        request_headers, request_body, request_trailers,
        response_headers, response_body, response_trailers,
        http_call, grpc_call, sleep,
    ]
);
