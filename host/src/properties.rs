//! Properties: what `proxy_get_property` tells of a stream, in Envoy's words and encoding.

use crate::fields::Fields;
use crate::pairs;
use crate::status::Status;
use crate::stream::{Direction, Exchange, Filter, grpc_status};
use crate::vm::VmState;

/// What a path leads to.
enum Value {
    Bytes(Vec<u8>),
    Number(u64),
    Flag(bool),
    /// All fields of a message.
    Map(Vec<u8>),
    /// Something that cannot be serialised.
    Whole,
}

type Found = Option<Value>;

/// The value of the property of this path, whose segments are separated by NUL.
///
/// # Errors
///
/// 1 where there is none, 3 where it is no single value.
pub(crate) fn get(state: &VmState, path: &[u8]) -> Result<Vec<u8>, Status> {
    let text = String::from_utf8_lossy(path);
    let segments: Vec<_> = text.strip_suffix('\0').unwrap_or(&text).split('\0').collect();
    if path.is_empty() {
        return Err(Status::SERIALIZATION_FAILURE);
    }
    match find(state, &segments).ok_or(Status::NOT_FOUND)? {
        Value::Bytes(bytes) | Value::Map(bytes) => Ok(bytes),
        Value::Number(number) => Ok(number.to_le_bytes().to_vec()),
        Value::Flag(flag) => Ok(vec![u8::from(flag)]),
        Value::Whole => Err(Status::SERIALIZATION_FAILURE),
    }
}

fn find(state: &VmState, segments: &[&str]) -> Found {
    let (first, rest) = segments.split_first()?;
    match (*first, rest) {
        ("plugin_name", []) => return state.context().map(|(_, context)| text(&context.plugin.name)),
        ("plugin_root_id", []) => return state.context().map(|(_, context)| text(&context.plugin.root_id)),
        ("plugin_vm_id", []) => return Some(text(&state.settings.id)),
        ("xds", ["listener_direction"]) => return Some(Value::Number(0)),
        _ => {}
    }
    let (stream, place) = state.stream()?;
    let exchange = stream.borrow();
    let sees =
        |direction| exchange.filter(place).is_some_and(|filter| filter.logging || filter.side(direction).sees_headers);
    match (*first, rest) {
        ("request" | "response" | "connection" | "upstream" | "source" | "destination" | "filter_state", []) => {
            Some(Value::Whole)
        }
        ("request", [name, rest @ ..]) => {
            let headers = exchange.request.headers.as_ref().filter(|_| sees(Direction::Request));
            request(&exchange, headers, name, rest)
        }
        ("response", [name, rest @ ..]) => {
            let headers = exchange.response.headers.as_ref().filter(|_| sees(Direction::Response));
            let sees = |filter: &Filter| filter.logging || filter.side(Direction::Response).sees_trailers;
            let trailers = exchange.response.trailers.as_ref().filter(|_| exchange.filter(place).is_some_and(sees));
            response(&exchange, headers, trailers, name, rest)
        }
        ("source", [name]) => address(&exchange.info.source, name),
        ("destination", [name]) => address(&exchange.info.destination, name),
        ("upstream", ["transport_failure_reason"]) => Some(text("")),
        ("upstream", [name]) => address(exchange.info.upstream.as_ref()?, name),
        ("connection_id", []) | ("connection", ["id"]) => Some(Value::Number(exchange.info.connection)),
        ("connection", ["mtls"]) => Some(Value::Flag(false)),
        ("connection", ["requested_server_name"]) => Some(text("")),
        ("xds", rest) => xds(&exchange, rest),
        ("metadata", []) => Some(Value::Bytes(Vec::new())),
        ("metadata", ["filter_metadata"]) => Some(Value::Map(pairs::encode(std::iter::empty()))),
        ("filter_state", [name]) => exchange.filter_state.get(name.as_bytes()).cloned().map(Value::Bytes),
        (name, []) => exchange.filter_state.get(format!("wasm.{name}").as_bytes()).cloned().map(Value::Bytes),
        _ => None,
    }
}

fn request(exchange: &Exchange, headers: Option<&Fields>, name: &str, rest: &[&str]) -> Found {
    let header = |name: &str| headers?.get(name).map(|value| Value::Bytes(value.to_vec()));
    let path = || headers?.get(":path").map(|path| String::from_utf8_lossy(path).into_owned());
    match (name, rest) {
        ("path", []) => header(":path"),
        ("url_path", []) => path().map(|path| text(path.split(['?', '#']).next().unwrap_or_default())),
        ("query", []) => path().map(|path| text(path.split_once('?').map_or("", |(_, query)| query))),
        ("host", []) => header(":authority"),
        ("scheme", []) => header(":scheme"),
        ("method", []) => header(":method"),
        ("referer", []) => header("referer"),
        ("useragent", []) => header("user-agent"),
        ("id", []) => header("x-request-id"),
        ("time", []) => Some(Value::Number(exchange.info.began)),
        ("protocol", []) => Some(text(&exchange.info.protocol)),
        ("size", []) => {
            let length = headers.and_then(|headers| headers.text("content-length")?.parse().ok());
            Some(Value::Number(length.unwrap_or(exchange.request.body_bytes)))
        }
        ("total_size", []) => Some(Value::Number(total_size(headers, exchange.request.body_bytes))),
        ("duration", []) => exchange.info.ended.map(|ended| Value::Number(ended.saturating_sub(exchange.info.began))),
        ("headers", rest) => fields(headers, rest),
        _ => None,
    }
}

fn response(
    exchange: &Exchange,
    headers: Option<&Fields>,
    trailers: Option<&Fields>,
    name: &str,
    rest: &[&str],
) -> Found {
    match (name, rest) {
        ("code", []) => Some(Value::Number(exchange.response.headers.as_ref()?.text(":status")?.parse().ok()?)),
        ("code_details", []) => exchange.info.details.as_deref().map(text),
        ("flags", []) => Some(Value::Number(exchange.info.flags)),
        ("size", []) => Some(Value::Number(exchange.response.body_bytes)),
        ("total_size", []) => Some(Value::Number(total_size(headers, exchange.response.body_bytes))),
        ("grpc_status", []) => {
            let trailers = exchange.response.trailers.as_ref();
            let status = trailers.and_then(|trailers| trailers.text("grpc-status"));
            let headers = exchange.response.headers.as_ref()?;
            let status = status.or_else(|| headers.text("grpc-status"));
            let status = status.and_then(|status| status.parse().ok());
            let http = || headers.text(":status").and_then(|status| status.parse().ok()).unwrap_or_default();
            Some(Value::Number(status.unwrap_or_else(|| u64::from(grpc_status(http())))))
        }
        ("headers", rest) => fields(headers, rest),
        ("trailers", rest) => fields(trailers, rest),
        _ => None,
    }
}

/// All fields, or all values of one, joined.
fn fields(fields: Option<&Fields>, rest: &[&str]) -> Found {
    match rest {
        [] => Some(Value::Map(pairs::encode(fields?.iter()))),
        [name] => {
            let values = fields?.all(name);
            (!values.is_empty()).then(|| Value::Bytes(values.join(&b',')))
        }
        _ => None,
    }
}

fn xds(exchange: &Exchange, rest: &[&str]) -> Found {
    let info = &exchange.info;
    match rest {
        ["route_name"] => Some(text(&info.route)),
        ["filter_chain_name"] | ["route_metadata"] => Some(text("")),
        ["cluster_name"] => Some(text(&info.cluster)),
        ["virtual_host_name"] => Some(text(&info.virtual_host)),
        ["route_metadata", "filter_metadata", namespace, key] => {
            info.route_metadata.get(*namespace)?.get(*key).map(|value| text(value))
        }
        ["virtual_host_metadata", "filter_metadata", namespace, key] => {
            info.virtual_host_metadata.get(*namespace)?.get(*key).map(|value| text(value))
        }
        _ => None,
    }
}

fn address(address: &str, name: &str) -> Found {
    match name {
        "address" => Some(text(address)),
        "port" => Some(Value::Number(address.rsplit_once(':')?.1.parse().ok()?)),
        _ => None,
    }
}

fn total_size(headers: Option<&Fields>, body: u64) -> u64 {
    body.saturating_add(headers.map_or(0, |headers| u64::try_from(headers.byte_size()).unwrap_or(u64::MAX)))
}

fn text(text: &str) -> Value {
    Value::Bytes(text.as_bytes().to_vec())
}
