//! Reading: whether a body can be masked, and how it is read.

use palisade_sdk::HeaderMap;

use crate::body::ContentType;
use crate::body::encoding::Encoding;
use crate::body::stream::Stream;
use crate::config::{Bodies, Otherwise};

/// Headers about the exact bytes of a body.
pub(crate) const CHECKSUMS: [&str; 4] = ["content-digest", "content-md5", "digest", "repr-digest"];

/// What becomes of a body.
#[expect(clippy::large_enum_variant, reason = "there is one at a time, for a moment")]
pub(crate) enum Reading {
    Mask(Stream),
    Pass(&'static str),
    Fail(&'static str),
}

impl Reading {
    /// What the headers of its message say; `takes_trailers` where whoever gets it has asked for trailers.
    pub(crate) fn of(headers: &HeaderMap, bodies: &Bodies, takes_trailers: bool) -> Self {
        let mut types = headers.all("content-type");
        let Some(value) = types.next() else { return Self::Pass("no_content_type") };
        let content_type = ContentType::parse(value);
        let is_listed = bodies.content_types.contain(&content_type);
        // Of two types nobody knows which one the reader goes by. Envoy has joined them with a comma.
        if types.next().is_some() || !content_type.is_well_formed() || (is_listed && !content_type.is_readable()) {
            return Self::undecodable(bodies);
        }
        if !is_listed {
            return Self::Pass("content_type");
        }
        let mut encodings = headers.all("content-encoding");
        let encoding = encodings.next().map_or(Some(Encoding::Identity), Encoding::named);
        match encoding.filter(|_| encodings.next().is_none()) {
            Some(encoding) => {
                let decoder = encoding.decoder(bodies.max_decoded);
                let announces_trailers = takes_trailers || headers.all("trailer").next().is_some();
                Self::Mask(Stream::new(content_type.format(), decoder, announces_trailers, length(headers)))
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
    str::from_utf8(headers.all("content-length").next()?).ok()?.trim().parse().ok()
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
    use crate::body::ContentTypes;
    use crate::config::Encodings;
    use crate::masking::Numbers;

    #[test]
    fn a_content_type_that_is_not_one_is_undecodable() {
        let reading = |value: &str| {
            let bodies = Bodies {
                content_types: ContentTypes::default(),
                encodings: Encodings::Identity,
                max_hold: 256,
                max_decoded: 1 << 20,
                numbers: Numbers::String,
                on_error: Otherwise::Fail,
                on_invalid: None,
                on_undecodable: Otherwise::Fail,
                on_partial: Otherwise::Fail,
            };
            Reading::of(&HeaderMap::from_lines([("content-type", value.as_bytes())]), &bodies, false)
        };
        assert!(matches!(reading("application/json; charset=utf-8"), Reading::Mask(_)));
        assert!(matches!(reading("image/png"), Reading::Pass("content_type")));
        for value in ["application/json,application/json", "application/json,", "application/json charset=utf-8"] {
            assert!(matches!(reading(value), Reading::Fail("undecodable")), "{value}");
        }
    }
}
