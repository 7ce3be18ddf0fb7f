//! Reading: whether a body can be masked, and how it is read.

use palisade_sdk::HeaderMap;

use crate::body::encoding::Encoding;
use crate::body::grpc::Grpc;
use crate::body::multipart::Multipart;
use crate::body::stream::Stream;
use crate::body::{Body, ContentType};
use crate::config::{Bodies, Otherwise};
use crate::masking::Policy;

/// What becomes of a body.
pub(crate) enum Reading {
    Mask(Box<Stream>),
    Pass(&'static str),
    Fail(&'static str),
}

impl Reading {
    /// What the headers of its message say; `takes_trailers` where whoever gets it has asked for trailers.
    pub(crate) fn of(headers: &HeaderMap, bodies: &Bodies, policy: &Policy, takes_trailers: bool) -> Self {
        let passes = bodies.on_undecodable == Otherwise::Pass;
        let mut types = headers.all("content-type");
        let body = match types.next().map(ContentType::parse) {
            None if bodies.sniff => Body::Unknown,
            None => return Self::Pass("no_content_type"),
            // Of two types nobody knows which one the reader goes by. Envoy has joined them with a comma.
            Some(content_type) if types.next().is_some() || !content_type.is_well_formed() => {
                return Self::undecodable(bodies);
            }
            Some(content_type) if content_type.is_grpc() && !policy.messages.is_empty() => {
                Body::Grpc(Grpc::new(passes))
            }
            Some(content_type) if !bodies.content_types.contain(&content_type) => return Self::Pass("content_type"),
            Some(content_type) if content_type.is_multipart() => match content_type.boundary() {
                Some(boundary) => {
                    Body::Multipart(Box::new(Multipart::new(boundary, bodies.content_types.clone(), passes)))
                }
                None => return Self::undecodable(bodies),
            },
            Some(content_type) if content_type.is_readable() => Body::new(content_type.format()),
            Some(_) => return Self::undecodable(bodies),
        };
        let mut encodings = headers.all("content-encoding");
        let encoding = encodings.next().map_or(Some(Encoding::Identity), Encoding::named);
        match encoding.filter(|_| encodings.next().is_none()) {
            Some(encoding) => {
                let decoder = encoding.decoder(bodies.max_decoded);
                let announces_trailers = takes_trailers || headers.all("trailer").next().is_some();
                Self::Mask(Box::new(Stream::new(body, decoder, announces_trailers, length(headers))))
            }
            None => Self::undecodable(bodies),
        }
    }

    fn undecodable(bodies: &Bodies) -> Self {
        match bodies.on_undecodable {
            Otherwise::Fail => Self::Fail("undecodable"),
            Otherwise::Pass => Self::Pass("undecodable"),
        }
    }
}

/// Whether a client has asked for trailers.
pub(crate) fn takes_trailers(request: &HeaderMap) -> bool {
    request.all("te").any(|value| value.to_ascii_lowercase().windows(8).any(|part| part == b"trailers"))
}

/// The length that a message announces.
fn length(headers: &HeaderMap) -> Option<usize> {
    str::from_utf8(headers.all("content-length").next()?.trim_ascii()).ok()?.parse().ok()
}

/// Whether what follows a request is no HTTP. An `upgrade` is none before the upstream takes it up: a client must not choose.
pub(crate) fn is_tunnel(request: &HeaderMap) -> bool {
    request.all(":method").any(|method| method == b"CONNECT")
}

/// Whether what follows a response is no HTTP.
pub(crate) fn is_upgraded(response: &HeaderMap) -> bool {
    response.all(":status").any(|status| status == b"101")
}

/// Whether a response is a part of something.
pub(crate) fn is_partial(response: &HeaderMap) -> bool {
    response.all(":status").any(|status| status == b"206") || response.all("content-range").next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::Action;
    use crate::body::ContentTypes;
    use crate::config::Encodings;
    use crate::fake::policy;
    use crate::masking::{Entry, MessageField, Numbers};

    fn bodies(sniff: bool) -> Bodies {
        Bodies {
            content_types: ContentTypes::default(),
            encodings: Encodings::Identity,
            max_hold: 256,
            max_decoded: 1 << 20,
            numbers: Numbers::String,
            sniff,
            on_error: Otherwise::Fail,
            on_invalid: None,
            on_undecodable: Otherwise::Fail,
            on_partial: Otherwise::Fail,
        }
    }

    fn reading(value: &str) -> Reading {
        let headers = HeaderMap::from_lines([("content-type", value.as_bytes())]);
        Reading::of(&headers, &bodies(false), &policy(Vec::new(), Vec::new()), false)
    }

    #[test]
    fn a_content_type_that_is_not_one_is_undecodable() {
        assert!(matches!(reading("application/json; charset=utf-8"), Reading::Mask(_)));
        assert!(matches!(reading("multipart/form-data; boundary=a"), Reading::Mask(_)));
        assert!(matches!(reading("image/png"), Reading::Pass("content_type")));
        for value in [
            "application/json,application/json",
            "application/json,",
            "application/json charset=utf-8",
            "multipart/form-data",
        ] {
            assert!(matches!(reading(value), Reading::Fail("undecodable")), "{value}");
        }
    }

    #[test]
    fn grpc_is_masked_where_a_rule_names_fields_of_it() {
        let mut policy = policy(Vec::new(), Vec::new());
        let headers = HeaderMap::from_lines([("content-type", &b"application/grpc+proto"[..])]);
        let reading = |policy: &Policy| Reading::of(&headers, &bodies(false), policy, true);
        assert!(matches!(reading(&policy), Reading::Pass("content_type")));
        let entry = Entry { name: "field".to_owned(), action: Action::Remove };
        policy.messages.push(MessageField { path: vec![1], entry });
        assert!(matches!(reading(&policy), Reading::Mask(_)));
    }

    #[test]
    fn a_body_without_a_type_is_looked_at_where_that_is_asked_for() {
        let policy = policy(Vec::new(), Vec::new());
        let reading = |sniff| Reading::of(&HeaderMap::default(), &bodies(sniff), &policy, false);
        assert!(matches!(reading(false), Reading::Pass("no_content_type")));
        assert!(matches!(reading(true), Reading::Mask(_)));
    }
}
