//! A client that signs its requests (RFC 9421), written apart from the filter that verifies them.

use base64ct::{Base64, Encoding as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use palisade_testbed::Request;
use sha2::{Digest as _, Sha256};
use std::time::{SystemTime, UNIX_EPOCH};

/// How a client signs. The default covers all that a request has.
#[derive(Clone)]
pub(crate) struct Signer {
    pub(crate) keyid: String,
    pub(crate) secret: Vec<u8>,
    /// What is covered; where it is empty, the method, the authority, the path, the query and the digest, as far as they
    /// are there.
    pub(crate) components: Vec<&'static str>,
    /// Seconds after now.
    pub(crate) created: i64,
    /// What stands behind `created` and `keyid`, such as `;nonce="x"`.
    pub(crate) more: String,
}

impl Signer {
    pub(crate) fn new(keyid: &str, secret: &str) -> Self {
        let (keyid, secret) = (keyid.to_owned(), secret.as_bytes().to_vec());
        Self { keyid, secret, components: Vec::new(), created: 0, more: String::new() }
    }

    /// With a nonce.
    pub(crate) fn nonce(&self, nonce: impl std::fmt::Display) -> Self {
        Self { more: format!("{};nonce=\"{nonce}\"", self.more), ..self.clone() }
    }

    /// The request with its digest, where it has a body, and its signature.
    pub(crate) fn sign(&self, request: Request) -> Request {
        let body = request.chunks.concat();
        let has_body = !request.chunks.is_empty();
        let request = if has_body { request.header("content-digest", digest(&body)) } else { request };
        let mut components = self.components.clone();
        if components.is_empty() {
            components.extend(["@method", "@authority", "@path"]);
            components.extend(request.path.contains('?').then_some("@query"));
            components.extend(has_body.then_some("content-digest"));
        }
        let quoted: Vec<_> = components.iter().map(|name| format!("\"{name}\"")).collect();
        let created = now().strict_add_signed(self.created);
        let described = format!("({});created={created};keyid=\"{}\"{}", quoted.join(" "), self.keyid, self.more);
        let mut base = String::new();
        for name in components {
            base.push_str(&format!("\"{name}\": {}\n", value(&request, name)));
        }
        base.push_str(&format!("\"@signature-params\": {described}"));
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).unwrap();
        mac.update(base.as_bytes());
        let signature = Base64::encode_string(&mac.finalize().into_bytes());
        request.header("signature-input", format!("sig={described}")).header("signature", format!("sig=:{signature}:"))
    }
}

/// `sha-256=:...:`
pub(crate) fn digest(body: &[u8]) -> String {
    format!("sha-256=:{}:", Base64::encode_string(&Sha256::digest(body)))
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn value(request: &Request, name: &str) -> String {
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    match name {
        "@method" => request.method.clone(),
        "@authority" => request.authority.to_lowercase(),
        "@path" => path.to_owned(),
        "@query" => format!("?{query}"),
        "@target-uri" => format!("http://{}{}", request.authority, request.path),
        name => request.headers.text(name).unwrap_or_default(),
    }
}
