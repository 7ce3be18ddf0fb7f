//! A plugin: a filter in a chain, as Envoy's `PluginConfig` describes it.

use crate::capabilities::Capabilities;
use crate::module::Module;
use std::collections::BTreeMap;

/// A filter in a chain.
#[derive(Clone, Debug)]
pub struct Plugin {
    /// Its name, in logs and as the property `plugin_name`.
    pub name: String,
    /// The name of its root, as the property `plugin_root_id`.
    pub root_id: String,
    /// What it is configured with.
    pub configuration: Vec<u8>,
    /// What becomes of requests where it cannot run.
    pub failure_policy: FailurePolicy,
    /// Whether pausing in a headers callback leaves the body callbacks running.
    pub allow_on_headers_stop_iteration: bool,
    /// The VM that it runs in.
    pub vm: VmSettings,
}

/// A VM; plugins with the same share one on each worker.
#[derive(Clone, Debug)]
pub struct VmSettings {
    /// The namespace of shared data and queues.
    pub id: String,
    /// What the VM is configured with.
    pub configuration: Vec<u8>,
    /// The code.
    pub module: Module,
    /// The environment.
    pub environment: BTreeMap<String, String>,
    /// What it may call and what is called of it.
    pub capabilities: Capabilities,
}

/// What becomes of requests where a plugin cannot run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FailurePolicy {
    /// They are answered with 503, for ever.
    #[default]
    Closed,
    /// The one in which it fails is answered with 503, later ones pass without it.
    Open,
    /// All pass, also the one in which it fails (the old `fail_open: true`).
    OpenAtOnce,
    /// The next one gets a new VM; where that fails, they are answered with 503 for about a second.
    Reload,
}

/// What tells VMs apart.
pub(crate) type VmKey = (String, Vec<u8>, String, BTreeMap<String, String>, Capabilities);

impl Plugin {
    /// A plugin that fails closed, in a VM of its own id.
    #[must_use]
    pub fn new(name: &str, module: Module) -> Self {
        let vm = VmSettings {
            id: String::new(),
            configuration: Vec::new(),
            module,
            environment: BTreeMap::new(),
            capabilities: Capabilities::default(),
        };
        Self {
            name: name.to_owned(),
            root_id: String::new(),
            configuration: Vec::new(),
            failure_policy: FailurePolicy::Closed,
            allow_on_headers_stop_iteration: false,
            vm,
        }
    }

    /// What tells its root from others of the same VM.
    pub(crate) fn key(&self) -> (String, Vec<u8>, String) {
        (self.root_id.clone(), self.configuration.clone(), self.name.clone())
    }
}

impl VmSettings {
    pub(crate) fn key(&self) -> VmKey {
        let hash = self.module.sha256().to_owned();
        (self.id.clone(), self.configuration.clone(), hash, self.environment.clone(), self.capabilities.clone())
    }
}
