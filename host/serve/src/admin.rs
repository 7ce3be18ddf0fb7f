//! The admin interface: metrics, and what is in effect.

use crate::options::Options;
use anyhow::Result;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use palisade_host::{HISTOGRAM_BUCKETS, MetricKind, MetricValue, Shared};
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
    let dump = format!("{options:#?}\n");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let serve = async move {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        while !stop.load(Ordering::Relaxed) {
            let Ok(accepted) = tokio::time::timeout(GLANCE, listener.accept()).await else { continue };
            let (shared, dump) = (Arc::clone(&shared), dump.clone());
            let stream = TokioIo::new(accepted?.0);
            tokio::spawn(async move {
                let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                    let response = answer(&request, &shared, &dump);
                    async move { Ok::<_, Infallible>(response) }
                });
                // The client sees how its connection ended.
                let _ = hyper::server::conn::http1::Builder::new().serve_connection(stream, service).await;
            });
        }
        Ok::<_, std::io::Error>(())
    };
    thread::Builder::new().name("admin".to_owned()).spawn(move || runtime.block_on(serve))?;
    Ok(())
}

fn answer(request: &Request<Incoming>, shared: &Shared, dump: &str) -> Response<Full<Bytes>> {
    let (status, text) = match request.uri().path() {
        "/ready" => (200, "LIVE\n".to_owned()),
        "/config_dump" => (200, dump.to_owned()),
        "/stats/prometheus" => (200, prometheus(shared)),
        "/stats" => {
            let query = request.uri().query().unwrap_or_default();
            let filter = query.split('&').find_map(|pair| pair.strip_prefix("filter=")).unwrap_or_default();
            (200, stats(shared, filter))
        }
        _ => (404, "there are /stats, /stats/prometheus, /config_dump and /ready\n".to_owned()),
    };
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
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

fn prometheus(shared: &Shared) -> String {
    let mut text = String::new();
    for ((kind, name), value) in shared.metrics.all() {
        let name = name.strip_prefix("wasmcustom.").unwrap_or(&name);
        let name: String =
            name.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' }).collect();
        let kind = match kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
        };
        let _ = writeln!(text, "# TYPE {name} {kind}");
        match value {
            MetricValue::Number(number) => {
                let _ = writeln!(text, "{name} {number}");
            }
            MetricValue::Histogram { buckets, count, sum } => {
                for (bound, below) in HISTOGRAM_BUCKETS.iter().zip(buckets) {
                    let _ = writeln!(text, "{name}_bucket{{le=\"{bound}\"}} {below}");
                }
                let _ = writeln!(text, "{name}_bucket{{le=\"+Inf\"}} {count}\n{name}_sum {sum}\n{name}_count {count}");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use palisade_host::{Clock, Random};

    fn shared() -> Shared {
        let shared = Shared::new(Clock::still(), Random::Seeded(1), |_| {});
        shared.metrics.add(MetricKind::Counter, "wasmcustom.palisade.hits", 2);
        shared.metrics.record(MetricKind::Histogram, "wasmcustom.palisade.time", 7);
        shared
    }

    #[test]
    fn metrics_are_shown_by_what_their_names_contain() {
        assert_eq!(stats(&shared(), "hits"), "wasmcustom.palisade.hits: 2\n");
        assert_eq!(stats(&shared(), "").lines().count(), 2);
    }

    #[test]
    fn prometheus_sees_no_prefix_and_buckets_that_add_up() {
        let text = prometheus(&shared());
        assert!(text.starts_with("# TYPE palisade_hits counter\npalisade_hits 2\n"), "{text}");
        assert!(text.contains("palisade_time_bucket{le=\"5\"} 0\npalisade_time_bucket{le=\"10\"} 1\n"), "{text}");
        assert!(text.ends_with("palisade_time_sum 7\npalisade_time_count 1\n"), "{text}");
    }
}
