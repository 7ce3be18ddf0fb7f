//! The admin interface: metrics, and what is in effect.

use crate::lane::BEAT;
use crate::options::Options;
use crate::prometheus;
use anyhow::Result;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use palisade_host::{MetricValue, Shared};
use std::convert::Infallible;
use std::fmt::Write;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// How often it looks whether it is to stop.
const GLANCE: Duration = Duration::from_millis(100);

/// Starts it on a thread of its own.
pub(crate) fn start(
    listener: TcpListener,
    shared: Arc<Shared>,
    options: &Options,
    stop: Arc<AtomicBool>,
) -> Result<()> {
    listener.set_nonblocking(true)?;
    let dump = format!("{:#?}\n", options.without_secrets());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let serve = async move {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        while !stop.load(Ordering::Relaxed) {
            let Ok(accepted) = tokio::time::timeout(GLANCE, listener.accept()).await else { continue };
            let Ok((stream, _)) = accepted else {
                tokio::time::sleep(BEAT).await;
                continue;
            };
            let (shared, dump) = (Arc::clone(&shared), dump.clone());
            tokio::spawn(async move {
                let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                    let response = answer(&request, &shared, &dump);
                    async move { Ok::<_, Infallible>(response) }
                });
                let connection = hyper::server::conn::http1::Builder::new();
                // The client sees how its connection ended.
                let _ = connection.serve_connection(TokioIo::new(stream), service).await;
            });
        }
        Ok::<_, std::io::Error>(())
    };
    thread::Builder::new().name("admin".to_owned()).spawn(move || runtime.block_on(serve))?;
    Ok(())
}

fn answer(request: &Request<Incoming>, shared: &Shared, dump: &str) -> Response<Full<Bytes>> {
    let (status, text) = match request.uri().path() {
        "/ready" => (StatusCode::OK, "LIVE\n".to_owned()),
        "/config_dump" => (StatusCode::OK, dump.to_owned()),
        "/stats/prometheus" => (StatusCode::OK, prometheus::render(shared)),
        "/stats" => {
            let query = request.uri().query().unwrap_or_default();
            let filter = query.split('&').find_map(|pair| pair.strip_prefix("filter=")).unwrap_or_default();
            (StatusCode::OK, stats(shared, filter))
        }
        _ => (StatusCode::NOT_FOUND, "there are /stats, /stats/prometheus, /config_dump and /ready\n".to_owned()),
    };
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response
}

/// One line for each metric whose name contains the filter.
fn stats(shared: &Shared, filter: &str) -> String {
    let mut text = String::new();
    for ((_, name), value) in shared.metrics.all().into_iter().filter(|((_, name), _)| name.contains(filter)) {
        let _ = match value {
            MetricValue::Number(number) => writeln!(text, "{name}: {number}"),
            MetricValue::Histogram { count, sum, .. } => writeln!(text, "{name}: count={count} sum={sum}"),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use palisade_host::{Clock, MetricKind, Random};

    #[test]
    fn metrics_are_shown_by_what_their_names_contain() {
        let shared = Shared::new(Clock::still(), Random::Seeded(1), |_| {});
        shared.metrics.add(MetricKind::Counter, "wasmcustom.palisade.hits", 2);
        shared.metrics.record(MetricKind::Histogram, "wasmcustom.palisade.time", 7);
        assert_eq!(stats(&shared, "hits"), "wasmcustom.palisade.hits: 2\n");
        assert_eq!(stats(&shared, "").lines().count(), 2);
    }
}
