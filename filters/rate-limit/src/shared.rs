//! Shared: the host's shared data, in which the workers of a process keep their shards and the seed of their hashes.

use palisade_sdk::config::ConfigErrors;
use palisade_sdk::{HostError, Plugin, Status, Version, now, random};

use crate::key::Seed;
use crate::store::Shards;

/// The shards' values. They are there from the configuration on, since Envoy compares no versions of a key that is new.
pub(crate) struct SharedShards {
    plugin: Plugin,
}

impl SharedShards {
    /// Creates those values that are not there yet.
    ///
    /// # Errors
    ///
    /// When the host refuses.
    pub(crate) fn new(plugin: Plugin, shards: u32) -> Result<Self, ConfigErrors> {
        let this = Self { plugin };
        for shard in 0..shards {
            this.plugin.shared(&name(shard)).create(&[]).map_err(refused)?;
        }
        Ok(this)
    }
}

impl Shards for SharedShards {
    type Version = Version;
    type Error = HostError;

    fn now(&self) -> Result<u64, HostError> {
        Ok(u64::try_from(now()?.as_nanos()).unwrap_or(u64::MAX))
    }

    fn read(&self, shard: u32) -> Result<(Vec<u8>, Version), HostError> {
        let key = self.plugin.shared(&name(shard));
        if let Some(found) = key.get_versioned()? {
            return Ok(found);
        }
        key.create(&[])?;
        key.get_versioned()?.ok_or(HostError { call: "proxy_get_shared_data", status: Status::NotFound })
    }

    fn replace(&self, shard: u32, version: Version, value: &[u8]) -> Result<bool, HostError> {
        self.plugin.shared(&name(shard)).replace(version, value)
    }
}

/// The seed on which the workers agree: that of the first, in the value of one key.
///
/// # Errors
///
/// When the host refuses.
pub(crate) fn seed(plugin: &Plugin) -> Result<Seed, ConfigErrors> {
    let key = plugin.shared("seed/1");
    let mut seed = [0; Seed::LENGTH];
    random::fill(&mut seed).map_err(refused)?;
    key.create(&seed).map_err(refused)?;
    let agreed = key.get().map_err(refused)?;
    agreed
        .and_then(|seed| Seed::from_bytes(&seed))
        .ok_or_else(|| ConfigErrors::new("", "the workers have no common seed"))
}

/// The name of a shard's key. It stands for one layout of the value, which the modules of an update may not agree on.
fn name(shard: u32) -> String {
    ["shard/2/", &shard.to_string()].concat()
}

fn refused(error: HostError) -> ConfigErrors {
    ConfigErrors::new("", error.to_string())
}
