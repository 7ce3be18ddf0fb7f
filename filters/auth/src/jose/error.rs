//! Why a token does not count.

/// Why a token does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// Longer than the provider takes.
    TooLong,
    /// Not three parts of canonical base64url, the last of them not empty (RFC 7515, section 7.1).
    Malformed,
    /// The header is no strict JSON object, or a member of it has the wrong type.
    MalformedHeader,
    /// `alg` is missing, unknown, `none`, or not one of the provider's (RFC 8725, section 3.1).
    AlgorithmNotAllowed,
    /// The header asks for an extension (`crit`, `b64`, `zip`); none is understood (RFC 7515, section 4.1.11).
    UnsupportedExtension,
    /// `typ` says that this is another kind of token (RFC 8725, section 3.11).
    WrongType,
    /// No key of the set is the one that signed.
    UnknownKey,
    /// The key that the token names is for another algorithm.
    KeyMismatch,
    /// The signature does not hold.
    BadSignature,
    /// The signature could not be checked, since the host, which has to, did not answer.
    SignatureUnavailable,
    /// The payload is no strict JSON object, or a registered claim has the wrong type (RFC 7519, section 4.1).
    MalformedClaims,
    /// A claim that the provider requires is missing.
    MissingClaim,
    /// `exp` has passed.
    Expired,
    /// `nbf` has not come.
    NotYetValid,
    /// `iat` lies in the future.
    IssuedInFuture,
    /// `iat` lies further back than `max_token_age`.
    TooOld,
    /// `iss` is somebody else.
    WrongIssuer,
    /// `aud` is somebody else.
    WrongAudience,
}

impl Error {
    /// The reason in metrics and in the response code details.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::TooLong => "token_too_long",
            Self::Malformed => "malformed_token",
            Self::MalformedHeader => "malformed_header",
            Self::AlgorithmNotAllowed => "algorithm_not_allowed",
            Self::UnsupportedExtension => "unsupported_extension",
            Self::WrongType => "wrong_type",
            Self::UnknownKey => "unknown_key",
            Self::KeyMismatch => "key_mismatch",
            Self::BadSignature => "bad_signature",
            Self::SignatureUnavailable => "signature_unavailable",
            Self::MalformedClaims => "malformed_claims",
            Self::MissingClaim => "missing_claim",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::IssuedInFuture => "issued_in_future",
            Self::TooOld => "too_old",
            Self::WrongIssuer => "wrong_issuer",
            Self::WrongAudience => "wrong_audience",
        }
    }
}
