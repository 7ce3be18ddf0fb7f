//! Errors: why a module, a VM or a plugin does not run, and what state that leaves.

use wasmtime::Trap;

/// Why a host does not start, or a configuration is refused. Nothing of it has taken effect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// The bytes are no module.
    #[error("{0}: nothing was loaded")]
    Load(#[from] LoadError),
    /// The module's start or a callback ended in a trap.
    #[error("{plugin}: {failure}: the VM is gone")]
    Failed {
        /// The plugin's name.
        plugin: String,
        /// Why.
        failure: Failure,
    },
    /// `proxy_on_vm_start` returned false.
    #[error("{0}: proxy_on_vm_start refused; see the log")]
    VmStartRefused(String),
    /// `proxy_on_configure` returned false.
    #[error("{0}: proxy_on_configure refused the configuration; see the log")]
    ConfigureRefused(String),
}

/// Why bytes are no module that Envoy would load.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// They do not begin as WebAssembly does.
    #[error("these bytes are not WebAssembly: they do not begin with \\0asm")]
    NotWasm,
    /// They are a component.
    #[error("this is a WebAssembly component; Envoy loads core modules")]
    Component,
    /// They are not valid.
    #[error("the module is invalid: {0}")]
    Invalid(String),
    /// There is no marker `proxy_abi_version_0_1_0`, `_0_2_0` or `_0_2_1`.
    #[error("missing or unknown Proxy-Wasm ABI version: the module exports no function proxy_abi_version_0_2_1")]
    NoAbi,
    /// A callback with another signature than Envoy calls it with.
    #[error("bad function signature for: {0}")]
    BadSignature(String),
    /// There is neither `malloc` nor `proxy_on_memory_allocate`.
    #[error("the module exports neither malloc nor proxy_on_memory_allocate")]
    NoAllocator,
    /// An import that the host does not have, or has with another signature.
    #[error("failed to resolve import {module}.{name}: {why}")]
    UnknownImport {
        /// The import's module.
        module: String,
        /// Its name.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The module's hash is not the one that was asked for.
    #[error("the module's SHA-256 is {found}, not {expected}")]
    WrongHash {
        /// The one asked for.
        expected: String,
        /// The module's.
        found: String,
    },
}

/// A call into the guest that did not return.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{callback} trapped: {why}")]
pub struct Failure {
    /// The function of the guest, for example `proxy_on_request_headers`.
    pub callback: String,
    /// Why.
    pub why: Why,
}

/// Why a call into the guest did not return.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// It burnt all its fuel.
    #[error("out of fuel")]
    Fuel,
    /// It took too long.
    #[error("out of time")]
    Time,
    /// It used all its stack.
    #[error("out of stack")]
    Stack,
    /// It logged too much.
    #[error("it logs without end")]
    Log,
    /// It handed the host more than it may keep.
    #[error("it hands the host too much")]
    Handed,
    /// It called what may not be called there.
    #[error("restricted callback {0}")]
    Restricted(&'static str),
    /// A fault on purpose.
    #[error("a trap was injected at {0}")]
    Injected(&'static str),
    /// It ran into `unreachable`, as a panic does.
    #[error("unreachable")]
    Unreachable,
    /// Any other trap.
    #[error("{0}")]
    Other(String),
}

// === impl Why ===

impl Why {
    pub(crate) fn of(error: &wasmtime::Error) -> Self {
        if let Some(why) = error.downcast_ref::<Self>() {
            return why.clone();
        }
        match error.downcast_ref::<Trap>() {
            Some(Trap::OutOfFuel) => Self::Fuel,
            Some(Trap::Interrupt) => Self::Time,
            Some(Trap::StackOverflow) => Self::Stack,
            Some(Trap::UnreachableCodeReached) => Self::Unreachable,
            Some(trap) => Self::Other(trap.to_string()),
            None => Self::Other(format!("{error:#}")),
        }
    }

    /// One word, for a metric.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Fuel => "fuel",
            Self::Time => "time",
            Self::Stack => "stack",
            Self::Log => "log",
            Self::Handed => "handed",
            Self::Restricted(_) => "restricted",
            Self::Injected(_) => "injected",
            Self::Unreachable => "unreachable",
            Self::Other(_) => "other",
        }
    }
}
