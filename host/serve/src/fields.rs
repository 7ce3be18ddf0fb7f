//! Header fields between hyper and the host.

use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, Request, Response, Uri, Version};
use palisade_host::Fields;

/// What is of one connection alone.
const HOP_BY_HOP: [&str; 7] =
    ["connection", "expect", "host", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];

/// A request's headers, as Envoy shows them to filters.
pub(crate) fn of_request<B>(request: &Request<B>, peer: &str) -> Fields {
    let (uri, headers) = (request.uri(), request.headers());
    let mut fields = Fields::new();
    match uri.authority() {
        Some(authority) => fields.add(":authority", authority.as_str()),
        None => headers.get_all("host").iter().for_each(|host| fields.add(":authority", host)),
    }
    fields.add(":path", uri.path_and_query().map_or("/", |path| path.as_str()));
    fields.add(":method", request.method().as_str());
    fields.add(":scheme", "http");
    add(&mut fields, headers);
    for name in nominated(headers) {
        fields.remove(name);
    }
    // A proxy passes on that trailers are taken, and nothing else that its own connection takes.
    let takes_trailers = headers.get_all("te").iter().any(|te| te.as_bytes().eq_ignore_ascii_case(b"trailers"));
    fields.remove("te");
    if takes_trailers {
        fields.add("te", "trailers");
    }
    fields.add("x-forwarded-for", peer);
    if fields.get("x-forwarded-proto").is_none() {
        fields.add("x-forwarded-proto", "http");
    }
    if fields.get("x-request-id").is_none() {
        fields.add("x-request-id", request_id());
    }
    fields
}

/// The headers that `connection` says are of this connection alone, in lower case.
pub(crate) fn nominated(headers: &HeaderMap) -> Vec<String> {
    let lines = headers.get_all("connection").iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(|name| name.trim().to_ascii_lowercase()).collect()
}

/// A response's headers, as Envoy shows them to filters.
pub(crate) fn of_response<B>(response: &Response<B>) -> Fields {
    let mut fields = Fields::new();
    fields.add(":status", response.status().as_str());
    add(&mut fields, response.headers());
    fields
}

/// Trailers.
pub(crate) fn of_map(map: &HeaderMap) -> Fields {
    let mut fields = Fields::new();
    add(&mut fields, map);
    fields
}

/// The headers to send, without pseudo-headers. What HTTP cannot carry is left out.
pub(crate) fn to_map(fields: &Fields) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in fields.iter().filter(|(name, _)| !name.starts_with(b":")) {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            map.append(name, value);
        }
    }
    map
}

/// A request to send to this base URL.
pub(crate) fn to_request<B>(
    fields: &Fields,
    base: &str,
    body: B,
    version: Version,
) -> Result<Request<B>, hyper::http::Error> {
    let path = fields.text(":path").unwrap_or_default();
    let uri: Uri = format!("{base}{path}").parse()?;
    let method = fields.text(":method").unwrap_or_default();
    let mut request = Request::builder().method(method.as_str()).uri(uri).version(version).body(body)?;
    *request.headers_mut() = to_map(fields);
    let authority = fields.get(":authority").and_then(|authority| HeaderValue::from_bytes(authority).ok());
    if let Some(authority) = authority.filter(|_| version != Version::HTTP_2) {
        request.headers_mut().insert("host", authority);
    }
    Ok(request)
}

fn add(fields: &mut Fields, headers: &HeaderMap) {
    for (name, value) in headers {
        if !HOP_BY_HOP.contains(&name.as_str()) {
            fields.add(name, value);
        }
    }
}

/// A random UUID, as Envoy gives to requests.
fn request_id() -> String {
    let mut bytes = [0; 16];
    // Without random bytes it is no less an id.
    let _ = getrandom::fill(&mut bytes);
    let [_, _, _, _, _, _, version, _, variant, ..] = &mut bytes;
    *version = (*version & 0x0f) | 0x40;
    *variant = (*variant & 0x3f) | 0x80;
    let hex = hex::encode(bytes);
    let parts = [hex.get(..8), hex.get(8..12), hex.get(12..16), hex.get(16..20), hex.get(20..)];
    parts.map(Option::unwrap_or_default).join("-")
}
