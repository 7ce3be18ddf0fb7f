//! Envoy's admin interface.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::http1;
use crate::message::{Request, Response};

#[derive(Clone, Copy, Debug)]
pub(super) struct Admin(SocketAddr);

impl Admin {
    /// From the text of the file that `--admin-address-path` names, for example `127.0.0.1:40123`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        text.trim().parse().ok().map(Self)
    }

    pub(super) fn addr(self) -> SocketAddr {
        self.0
    }

    pub(super) fn get(self, path: &str) -> Result<String> {
        let response = self.exchange(path)?;
        ensure!(
            response.status == 200,
            "Envoy's admin interface answers {} to {path}: {}",
            response.status,
            response.text()
        );
        Ok(response.text())
    }

    /// Whether Envoy serves: initialised, with all its listeners warm.
    pub(super) fn is_live(self) -> bool {
        self.exchange("/ready").is_ok_and(|response| response.status == 200)
    }

    /// The counters and gauges.
    pub(super) fn stats(self) -> Result<BTreeMap<String, u64>> {
        let texts = self.stat_texts()?;
        Ok(texts.into_iter().filter_map(|(name, value)| Some((name, value.parse().ok()?))).collect())
    }

    /// All stats as `/stats` shows them.
    pub(super) fn stat_texts(self) -> Result<BTreeMap<String, String>> {
        let text = self.get("/stats")?;
        let lines = text.lines().filter_map(|line| line.split_once(": "));
        Ok(lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    pub(super) fn stat(self, name: &str) -> Result<u64> {
        Ok(self.stats()?.get(name).copied().unwrap_or_default())
    }

    /// The addresses that the listeners are bound to, by name.
    pub(super) fn listeners(self) -> Result<BTreeMap<String, SocketAddr>> {
        let listing: Value = serde_json::from_str(&self.get("/listeners?format=json")?)?;
        let statuses = listing["listener_statuses"].as_array().cloned().unwrap_or_default();
        Ok(statuses.iter().filter_map(|status| address_of(status).ok()).collect())
    }

    fn exchange(self, path: &str) -> Result<Response> {
        http1::exchange(self.0, &Request::get(path).header("connection", "close"))
    }
}

fn address_of(status: &Value) -> Result<(String, SocketAddr)> {
    let name = status["name"].as_str().context("a listener without a name")?;
    let socket = &status["local_address"]["socket_address"];
    let address: IpAddr = socket["address"].as_str().context("a listener without an IP address")?.parse()?;
    let port = socket["port_value"].as_u64().context("a listener without a port")?;
    Ok((name.to_owned(), SocketAddr::new(address, u16::try_from(port)?)))
}
