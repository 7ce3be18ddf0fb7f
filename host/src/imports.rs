//! Imports: what Envoy gives a module, its own functions and those of WASI.

use crate::error::{Failure, Why};
use crate::plugin::VmSettings;
use crate::signature::Signature;
use crate::version::Abi;
use crate::vm::VmState;
use crate::{abi, wasi};
use wasmtime::Linker;

/// The signature of a function that a module may import.
pub(crate) fn signature(abi: Abi, module: &str, name: &str) -> Option<Signature> {
    match module {
        "env" => abi::signature(abi, name),
        wasi::PREVIEW_1 | wasi::UNSTABLE => wasi::signature(name),
        _ => None,
    }
}

/// What a VM with these settings may import.
pub(crate) fn linker(settings: &VmSettings) -> Result<Linker<VmState>, Failure> {
    let mut linker = Linker::new(settings.module.code.engine());
    let linked = abi::link(&mut linker, settings).and_then(|()| wasi::link(&mut linker, settings));
    let failed = |error| Failure { callback: "link".to_owned(), why: Why::Other(format!("{error:#}")) };
    linked.map(|()| linker).map_err(failed)
}
