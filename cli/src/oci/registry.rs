//! A registry, as the OCI distribution specification 1.1 has it.

use std::cell::RefCell;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use oci_spec::distribution::Reference;
use oci_spec::image::Descriptor;
use ureq::config::RedirectAuthHeaders;
use ureq::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE};
use ureq::http::{Method, Request, Response, StatusCode};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body, Error, ResponseExt as _};

use super::blob::Blob;
use super::credentials::{self, Credentials};
use super::image::Image;
use super::source::{MAX_MANIFEST, Source};
use crate::refusal::Rule;
use crate::verify::Refused;

/// The longest that one exchange may take.
const TIMEOUT: Duration = Duration::from_secs(300);

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What is read: all that `inspect` can tell something about.
const MANIFESTS: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json";

/// A repository of a registry, and the image in it that a reference names.
pub(crate) struct Registry<'a> {
    reference: &'a Reference,
    agent: Agent,
    /// For example `https://ghcr.io`.
    origin: String,
    credentials: Option<Credentials>,
    /// The value of `authorization` that it has taken last.
    authorization: RefCell<Option<String>>,
}

/// Sends an image to a registry, under the tag of the reference.
///
/// # Errors
///
/// A registry that cannot be reached or does not take it.
pub fn push(image: &Image, reference: &Reference, is_plain: bool) -> Result<()> {
    let tag = reference.tag().context("an image is pushed under a tag: write one behind the repository's name")?;
    ensure!(reference.digest().is_none(), "the digest is the image's own: leave it out of {reference}");
    let registry = Registry::open(reference, is_plain)?;
    for blob in image.blobs() {
        registry.push_blob(blob)?;
    }
    let media_type = image.manifest.descriptor.media_type().to_string();
    let url = registry.url(&format!("manifests/{tag}"));
    let response = registry.send(Method::PUT, &url, Some((&media_type, &image.manifest.bytes)))?;
    registry.expect(&response, &[StatusCode::CREATED], "the manifest")
}

/// The reference of an image, with or without the `oci://` of Istio's configs.
///
/// # Errors
///
/// What is no reference, or has neither tag nor digest: `latest` is written, not guessed.
pub(crate) fn reference(text: &str) -> Result<Reference> {
    let bare = text.strip_prefix("oci://").unwrap_or(text);
    let what = || format!("`{text}` is no image: write registry/repository:tag, or registry/repository@sha256:digest");
    let reference: Reference = bare.parse().with_context(what)?;
    let end = reference.digest().map(|digest| format!("@{digest}")).or(reference.tag().map(|tag| format!(":{tag}")));
    ensure!(end.is_some_and(|end| bare.ends_with(&end)), what());
    Ok(reference)
}

impl<'a> Registry<'a> {
    /// The registry of a reference: over TLS, unless it `is_plain`, or on this machine and without TLS.
    pub(crate) fn open(reference: &'a Reference, is_plain: bool) -> Result<Self> {
        let host = reference.resolve_registry();
        let is_plain = is_plain || (is_loopback(host) && !speaks_tls(host));
        let scheme = if is_plain { "http" } else { "https" };
        Ok(Self {
            reference,
            agent: agent(is_plain),
            origin: format!("{scheme}://{host}"),
            credentials: Credentials::find(host)?,
            authorization: RefCell::default(),
        })
    }

    fn url(&self, resource: &str) -> String {
        format!("{}/v2/{}/{resource}", self.origin, self.reference.repository())
    }

    fn push_blob(&self, blob: &Blob) -> Result<()> {
        let digest = blob.descriptor.digest();
        let found = self.send(Method::HEAD, &self.url(&format!("blobs/{digest}")), None)?;
        if found.status() == StatusCode::OK {
            return Ok(());
        }
        let begun = self.send(Method::POST, &self.url("blobs/uploads/"), Some(("", &[])))?;
        self.expect(&begun, &[StatusCode::ACCEPTED], "an upload")?;
        let location = begun.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let location = location.with_context(|| format!("{} does not say where to upload", self.origin))?;
        let location =
            if location.starts_with('/') { format!("{}{location}", self.origin) } else { location.to_owned() };
        let separator = if location.contains('?') { '&' } else { '?' };
        let url = format!("{location}{separator}digest={digest}");
        let done = self.send(Method::PUT, &url, Some(("application/octet-stream", &blob.bytes)))?;
        self.expect(&done, &[StatusCode::CREATED], "a blob")
    }

    /// Sends a request, and once more with what the registry's challenge asks for. Who answers where the registry redirects to is
    /// not asked: its challenge could name a token service of its own, which would be told the password.
    fn send(&self, method: Method, url: &str, body: Option<(&str, &[u8])>) -> Result<Response<Body>> {
        let response = self.send_once(&method, url, body)?;
        if response.status() != StatusCode::UNAUTHORIZED || !self.is_own(&response.get_uri().to_string()) {
            return Ok(response);
        }
        let challenges = response.headers().get_all(WWW_AUTHENTICATE);
        let challenges: Vec<_> = challenges.iter().filter_map(|value| value.to_str().ok()).collect();
        match credentials::answer(&challenges, self.credentials.as_ref(), &self.agent)? {
            None => Ok(response),
            answer => {
                self.authorization.replace(answer);
                self.send_once(&method, url, body)
            }
        }
    }

    fn send_once(&self, method: &Method, url: &str, body: Option<(&str, &[u8])>) -> Result<Response<Body>> {
        let mut request = Request::builder().method(method).uri(url).header(ACCEPT, MANIFESTS);
        if let Some(authorization) = self.authorization.borrow().as_ref().filter(|_| self.is_own(url)) {
            request = request.header(AUTHORIZATION, authorization);
        }
        let response = match body {
            Some((media_type, bytes)) => self.agent.run(request.header(CONTENT_TYPE, media_type).body(bytes)?),
            None => self.agent.run(request.body(())?),
        };
        response.map_err(|error| match error {
            Error::RequireHttpsOnly(_) => anyhow::anyhow!("{} leads to an address without TLS", self.origin),
            error => anyhow::Error::from(error).context(format!("cannot reach {}", self.origin)),
        })
    }

    /// Whether the address is the registry's, and not one that it has named: only it is told who the user is.
    fn is_own(&self, url: &str) -> bool {
        url.strip_prefix(&self.origin).is_some_and(|rest| rest.starts_with('/'))
    }

    fn expect(&self, response: &Response<Body>, wanted: &[StatusCode], what: &str) -> Result<()> {
        let status = response.status();
        if wanted.contains(&status) {
            return Ok(());
        }
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let what = format!(
                    "the registry answers {} for {what}: log in with `docker login {}`, or set PALISADE_REGISTRY_USERNAME and PALISADE_REGISTRY_PASSWORD",
                    status.as_u16(),
                    self.reference.registry()
                );
                Err(self.refused(Rule::Credentials, what))
            }
            StatusCode::NOT_FOUND => Err(self.refused(Rule::Missing, format!("the registry does not have {what}"))),
            _ => bail!("{} answers {status} for {what} of {}", self.origin, self.reference),
        }
    }

    /// The body of an answer, of which at most `limit` bytes and one more are read.
    fn read(&self, mut response: Response<Body>, limit: u64) -> Result<Vec<u8>> {
        // The reader fails once that many are read, whether or not there are more.
        let limited = response.body_mut().with_config().limit(limit.saturating_add(1)).read_to_vec();
        limited.map_err(|error| match error {
            Error::BodyExceedsLimit(_) => {
                self.refused(Rule::TooLarge, format!("the registry sends more than the {limit} bytes that it may"))
            }
            error => anyhow::Error::from(error).context(format!("{} broke off", self.origin)),
        })
    }

    fn refused(&self, rule: Rule, what: String) -> anyhow::Error {
        Refused::of_image(self.name(), rule, what).into()
    }
}

impl Source for Registry<'_> {
    fn name(&self) -> String {
        self.reference.to_string()
    }

    fn manifest(&self) -> Result<Vec<u8>> {
        // A tag that stands beside a digest is asked for, so that it is seen where it was moved.
        let name = self.reference.tag().or(self.reference.digest()).unwrap_or_default();
        let response = self.send(Method::GET, &self.url(&format!("manifests/{name}")), None)?;
        self.expect(&response, &[StatusCode::OK], "the image")?;
        self.read(response, MAX_MANIFEST)
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<Vec<u8>> {
        let response = self.send(Method::GET, &self.url(&format!("blobs/{}", descriptor.digest())), None)?;
        self.expect(&response, &[StatusCode::OK], "a blob")?;
        self.read(response, descriptor.size())
    }
}

fn agent(is_plain: bool) -> Agent {
    Agent::config_builder()
        .https_only(!is_plain)
        .http_status_as_error(false)
        .redirect_auth_headers(RedirectAuthHeaders::Never)
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_per_call(Some(TIMEOUT))
        .tls_config(TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build())
        .user_agent(concat!("palisade/", env!("CARGO_PKG_VERSION")))
        .build()
        .into()
}

fn speaks_tls(host: &str) -> bool {
    let request = agent(false).get(format!("https://{host}/v2/"));
    request.config().timeout_global(Some(CONNECT_TIMEOUT)).build().call().is_ok()
}

/// Whether a registry, with or without a port, is on this machine.
fn is_loopback(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, port)| if port.ends_with(']') { host } else { name });
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || address.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_taken_for_loopback() {
        for host in ["localhost", "localhost:5000", "127.0.0.1", "127.8.0.1:5000", "[::1]", "[::1]:5000"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["localhost.example.com", "127.0.0.1.example.com:443", "10.0.0.1", "[::2]:5000", "ghcr.io", ""] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
