//! Verification: what the tokens of a provider must be.

use std::time::Duration;

use crate::jose::claims::{Claims, Requirements};
use crate::jose::signature::Verifier;
use crate::jose::{Algorithm, Compact, Error, Header, HostSignatures, KeySet, Types};

/// What a provider asks of its tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// How tokens may be signed.
    pub algorithms: Vec<Algorithm>,
    /// Which kinds of token count.
    pub types: Types,
    /// Whether a token that names a key counts with a key of this name only, and not with one that has no name.
    pub strict_kid: bool,
    /// The longest token, in bytes.
    pub longest: usize,
    /// What the claims must be.
    pub requirements: Requirements,
}

/// The rules, and what verifies signatures for them.
pub struct Verification<H> {
    rules: Rules,
    verifier: Verifier<H>,
}

impl<H: HostSignatures> Verification<H> {
    /// Puts the host to the proof for the algorithms of these rules.
    pub fn new(rules: Rules, host: H) -> Self {
        Self { verifier: Verifier::new(host, &rules.algorithms), rules }
    }

    /// An algorithm of the rules that neither host nor module can verify.
    pub fn impossible(&self) -> Option<Algorithm> {
        self.rules.algorithms.iter().copied().find(|algorithm| !self.verifier.can_verify(*algorithm))
    }

    /// The host.
    pub fn host(&self) -> &H {
        self.verifier.host()
    }

    /// Reads a token, without looking at its signature or claims.
    ///
    /// # Errors
    ///
    /// The token is none, or asks for what these rules do not allow.
    pub fn read<'a>(&self, token: &'a [u8]) -> Result<(Compact<'a>, Header), Error> {
        if token.len() > self.rules.longest {
            return Err(Error::TooLong);
        }
        let token = Compact::parse(token)?;
        let header = Header::parse(&token.header, &self.rules.algorithms, &self.rules.types)?;
        Ok((token, header))
    }

    /// Checks the signature of a token with the keys of a set.
    ///
    /// # Errors
    ///
    /// As for [`KeySet::verify`].
    pub fn check_signature(&self, token: &Compact<'_>, header: &Header, keys: &KeySet) -> Result<(), Error> {
        keys.verify(token, header, self.rules.strict_kid, &self.verifier)
    }

    /// Checks the claims of a token whose signature holds; `now` is the time since the Unix epoch.
    ///
    /// # Errors
    ///
    /// As for [`Requirements::check`].
    pub fn check_claims(&self, token: &Compact<'_>, now: Duration) -> Result<Claims, Error> {
        self.rules.requirements.check(&token.payload, now)
    }
}
