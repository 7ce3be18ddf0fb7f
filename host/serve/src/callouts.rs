//! Callouts: requests that filters send themselves.

use crate::fields;
use crate::proxy::{Lane, LocalExecutor};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Version;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use palisade_host::{Callout, CalloutEvent, CalloutId, CalloutKind, Fields};
use std::collections::BTreeMap;
use std::rc::Rc;

/// Where callouts go.
pub(crate) struct Clusters {
    urls: BTreeMap<String, String>,
    http: Client<HttpConnector, Full<Bytes>>,
    grpc: Client<HttpConnector, Full<Bytes>>,
}

impl Clusters {
    pub(crate) fn new(clusters: &[(String, String)]) -> Self {
        let urls = clusters.iter().cloned().collect();
        let http = Client::builder(LocalExecutor).build_http();
        let grpc = Client::builder(LocalExecutor).http2_only(true).build_http();
        Self { urls, http, grpc }
    }
}

/// Sends a callout; the root that sent it is told what came of it.
pub(crate) fn send(lane: &Rc<Lane>, id: CalloutId, callout: Callout) {
    let own = Rc::clone(lane);
    let task = tokio::task::spawn_local(async move {
        let event = match CalloutKind::of(id.token) {
            Some(CalloutKind::Http) => http(&own, callout).await,
            _ => grpc(&own, callout).await,
        };
        own.callouts.borrow_mut().remove(&id);
        own.act(|worker| worker.callout(id, event));
    });
    lane.callouts.borrow_mut().insert(id, task.abort_handle());
}

async fn http(lane: &Lane, mut callout: Callout) -> CalloutEvent {
    callout.headers.replace("x-envoy-internal", "true");
    callout.headers.replace("x-envoy-expected-rq-timeout-ms", callout.timeout.to_string());
    let base = lane.clusters.urls.get(&callout.cluster).cloned().unwrap_or_default();
    let Ok(request) = fields::to_request(&callout.headers, &base, Full::from(callout.body), Version::HTTP_11) else {
        return CalloutEvent::Failed;
    };
    let response = match lane.clusters.http.request(request).await {
        Ok(response) => response,
        Err(error) if error.is_connect() => return CalloutEvent::Broken("remote connection failure"),
        Err(_) => return CalloutEvent::Broken("connection termination"),
    };
    let headers = fields::of_response(&response);
    match response.into_body().collect().await {
        Ok(body) => {
            let trailers = body.trailers().map(fields::of_map).unwrap_or_default();
            CalloutEvent::Response { headers, body: body.to_bytes().to_vec(), trailers }
        }
        Err(_) => CalloutEvent::Broken("connection termination"),
    }
}

/// A unary call.
async fn grpc(lane: &Lane, callout: Callout) -> CalloutEvent {
    let base = lane.clusters.urls.get(&callout.cluster).cloned().unwrap_or_default();
    let length = u32::try_from(callout.body.len()).unwrap_or(u32::MAX);
    let body = [&[0][..], &length.to_be_bytes(), &callout.body].concat();
    let Ok(request) = fields::to_request(&callout.headers, &base, Full::from(body), Version::HTTP_2) else {
        return CalloutEvent::GrpcClose(13, Vec::new());
    };
    let response = match lane.clusters.grpc.request(request).await {
        Ok(response) => response,
        Err(error) if error.is_connect() => return CalloutEvent::Broken("remote connection failure"),
        Err(_) => return CalloutEvent::Broken("connection termination"),
    };
    let headers = fields::of_response(&response);
    let Ok(body) = response.into_body().collect().await else {
        return CalloutEvent::Broken("connection termination");
    };
    let trailers = body.trailers().map(fields::of_map).unwrap_or_default();
    let (status, message) = status(&trailers).or_else(|| status(&headers)).unwrap_or((14, Vec::new()));
    match body.to_bytes().get(5..) {
        Some(message) if status == 0 => CalloutEvent::GrpcMessage(message.to_vec()),
        _ => CalloutEvent::GrpcClose(status, message),
    }
}

fn status(fields: &Fields) -> Option<(u32, Vec<u8>)> {
    let status = fields.text("grpc-status")?.parse().ok()?;
    Some((status, fields.get("grpc-message").unwrap_or_default().to_vec()))
}
