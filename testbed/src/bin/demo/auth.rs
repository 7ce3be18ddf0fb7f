//! The auth filter with its shipped config: tokens, and the identity provider whose keys it fetches.

use std::fmt;

use anyhow::{Context, Result, ensure};
use palisade_testbed::envoy::config::plugin_mut;
use palisade_testbed::{Envoy, Idp, ModuleServer, Request, Response, Upstream, checkout, http1};
use serde_json::{Value, json};

/// What the shipped config names.
const CONFIG: &str = "auth.yaml";
const PLUGIN: &str = "auth";

/// A token of alice, until the year 2100, by the key `a` of [`keys`].
const ALICE: &str = concat!(
    "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCIsImtpZCI6ImEifQ.",
    "eyJpc3MiOiJodHRwczovL2lkcC5leGFtcGxlIiwiYXVkIjoic2hvcCIsInN1YiI6ImFsaWNlIiwiZXhwIjo0MTAyNDQ0ODAwLCJw",
    "bGFuIjp7InRpZXIiOiJwcm8ifX0.",
    "jXjXmdmH6zUBjKCHm1RgJpEkzoE7_H2SxCLYnYaYb_NDGV726dt0mBQ8ZrdDTcvEUnaVYxvk9sibY0A-sI74AA"
);

/// A token of bob by the same key, which calls itself `b`.
const BOB: &str = concat!(
    "eyJhbGciOiJFZERTQSIsImtpZCI6ImIiLCJ0eXAiOiJKV1QifQ.",
    "eyJhdWQiOiJzaG9wIiwiZXhwIjo0MTAyNDQ0ODAwLCJpc3MiOiJodHRwczovL2lkcC5leGFtcGxlIiwic3ViIjoiYm9iIn0.",
    "Hp3aI0SxgRlb8qboXJEZuYHUAjiB0ADKE7V9-cx7vYR3dhbAI-E7QSUKLSy9qb-BBr_eiUZWzy-tCQ-39PZbBQ"
);

/// What requests were answered, and how often the keys were fetched.
pub(crate) struct Demonstration {
    lines: Vec<(&'static str, u16, String)>,
    fetches: usize,
}

/// Sends a few requests through the filter.
pub(crate) fn demonstrate() -> Result<Demonstration> {
    let (idp, upstream) = (Idp::start()?, Upstream::start()?);
    let modules = ModuleServer::start(checkout::root()?.join("dist/modules"))?;
    idp.keys(&keys("a"));
    let envoy = Envoy::pinned(CONFIG)?
        .cluster("upstream", upstream.addr())?
        .cluster("idp", idp.addr())?
        .cluster("palisade_modules", modules.addr())?
        .concurrency(2)
        .edit(|bootstrap| {
            let plugin = plugin_mut(bootstrap, PLUGIN).context("the config has no plugin of the filter")?;
            let key = json!({"PARTNER_KEY": "a secret of the partner's and ours"});
            plugin["vm_config"]["environment_variables"] = json!({"key_values": key});
            // Time for the cluster of the identity provider to be resolved.
            plugin["configuration"]["value"]["jwt"]["providers"]["main"]["jwks"]["remote"]["startup_wait"] =
                "10s".into();
            Ok(())
        })?
        .start()?;
    let ingress = envoy.addr("ingress")?;
    let bearer = |token: &str| Request::get("/orders").header("authorization", format!("Bearer {token}"));
    let mut lines = Vec::new();
    let mut ask = |what, request: Request, expected: u16| -> Result<()> {
        let response = http1::exchange(ingress, &request)?;
        let status = response.status;
        ensure!(status == expected, "{what}: {status} and not {expected}\n{}", envoy.log());
        lines.push((what, status, told(&response)));
        Ok(())
    };
    ask("no token", Request::get("/orders"), 401)?;
    ask("alice's token, and \"x-auth-sub: root\"", bearer(ALICE).header("x-auth-sub", "root"), 200)?;
    ask("the same with another letter", bearer(&ALICE.replace("eyJpc3Mi", "eyJpc3Mj")), 401)?;
    ask("bob's token, by a key that nobody knows", bearer(BOB), 401)?;
    ask("a path that hides /admin", Request::get("/orders/%2e%2e/admin"), 400)?;
    ask("the health check", Request::get("/healthz"), 200)?;
    Ok(Demonstration { lines, fetches: idp.jwks_count() })
}

/// The key set of the provider.
fn keys(name: &str) -> Value {
    let key = "L97pqU6ZmmStKNzSaadjqMF8tCqdsNiHmp8kmswKeOM";
    json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": name, "x": key}]})
}

/// Whom the upstream sees, or what the client is told.
fn told(response: &Response) -> String {
    let seen = serde_json::from_str::<Value>(&response.text()).unwrap_or_default();
    let header = |name: &str| {
        let headers = seen["headers"].as_array()?;
        headers.iter().find(|header| header["name"] == name)?["value"].as_str().map(str::to_owned)
    };
    match (header("x-auth-sub"), response.headers.text("www-authenticate")) {
        (Some(subject), _) => format!("the upstream sees x-auth-sub: {subject}"),
        (None, Some(challenge)) => challenge,
        (None, None) => String::new(),
    }
}

impl fmt::Display for Demonstration {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "request                                   answer")?;
        for (what, status, told) in &self.lines {
            writeln!(out, "{:<42}{}", what, format!("{status}  {told}").trim_end())?;
        }
        write!(out, "\nTwo workers fetched the keys of the identity provider {} in all.", times(self.fetches))
    }
}

fn times(count: usize) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}
