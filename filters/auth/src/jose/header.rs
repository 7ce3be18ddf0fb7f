//! The header of a signed token (RFC 7515, section 4).

use serde_json::{Map, Value};

use super::{Algorithm, Error};
use crate::json;

/// Kinds of token that are signed by the same keys, and are no access tokens: a DPoP proof (RFC 9449), a security event
/// (RFC 8417), a back-channel logout (OpenID Connect). They are refused unless a provider asks for them.
const OTHER_TYPES: [&str; 3] = ["dpop+jwt", "secevent+jwt", "logout+jwt"];

/// What a header says about how to verify its token.
///
/// `jku`, `jwk`, `x5u` and `x5c` are not looked at: whoever made the token must not choose the key.
#[derive(Debug, PartialEq, Eq)]
pub struct Header {
    /// How the token is signed.
    pub algorithm: Algorithm,
    /// Which key has signed it.
    pub kid: Option<String>,
}

/// Which kinds of token a provider takes, by their `typ`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Types {
    /// The types in lower case, without `application/`; none says that every access token will do.
    allowed: Vec<String>,
}

// === impl Header ===

impl Header {
    /// Reads a header and refuses what this verifier does not do.
    ///
    /// # Errors
    ///
    /// [`Error::MalformedHeader`], [`Error::AlgorithmNotAllowed`], [`Error::UnsupportedExtension`],
    /// [`Error::WrongType`].
    pub fn parse(text: &[u8], algorithms: &[Algorithm], types: &Types) -> Result<Self, Error> {
        let header = json::object(text).ok_or(Error::MalformedHeader)?;
        let text = |name| text_member(&header, name);
        let algorithm = text("alg")?.ok_or(Error::AlgorithmNotAllowed)?;
        let algorithm = Algorithm::from_name(algorithm).filter(|algorithm| algorithms.contains(algorithm));
        let algorithm = algorithm.ok_or(Error::AlgorithmNotAllowed)?;
        // Whether `crit` is well formed does not matter: it is refused with any content.
        if ["crit", "b64", "zip"].iter().any(|name| header.contains_key(*name)) {
            return Err(Error::UnsupportedExtension);
        }
        types.check(text("typ")?)?;
        Ok(Self { algorithm, kid: text("kid")?.map(str::to_owned) })
    }
}

fn text_member<'a>(header: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, Error> {
    match header.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Error::MalformedHeader),
    }
}

// === impl Types ===

impl Types {
    /// Takes these types only, such as `at+jwt`; a token without `typ` is refused then.
    pub fn of(types: impl IntoIterator<Item = String>) -> Self {
        Self { allowed: types.into_iter().map(|name| normal(&name)).collect() }
    }

    fn check(&self, name: Option<&str>) -> Result<(), Error> {
        let name = name.map(normal);
        let is_allowed = match &name {
            None => self.allowed.is_empty(),
            Some(name) if self.allowed.is_empty() => !OTHER_TYPES.contains(&name.as_str()),
            Some(name) => self.allowed.contains(name),
        };
        if is_allowed { Ok(()) } else { Err(Error::WrongType) }
    }
}

/// A media type in lower case, without the `application/` that may be left out (RFC 7515, section 4.1.9).
fn normal(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    match name.strip_prefix("application/") {
        Some(subtype) => subtype.to_owned(),
        None => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALGORITHMS: [Algorithm; 2] = [Algorithm::EdDsa, Algorithm::Rs(super::super::Hash::Sha256)];

    fn parse(text: &str) -> Result<Header, Error> {
        Header::parse(text.as_bytes(), &ALGORITHMS, &Types::default())
    }

    fn parse_typ(types: &[&str], typ: &str) -> Result<Header, Error> {
        let types = Types::of(types.iter().map(|name| (*name).to_owned()));
        Header::parse(format!(r#"{{"alg":"EdDSA"{typ}}}"#).as_bytes(), &ALGORITHMS, &types)
    }

    #[test]
    fn algorithm_and_key_id_are_read() {
        let header = Header { algorithm: Algorithm::EdDsa, kid: Some("a".to_owned()) };
        assert_eq!(parse(r#"{"alg":"EdDSA","kid":"a","jku":"https://evil.example"}"#), Ok(header));
        assert_eq!(parse(r#"{"alg":"RS256"}"#).map(|header| header.kid), Ok(None));
    }

    #[test]
    fn only_an_algorithm_of_the_provider_is_allowed() {
        for alg in ["none", "None", "NONE", "nOnE", "", "rs256", "ES256", "HS256", "RS256 ", "eddsa"] {
            assert_eq!(parse(&format!(r#"{{"alg":"{alg}"}}"#)), Err(Error::AlgorithmNotAllowed), "{alg}");
        }
        assert_eq!(parse("{}"), Err(Error::AlgorithmNotAllowed));
        assert_eq!(parse(r#"{"alg":null}"#), Err(Error::MalformedHeader));
        assert_eq!(parse(r#"{"alg":["RS256"]}"#), Err(Error::MalformedHeader));
    }

    #[test]
    fn no_extension_is_understood() {
        for extension in
            [r#""crit":["exp"]"#, r#""crit":[]"#, r#""crit":null"#, r#""b64":false"#, r#""b64":true"#, r#""zip":"DEF""#]
        {
            assert_eq!(parse(&format!(r#"{{"alg":"EdDSA",{extension}}}"#)), Err(Error::UnsupportedExtension));
        }
    }

    #[test]
    fn a_header_is_a_strict_json_object() {
        let deep = format!(r#"{{"alg":"EdDSA","x":{}{}}}"#, "[".repeat(32), "]".repeat(32));
        for text in [
            r#"{"alg":"EdDSA","alg":"EdDSA"}"#,
            r#"{"alg":"EdDSA","kid":1}"#,
            r#"{"alg":"EdDSA","typ":1}"#,
            r#"{"alg":"EdDSA"}x"#,
            r#"["alg"]"#,
            "",
            &deep,
        ] {
            assert_eq!(parse(text), Err(Error::MalformedHeader), "{text}");
        }
        assert_eq!(
            Header::parse(b"{\"alg\":\"EdDSA\xFF\"}", &ALGORITHMS, &Types::default()),
            Err(Error::MalformedHeader)
        );
    }

    #[test]
    fn a_pinned_type_is_compared_as_a_media_type() {
        for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"] {
            assert!(parse_typ(&["at+jwt"], &format!(r#","typ":"{typ}""#)).is_ok(), "{typ}");
        }
        assert!(parse_typ(&["application/AT+jwt", "JWT"], r#","typ":"at+jwt""#).is_ok());
        for typ in ["JWT", "at+jwt ", "text/at+jwt", "application/application/at+jwt", ""] {
            let header = parse_typ(&["at+jwt"], &format!(r#","typ":"{typ}""#));
            assert_eq!(header, Err(Error::WrongType), "{typ}");
        }
        assert_eq!(parse_typ(&["at+jwt"], ""), Err(Error::WrongType));
    }

    #[test]
    fn other_kinds_of_token_are_refused_where_no_type_is_pinned() {
        for typ in ["dpop+jwt", "application/DPoP+JWT", "secevent+jwt", "logout+jwt"] {
            assert_eq!(parse_typ(&[], &format!(r#","typ":"{typ}""#)), Err(Error::WrongType), "{typ}");
        }
        for typ in ["", r#","typ":"JWT""#, r#","typ":"at+jwt""#] {
            assert!(parse_typ(&[], typ).is_ok(), "{typ}");
        }
        assert!(parse_typ(&["dpop+jwt"], r#","typ":"dpop+jwt""#).is_ok());
    }
}
