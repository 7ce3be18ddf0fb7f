//! The wasm module of the guest probe between two filters that take part in everything and change nothing.

use palisade_guest_probe::Probe;
use palisade_sdk::config::{ConfigErrors, FromFields, Object};
use palisade_sdk::{Exchange, ExchangeError, Filter, OnFailure, Phases, Plugin, Reply, phases};

/// A reader, before the probe or behind it: reads messages to their ends, piece by piece.
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
    const PHASES: Phases =
        phases![request_headers, request_body, request_trailers, response_headers, response_body, response_trailers];
    const ON_FAILURE: OnFailure = OnFailure::Pass;

    fn configure(_: Nothing, _: Plugin) -> Result<Self, ConfigErrors> {
        Ok(Self)
    }

    async fn exchange(&self, exchange: Exchange<Self>) -> Result<(), Reply> {
        match read(exchange).await {
            // A response that comes before the end of its request ends the reading.
            Ok(()) | Err(ExchangeError::Overtaken) => {}
            Err(error) => log::error!("{error}"),
        }
        Ok(())
    }
}

async fn read<F: Filter>(exchange: Exchange<F>) -> Result<(), ExchangeError> {
    let request = exchange.request().await;
    request.headers()?;
    let mut body = request.into_body();
    while let Some(piece) = body.chunk().await? {
        piece.bytes()?;
    }
    let response = match body.trailers_or_response().await? {
        Ok(trailers) => trailers.response().await,
        Err(response) => response,
    };
    response.headers()?;
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
