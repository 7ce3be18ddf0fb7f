//! Refusals: requests that Envoy answers before any filter sees them, since their parts contradict each other or it does
//! not serve their kind.

use hyper::header::{HOST, TRANSFER_ENCODING, UPGRADE};
use hyper::{Method, Request, StatusCode, Version};

use crate::fields;

/// Headers that a client cannot take away from a proxy by naming them in `connection`.
const OF_PROXIES: [&str; 4] = ["host", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"];

/// The answer to a request that no filter sees.
pub(crate) fn of<B>(request: &Request<B>) -> Option<StatusCode> {
    let (headers, nominated) = (request.headers(), fields::nominated(request.headers()));
    let encoding = headers.get(TRANSFER_ENCODING).map(|encoding| encoding.as_bytes());
    let has_host = request.uri().authority().is_some() || headers.contains_key(HOST);
    if request.version() < Version::HTTP_11 {
        Some(StatusCode::UPGRADE_REQUIRED)
    } else if encoding.is_some_and(|encoding| !encoding.eq_ignore_ascii_case(b"chunked")) {
        Some(StatusCode::NOT_IMPLEMENTED)
    } else if !has_host || nominated.iter().any(|name| is_of_proxies(name)) {
        Some(StatusCode::BAD_REQUEST)
    } else if request.method() == Method::CONNECT {
        Some(StatusCode::NOT_FOUND)
    } else if headers.contains_key(UPGRADE) && nominated.iter().any(|name| name == UPGRADE.as_str()) {
        Some(StatusCode::FORBIDDEN)
    } else {
        None
    }
}

fn is_of_proxies(name: &str) -> bool {
    name.starts_with(':') || OF_PROXIES.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(line: &str, headers: &[(&str, &str)]) -> Option<u16> {
        let (method, uri) = line.split_once(' ').unwrap();
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        of(&request.body(()).unwrap()).map(|status| status.as_u16())
    }

    #[test]
    fn an_encoding_that_nobody_undoes_is_refused() {
        assert_eq!(refused("POST /", &[("host", "a"), ("transfer-encoding", "gzip, chunked")]), Some(501));
        assert_eq!(refused("POST /", &[("host", "a"), ("transfer-encoding", "Chunked")]), None);
        assert_eq!(refused("POST /", &[("host", "a"), ("content-length", "5")]), None);
    }

    #[test]
    fn a_request_to_nobody_is_refused() {
        assert_eq!(refused("GET /", &[]), Some(400));
        assert_eq!(refused("GET http://a/", &[]), None);
    }

    #[test]
    fn a_client_takes_no_header_of_the_proxy_s_away() {
        let nominating = |names| refused("GET /", &[("host", "a"), ("connection", names)]);
        assert_eq!(nominating("close, X-Forwarded-For"), Some(400));
        assert_eq!(nominating("close, x-own"), None);
    }

    #[test]
    fn tunnels_and_upgrades_are_not_served() {
        assert_eq!(refused("CONNECT a:80", &[("host", "a")]), Some(404));
        assert_eq!(refused("GET /", &[("host", "a"), ("connection", "Upgrade"), ("upgrade", "websocket")]), Some(403));
    }

    #[test]
    fn older_versions_are_asked_to_upgrade() {
        let request = Request::builder().version(Version::HTTP_10).uri("/").header("host", "a").body(()).unwrap();
        assert_eq!(of(&request), Some(StatusCode::UPGRADE_REQUIRED));
    }
}
