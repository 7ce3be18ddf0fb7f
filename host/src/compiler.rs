//! A compiler: makes modules of bytes, and refuses what Envoy would not load.

use crate::abi::callback;
use crate::error::LoadError;
use crate::limits::{Limits, TICK};
use crate::module::Module;
use crate::version::Abi;
use crate::{imports, lock};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::Duration;
use wasmtime::{Config, Engine, ExternType, OptLevel};

/// What compiles and runs modules, within limits that hold for all of them.
#[derive(Clone)]
pub struct Compiler {
    pub(crate) engine: Engine,
}

/// By hash, and what of the limits is compiled in.
type Compiled = BTreeMap<(Vec<u8>, bool, Option<Duration>, usize), Module>;

impl Compiler {
    /// A compiler for VMs with these limits.
    ///
    /// # Errors
    ///
    /// The machine is none that modules can be compiled for.
    pub fn new(limits: &Limits) -> Result<Self, LoadError> {
        let mut config = Config::new();
        config.consume_fuel(limits.fuel.is_some());
        config.epoch_interruption(limits.time.is_some());
        config.max_wasm_stack(limits.stack);
        config.cranelift_opt_level(OptLevel::Speed);
        let engine = Engine::new(&config).map_err(|error| LoadError::Invalid(format!("{error:#}")))?;
        if limits.time.is_some() {
            let engine = engine.weak();
            thread::spawn(move || {
                while let Some(engine) = engine.upgrade() {
                    engine.increment_epoch();
                    drop(engine);
                    thread::sleep(TICK);
                }
            });
        }
        Ok(Self { engine })
    }

    /// Compiles a module.
    ///
    /// # Errors
    ///
    /// The bytes are no module that Envoy would load.
    pub fn compile(&self, bytes: &[u8]) -> Result<Module, LoadError> {
        match bytes.get(..8) {
            Some(b"\0asm\x01\0\0\0") => {}
            Some([0, b'a', b's', b'm', _, _, 1, 0]) => return Err(LoadError::Component),
            _ => return Err(LoadError::NotWasm),
        }
        let invalid = |error: wasmtime::Error| LoadError::Invalid(format!("{error:#}"));
        let code = wasmtime::Module::from_binary(&self.engine, bytes).map_err(invalid)?;
        let abi = Abi::of(code.exports().filter(|export| export.ty().func().is_some()).map(|export| export.name()))
            .ok_or(LoadError::NoAbi)?;
        check_exports(abi, &code)?;
        for import in code.imports() {
            check_import(abi, import.module(), import.name(), &import.ty())?;
        }
        Ok(Module { code, abi, sha256: hex::encode(Sha256::digest(bytes)) })
    }

    /// Compiles a module for VMs with these limits, once in a process.
    ///
    /// # Errors
    ///
    /// The bytes are no module that Envoy would load.
    pub fn once(bytes: &[u8], limits: &Limits) -> Result<Module, LoadError> {
        static COMPILED: OnceLock<Mutex<Compiled>> = OnceLock::new();
        let key = (Sha256::digest(bytes).to_vec(), limits.fuel.is_some(), limits.time, limits.stack);
        let mut compiled = lock(COMPILED.get_or_init(Mutex::default));
        if let Some(module) = compiled.get(&key) {
            return Ok(module.clone());
        }
        let module = Self::new(limits)?.compile(bytes)?;
        compiled.insert(key, module.clone());
        Ok(module)
    }
}

fn check_exports(abi: Abi, code: &wasmtime::Module) -> Result<(), LoadError> {
    let mut allocates = false;
    for export in code.exports() {
        let ExternType::Func(ty) = export.ty() else { continue };
        let name = export.name();
        if callback(abi, name).is_some_and(|signature| !signature.fits(&ty)) {
            return Err(LoadError::BadSignature(name.to_owned()));
        }
        allocates |= matches!(name, "malloc" | "proxy_on_memory_allocate");
    }
    if allocates { Ok(()) } else { Err(LoadError::NoAllocator) }
}

fn check_import(abi: Abi, module: &str, name: &str, ty: &ExternType) -> Result<(), LoadError> {
    let unknown = |why| LoadError::UnknownImport { module: module.to_owned(), name: name.to_owned(), why };
    let signature = imports::signature(abi, module, name).ok_or_else(|| unknown("Envoy has no such function"))?;
    let ExternType::Func(ty) = ty else { return Err(unknown("it is not imported as a function")) };
    if signature.fits(ty) { Ok(()) } else { Err(unknown("it is imported with another signature")) }
}
