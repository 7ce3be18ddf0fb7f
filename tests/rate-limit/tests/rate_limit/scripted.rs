//! A rate limit service that answers as a test tells it, and the mesh that asks it.

use envoy_types::pb::envoy::config::core::v3::HeaderValue;
use envoy_types::pb::envoy::extensions::common::ratelimit::v3::RateLimitDescriptor;
use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_response::rate_limit::Unit;
use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_response::{Code, DescriptorStatus, RateLimit};
use envoy_types::pb::envoy::service::ratelimit::v3::{RateLimitRequest, RateLimitResponse};
use envoy_types::pb::google::protobuf;
use palisade_testbed::{Received, Upstream, grpc};
use prost::Message;
use serde_json::{Value, json};

use crate::mesh::{Mesh, Setup};

pub(crate) const METHOD: &str = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit";

/// A limit on users, with these fields of the limit and of `rls`. The deadline is one that a busy machine keeps.
pub(crate) fn limit(fields: &Value, rls: &Value) -> Value {
    let mut own = json!({
        "cluster": "rls", "domain": "shop", "failure_mode": "deny", "timeout": "10s",
        "descriptors": [[{"key": "user", "value": {"header": "x-user"}}]],
    });
    own.as_object_mut().unwrap().extend(rls.as_object().unwrap().clone());
    let mut limit = json!({"name": "global", "rls": own});
    limit.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    json!({"limits": [limit]})
}

/// A service that answers as it is told.
pub(crate) struct Scripted {
    pub(crate) service: Upstream,
    pub(crate) mesh: Mesh,
}

impl Scripted {
    pub(crate) fn start(fields: &Value, rls: &Value) -> Self {
        Self::with(&limit(fields, rls))
    }

    /// With this configuration of the filter.
    pub(crate) fn with(configuration: &Value) -> Self {
        let service = Upstream::start().unwrap();
        // One worker, since each remembers what it saw.
        let mesh = Setup::new(configuration).workers(1).rls(service.addr()).start();
        Self { service, mesh }
    }

    pub(crate) fn answers(&self, response: &RateLimitResponse) {
        self.service.on(METHOD, grpc::ok(response.encode_to_vec()));
    }

    /// What the service was asked.
    pub(crate) fn asked(&self) -> Vec<RateLimitRequest> {
        let read = |call: &Received| {
            let messages = grpc::messages(&call.body);
            assert_eq!(messages.len(), 1, "{call:?}");
            RateLimitRequest::decode(messages[0].as_slice()).unwrap()
        };
        self.service.received().iter().map(read).collect()
    }

    pub(crate) fn outcome(&self, outcome: &str) -> u64 {
        self.mesh.counter(&format!("rls;limit=global;outcome={outcome}"))
    }
}

pub(crate) fn response(code: Code) -> RateLimitResponse {
    RateLimitResponse { overall_code: code.into(), ..Default::default() }
}

pub(crate) fn over_limit(seconds: i64) -> RateLimitResponse {
    RateLimitResponse { statuses: vec![status(Code::OverLimit, 100, 0, seconds)], ..response(Code::OverLimit) }
}

pub(crate) fn status(code: Code, limit: u32, remaining: u32, seconds: i64) -> DescriptorStatus {
    DescriptorStatus {
        code: code.into(),
        current_limit: Some(RateLimit { name: String::new(), requests_per_unit: limit, unit: Unit::Minute.into() }),
        limit_remaining: remaining,
        duration_until_reset: Some(protobuf::Duration { seconds, nanos: 0 }),
        ..Default::default()
    }
}

pub(crate) fn header(key: &str, value: &str) -> HeaderValue {
    HeaderValue { key: key.to_owned(), value: value.to_owned(), ..Default::default() }
}

/// The descriptors of a question, as pairs.
pub(crate) fn descriptors(asked: &RateLimitRequest) -> Vec<Vec<(&str, &str)>> {
    asked.descriptors.iter().map(pairs).collect()
}

fn pairs(descriptor: &RateLimitDescriptor) -> Vec<(&str, &str)> {
    descriptor.entries.iter().map(|entry| (entry.key.as_str(), entry.value.as_str())).collect()
}
