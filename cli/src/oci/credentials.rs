//! What a registry is told of the user: what it asks for by its challenge (RFC 9110, section 11.6.1), `Basic` itself or a token
//! that its token service gives for it.

use std::env;
use std::fmt;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use docker_credential::{CredentialRetrievalError as Failure, DockerCredential};
use http_auth::ChallengeRef;
use serde::Deserialize;
use ureq::Agent;

/// How long the answer of a token service may be, in bytes.
const MAX_TOKEN: u64 = 1 << 16;

const USERNAME: &str = "PALISADE_REGISTRY_USERNAME";
const PASSWORD: &str = "PALISADE_REGISTRY_PASSWORD";

/// What a credential helper says of a registry that it does not know.
const NOT_FOUND: &str = "credentials not found in native keychain";

/// A user's name and password at a registry.
pub(crate) struct Credentials {
    username: String,
    password: String,
}

impl Credentials {
    /// Those of the environment, or else those that `docker login` has left for the registry; without either, none.
    ///
    /// # Errors
    ///
    /// Credentials that cannot be read, or are of another kind.
    pub(crate) fn find(registry: &str) -> Result<Option<Self>> {
        match (env::var(USERNAME), env::var(PASSWORD)) {
            (Ok(username), Ok(password)) => Ok(Some(Self { username, password })),
            (Err(_), Err(_)) => Self::of_docker(registry),
            _ => bail!("{USERNAME} and {PASSWORD} belong together: set both in UTF-8, or neither"),
        }
    }

    fn of_docker(registry: &str) -> Result<Option<Self>> {
        match docker_credential::get_credential(name_in_docker(registry)) {
            Ok(DockerCredential::UsernamePassword(username, password)) => Ok(Some(Self { username, password })),
            Ok(DockerCredential::IdentityToken(_)) => bail!(
                "docker's config has an identity token for {registry}, which is not supported; set {USERNAME} and {PASSWORD}"
            ),
            Err(Failure::NoCredentialConfigured | Failure::ConfigNotFound | Failure::ConfigReadError) => Ok(None),
            Err(Failure::HelperFailure { stdout, .. }) if stdout.trim() == NOT_FOUND => Ok(None),
            // What it has written may hold what nobody should read.
            Err(Failure::HelperFailure { helper, .. }) => {
                bail!("docker's credential helper {helper} failed for {registry}")
            }
            Err(failure) => Err(failure)
                .with_context(|| format!("docker's config has no credentials for {registry} that can be read")),
        }
    }

    fn basic(&self) -> String {
        format!("Basic {}", STANDARD.encode(format!("{}:{}", self.username, self.password)))
    }
}

/// What `docker login` calls a registry, which helpers compare letter by letter.
fn name_in_docker(registry: &str) -> &str {
    if registry == "index.docker.io" { "https://index.docker.io/v1/" } else { registry }
}

/// The value of `authorization` that answers the challenges; none where only credentials would, and there are none.
///
/// # Errors
///
/// Challenges that cannot be answered, or a token service that gives no token.
pub(crate) fn answer(challenges: &[&str], credentials: Option<&Credentials>, agent: &Agent) -> Result<Option<String>> {
    let parsed: Vec<_> =
        challenges.iter().filter_map(|text| http_auth::parse_challenges(text).ok()).flatten().collect();
    let of_scheme = |scheme: &str| parsed.iter().find(|challenge| challenge.scheme.eq_ignore_ascii_case(scheme));
    if let Some(challenge) = of_scheme("Bearer") {
        return token(challenge, credentials, agent).map(|token| Some(format!("Bearer {token}")));
    }
    ensure!(of_scheme("Basic").is_some(), "the registry asks for neither Basic nor Bearer");
    Ok(credentials.map(Credentials::basic))
}

/// A token of the service that a challenge names (the distribution project's "Token Authentication Specification").
fn token(challenge: &ChallengeRef<'_>, credentials: Option<&Credentials>, agent: &Agent) -> Result<String> {
    /// Services send the token under either name, or under both.
    #[derive(Deserialize)]
    struct Answer {
        token: Option<String>,
        access_token: Option<String>,
    }
    let parameter = |name: &str| {
        challenge.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_unescaped())
    };
    let realm = parameter("realm").context("the registry names no token service")?;
    let mut request = agent.get(&realm);
    for name in ["service", "scope"] {
        if let Some(value) = parameter(name) {
            request = request.query(name, value);
        }
    }
    if let Some(credentials) = credentials {
        request = request.header("authorization", credentials.basic());
    }
    let failed = || format!("cannot get a token from {realm}");
    let mut response = request.call().with_context(failed)?;
    ensure!(response.status().is_success(), "{}: it answers {}", failed(), response.status());
    let body = response.body_mut().with_config().limit(MAX_TOKEN).read_to_vec().with_context(failed)?;
    // The parser's own message would quote what it has read.
    let answer: Option<Answer> = serde_json::from_slice(&body).ok();
    let token = answer.and_then(|answer| answer.token.or(answer.access_token));
    token.with_context(|| format!("{}: its answer holds none", failed()))
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use oci_spec::distribution::Reference;

    use super::*;

    #[test]
    fn docker_knows_its_hub_by_an_address_and_others_by_their_names() {
        let registry = |image: &str| name_in_docker(image.parse::<Reference>().unwrap().resolve_registry()).to_owned();
        assert_eq!(registry("acme/auth:1"), "https://index.docker.io/v1/");
        assert_eq!(registry("registry.example:5000/acme/auth:1"), "registry.example:5000");
    }
}
