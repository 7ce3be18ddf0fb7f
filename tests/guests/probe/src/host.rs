//! Abilities of the host that need no waiting: shared data, metrics, clock, randomness, properties, filter state,
//! signatures, the environment.

use crate::Probe;
use palisade_sdk::matching::{Attributes, ClientIp};
use palisade_sdk::random::{Seed, SeededMap, fill, generator};
use palisade_sdk::signature::{Hash, verify};
use palisade_sdk::{Reply, Request, UpdateError, labels, now};
use std::time::Duration;

impl Probe {
    /// Uses each of them once and tells what came of it, a line each.
    pub(crate) fn host(&self, request: &Request<Self>) -> Result<(), Reply> {
        let mut lines = Vec::new();
        lines.push(format!("shared update: {:?}", self.requests.update(|old| Some(one_more(old)))));
        lines.push(format!("shared length: {:?}", self.requests.get().map(|value| value.map(|value| value.len()))));

        self.plugin.counters("counter", labels!["kind"]).add(["test"], 3);
        self.plugin.gauge("gauge").set(7);
        self.plugin.histogram("histogram").record(5);

        let mut bytes = [0; 16];
        lines.push(format!("random: {:?} {}", fill(&mut bytes), bytes != [0; 16]));
        lines.push(format!("generator: {}", generator().is_ok()));
        let mut map = SeededMap::with_hasher(Seed::new()?);
        map.insert("key", "value");
        lines.push(format!("seeded map: {:?}", map.get("key")));
        lines.push(format!("clock: {}", now()?.as_secs() > 1_700_000_000));

        let handle = request.handle();
        handle.set_filter_state("palisade.probe", b"state")?;
        for path in [&["palisade.probe"][..], &["filter_state", "wasm.palisade.probe"], &["no_such_property"]] {
            let value =
                handle.property(path).map(|value| value.map(|value| String::from_utf8_lossy(&value).into_owned()));
            lines.push(format!("property {path:?}: {value:?}"));
        }
        lines.push(format!("plugin: {:?} {}", self.plugin.name(), self.plugin.config_sha256().len()));
        log::info!("the probe writes a line");
        log::debug!("the probe writes a debug line");
        Err(Reply::new(200, "probe_host").body(lines.join("\n")))
    }

    /// Adds one to a number that all workers share, slowly, and answers with the number.
    pub(crate) fn count(&self) -> Result<(), Reply> {
        let mut counted = Vec::new();
        let mut update = || {
            self.requests.update(|old| {
                // Long enough that the other workers come in between.
                let began = now().unwrap_or_default();
                while now().unwrap_or_default().saturating_sub(began) < Duration::from_micros(100) {}
                counted = one_more(old);
                Some(counted.clone())
            })
        };
        // So much contention that one update may well lose all its tries.
        let mut updated = update();
        for _ in 0..100 {
            if updated == Err(UpdateError::Contended) {
                updated = update();
            }
        }
        updated.map_err(|error| Reply::new(500, "probe_count").body(error.to_string()))?;
        let counted = counted.try_into().map_or(0, u64::from_le_bytes);
        Err(Reply::new(200, "probe_count").body(counted.to_string()))
    }
}

impl Probe {
    /// The configuration's secret: its bytes and what a log would have of it.
    pub(crate) fn secret(&self) -> String {
        let bytes = self.config.secret.as_ref().map(|secret| String::from_utf8_lossy(secret.expose()));
        format!("{bytes:?} {:?}", self.config.secret)
    }
}

/// What the host says of a signature; it and its key are headers, in hexadecimal.
pub(crate) fn signature(request: &Request<Probe>) -> Result<(), Reply> {
    let bytes = |name| Ok::<_, Reply>(hex::decode(request.header(name)?.unwrap_or_default()).unwrap_or_default());
    let hash = match request.header("x-hash")?.as_deref() {
        Some(b"sha384") => Hash::Sha384,
        Some(b"sha512") => Hash::Sha512,
        _ => Hash::Sha256,
    };
    let text = request.header("x-text")?.unwrap_or_default();
    let outcome = verify(hash, &bytes("x-key")?, &bytes("x-signature")?, &text);
    let text = outcome.map_or_else(|error| error.to_string(), |verified| verified.to_string());
    Err(Reply::new(200, "probe_signature").body(text))
}

fn one_more(old: Option<&[u8]>) -> Vec<u8> {
    let old = old.and_then(|old| old.try_into().ok()).map_or(0, u64::from_le_bytes);
    old.saturating_add(1).to_le_bytes().to_vec()
}

/// The VM's memory, in pages of 64 KiB.
pub(crate) fn memory_pages() -> usize {
    #[cfg(target_arch = "wasm32")]
    return core::arch::wasm32::memory_size::<0>();
    #[cfg(not(target_arch = "wasm32"))]
    return 0;
}

/// Reads the request's headers and the client's address when the request has long gone.
pub(crate) async fn snapshot(request: Request<Probe>) -> Result<(), Reply> {
    let snapshot = request.snapshot()?;
    let mut response = request.response().await;
    response.set_header("x-probe-tier", format!("{:?}", snapshot.header("x-tier")?))?;
    response.set_header("x-probe-client", format!("{:?}", ClientIp::default().resolve(&snapshot)?))?;
    Ok(())
}
