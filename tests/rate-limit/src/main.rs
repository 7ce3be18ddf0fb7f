//! A rate limit service: Limitador, with Redis behind it, as its own server answers.
//!
//! The counters are those of the `limitador` crate; only the server around it is ours, since that of its authors is no
//! library. It says `listening on ADDRESS` once it serves.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use clap::Parser;
use envoy_types::pb::envoy::config::core::v3::HeaderValue;
use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_response::Code;
use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_service_server::{
    RateLimitService, RateLimitServiceServer,
};
use envoy_types::pb::envoy::service::ratelimit::v3::{RateLimitRequest, RateLimitResponse};
use limitador::AsyncRateLimiter;
use limitador::counter::Counter;
use limitador::limit::Limit;
use limitador::storage::redis::AsyncRedisStorage;
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, async_trait};

#[derive(Parser)]
struct Arguments {
    /// Where to listen; port 0 is any free one.
    #[arg(long)]
    listen: SocketAddr,
    /// Where the counters are, such as `unix:///run/redis.sock`.
    #[arg(long)]
    redis: String,
    /// Limitador's limits, as a list in JSON.
    #[arg(long)]
    limits: String,
}

struct Service(AsyncRateLimiter);

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let limits: Vec<Limit> = serde_json::from_str(&arguments.limits).context("reading the limits")?;
    let storage = AsyncRedisStorage::new(&arguments.redis).await.context("connecting to Redis")?;
    let limiter = AsyncRateLimiter::new_with_storage(Box::new(storage));
    for limit in limits {
        limiter.add_limit(limit);
    }
    let listener = TcpListener::bind(arguments.listen).await.context("listening")?;
    println!("listening on {}", listener.local_addr()?);
    let service = RateLimitServiceServer::new(Service(limiter));
    Server::builder().add_service(service).serve_with_incoming(TcpIncoming::from(listener)).await?;
    Ok(())
}

#[async_trait]
impl RateLimitService for Service {
    async fn should_rate_limit(
        &self,
        request: Request<RateLimitRequest>,
    ) -> Result<Response<RateLimitResponse>, Status> {
        let RateLimitRequest { domain, descriptors, hits_addend } = request.into_inner();
        if domain.is_empty() {
            return Ok(answer(Code::Unknown, Vec::new()));
        }
        // This version of Limitador knows values by their keys, and not by the descriptor in which they stand.
        let entries = descriptors.into_iter().flat_map(|descriptor| descriptor.entries);
        let values = entries.map(|entry| (entry.key, entry.value)).collect();
        let hits = hits_addend.max(1).into();
        let outcome = self.0.check_rate_limited_and_update(&domain.into(), &values, hits, true).await;
        let result = outcome.map_err(|error| Status::unavailable(error.to_string()))?;
        let code = if result.limited { Code::OverLimit } else { Code::Ok };
        Ok(answer(code, headers(&result.counters)))
    }
}

fn answer(code: Code, headers: Vec<HeaderValue>) -> Response<RateLimitResponse> {
    Response::new(RateLimitResponse {
        overall_code: code.into(),
        response_headers_to_add: headers,
        ..Default::default()
    })
}

/// What `--rate-limit-headers DRAFT_VERSION_03` adds: the counter of which least is left.
fn headers(counters: &[Counter]) -> Vec<HeaderValue> {
    let left = |counter: &&Counter| counter.remaining().unwrap_or(counter.max_value());
    let Some(counter) = counters.iter().min_by_key(left) else { return Vec::new() };
    let lines = [("X-RateLimit-Limit", counter.max_value()), ("X-RateLimit-Remaining", left(&counter).max(0))];
    let header =
        |(key, value): (&str, i64)| HeaderValue { key: key.to_owned(), value: value.to_string(), ..Default::default() };
    lines.map(header).to_vec()
}
