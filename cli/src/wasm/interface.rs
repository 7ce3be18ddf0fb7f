//! The interface of a module: what it exports, what it imports, and which of its functions need each import.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail, ensure};
use wasmparser::{
    ElementItems, Encoding, KnownCustom, Name, NameSectionReader, Operator, OperatorsReader, Parser, Payload, TypeRef,
    Validator,
};

use crate::lock::Import;

const ABI_VERSIONS: [&str; 3] = ["proxy_abi_version_0_1_0", "proxy_abi_version_0_2_0", "proxy_abi_version_0_2_1"];
const ALLOCATORS: [&str; 2] = ["malloc", "proxy_on_memory_allocate"];
const HOST_NAMESPACES: [&str; 3] = ["env", "wasi_snapshot_preview1", "wasi_unstable"];

/// Who needs an import whose address is taken: the calls through a table cannot be told apart.
const BY_POINTER: &str = "(by function pointer)";

/// What a module shows to its host.
#[derive(Debug)]
pub struct Interface {
    /// The names of all exports, sorted.
    pub exports: Vec<String>,
    /// The imported functions, sorted, each with its callers.
    pub imports: Vec<Import>,
}

impl Interface {
    /// Reads a module, whose name section names the callers, and refuses one that Envoy could not load or whose imports
    /// cannot be explained.
    ///
    /// # Errors
    ///
    /// If the bytes are no valid core module, if the module is no Proxy-Wasm module, or if nothing in it calls one of
    /// its imports.
    pub fn read(module: &[u8]) -> Result<Self> {
        let sections = Sections::read(module)?;
        let exports: Vec<_> = sections.exports.keys().map(ToString::to_string).collect();
        ensure_exports(&exports)?;
        let imports = sections.explained_imports()?;
        Ok(Self { exports, imports })
    }

    /// Refuses a module that Envoy could not load, whatever it imports.
    ///
    /// # Errors
    ///
    /// If the bytes are no valid core module, or the module is no Proxy-Wasm module.
    pub fn ensure_loadable(module: &[u8]) -> Result<()> {
        let exports: Vec<_> = Sections::read(module)?.exports.keys().map(ToString::to_string).collect();
        ensure_exports(&exports)
    }

    /// Whether the other module has the same exports and imports, whoever calls them.
    pub fn has_names_of(&self, other: &Self) -> bool {
        let imports = |interface: &'_ Self| -> Vec<_> {
            interface.imports.iter().map(|import| (import.module.clone(), import.name.clone())).collect()
        };
        self.exports == other.exports && imports(self) == imports(other)
    }
}

fn ensure_exports(exports: &[String]) -> Result<()> {
    let exported = |names: &[&str]| exports.iter().filter(|export| names.contains(&export.as_str())).count();
    ensure!(
        exported(&ABI_VERSIONS) == 1,
        "it exports {} of {}, and Envoy asks for exactly one: is its `filter!` line there?",
        exported(&ABI_VERSIONS),
        ABI_VERSIONS.join(", ")
    );
    ensure!(exported(&["memory"]) == 1, "it does not export its memory: a host cannot read from it");
    ensure!(
        exported(&ALLOCATORS) > 0,
        "it exports no allocator ({}): a host cannot write to it",
        ALLOCATORS.join(" or ")
    );
    Ok(())
}

/// The parts of a module that its interface follows from. Functions are numbered as in the module: imports first.
#[derive(Default)]
struct Sections<'a> {
    imports: Vec<(&'a str, &'a str)>,
    exports: BTreeMap<&'a str, Option<u32>>,
    callers: BTreeMap<u32, BTreeSet<u32>>,
    pointed_to: BTreeSet<u32>,
    names: BTreeMap<u32, &'a str>,
}

impl<'a> Sections<'a> {
    fn read(module: &'a [u8]) -> Result<Self> {
        let mut sections = Self::default();
        let mut bodies = Vec::new();
        for payload in Parser::new(0).parse_all(module) {
            match payload.context("it is no WebAssembly module")? {
                Payload::Version { encoding: Encoding::Component, .. } => {
                    bail!("it is a component; Envoy loads core modules only: build for wasm32-unknown-unknown")
                }
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        sections.add_import(import?)?;
                    }
                }
                Payload::ExportSection(exports) => {
                    for export in exports {
                        let export = export?;
                        let function = (export.kind == wasmparser::ExternalKind::Func).then_some(export.index);
                        sections.exports.insert(export.name, function);
                    }
                }
                Payload::ElementSection(elements) => {
                    for element in elements {
                        sections.add_pointers(element?.items)?;
                    }
                }
                Payload::GlobalSection(globals) => {
                    for global in globals {
                        sections.add_references(global?.init_expr.get_operators_reader())?;
                    }
                }
                Payload::CodeSectionEntry(body) => bodies.push(body),
                Payload::CustomSection(section) => {
                    if let KnownCustom::Name(names) = section.as_known() {
                        sections.add_names(names)?;
                    }
                }
                _ => {}
            }
        }
        for (body, function) in bodies.iter().zip(sections.first_own()..) {
            sections.add_calls(function, body.get_operators_reader()?)?;
        }
        Validator::new().validate_all(module).context("it is no valid WebAssembly module")?;
        Ok(sections)
    }

    fn first_own(&self) -> u32 {
        u32::try_from(self.imports.len()).unwrap_or(u32::MAX)
    }

    fn add_import(&mut self, import: wasmparser::Import<'a>) -> Result<()> {
        ensure!(
            HOST_NAMESPACES.contains(&import.module) && matches!(import.ty, TypeRef::Func(_)),
            "it imports {}.{}, which no Proxy-Wasm host has: find the crate that brings it, and do without",
            import.module,
            import.name
        );
        self.imports.push((import.module, import.name));
        Ok(())
    }

    fn add_pointers(&mut self, items: ElementItems<'a>) -> Result<()> {
        match items {
            ElementItems::Functions(functions) => {
                for function in functions {
                    self.pointed_to.insert(function?);
                }
            }
            ElementItems::Expressions(_, expressions) => {
                for expression in expressions {
                    self.add_references(expression?.get_operators_reader())?;
                }
            }
        }
        Ok(())
    }

    fn add_references(&mut self, operators: OperatorsReader<'a>) -> Result<()> {
        for operator in operators {
            if let Operator::RefFunc { function_index } = operator? {
                self.pointed_to.insert(function_index);
            }
        }
        Ok(())
    }

    fn add_calls(&mut self, caller: u32, operators: OperatorsReader<'a>) -> Result<()> {
        for operator in operators {
            match operator? {
                Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
                    self.callers.entry(function_index).or_default().insert(caller);
                }
                Operator::RefFunc { function_index } => {
                    self.pointed_to.insert(function_index);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn add_names(&mut self, names: NameSectionReader<'a>) -> Result<()> {
        for name in names {
            if let Name::Function(functions) = name? {
                for naming in functions {
                    let naming = naming?;
                    self.names.insert(naming.index, naming.name);
                }
            }
        }
        Ok(())
    }

    fn explained_imports(&self) -> Result<Vec<Import>> {
        let mut imports = Vec::new();
        for (&(module, name), index) in self.imports.iter().zip(0..) {
            let callers = self.callers_of(index);
            ensure!(
                !callers.is_empty(),
                "unexplained import {module}.{name}: nothing in the module calls it; drop its declaration"
            );
            imports.push(Import { module: module.into(), name: name.into(), callers: callers.into_iter().collect() });
        }
        imports.sort();
        Ok(imports)
    }

    fn callers_of(&self, import: u32) -> BTreeSet<String> {
        let direct = self.callers.get(&import).into_iter().flatten().map(|caller| self.name_of(*caller));
        let exported = self.exports.iter().filter(|(_, function)| **function == Some(import));
        direct
            .chain(exported.map(|(export, _)| format!("(by export {export})")))
            .chain(self.pointed_to.contains(&import).then(|| BY_POINTER.to_string()))
            .collect()
    }

    fn name_of(&self, function: u32) -> String {
        if let Some(name) = self.names.get(&function) {
            return format!("{:#}", rustc_demangle::demangle(name));
        }
        let export = self.exports.iter().find(|(_, index)| **index == Some(function));
        export.map_or_else(|| format!("(function {function})"), |(name, _)| name.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_import_is_listed_with_the_functions_that_call_it() {
        let interface = read(
            r#"(import "wasi_snapshot_preview1" "random_get" (func $random))
               (import "env" "proxy_log" (func $log))
               (func $_ZN8palisade4seed17h0123456789abcdefE call $random call $log)
               (func (export "proxy_on_tick") call $log)"#,
        )
        .unwrap();
        assert_eq!(
            interface.imports,
            [
                import("env", "proxy_log", &["palisade::seed", "proxy_on_tick"]),
                import("wasi_snapshot_preview1", "random_get", &["palisade::seed"]),
            ]
        );
        assert_eq!(interface.exports, ["malloc", "memory", "proxy_abi_version_0_2_1", "proxy_on_tick"]);
    }

    #[test]
    fn a_tail_call_and_a_function_pointer_explain_an_import() {
        let interface = read(
            r#"(import "env" "proxy_done" (func $done))
               (import "env" "proxy_log" (func $log))
               (table 1 funcref) (elem (i32.const 0) $log)
               (func (export "proxy_on_done") return_call $done)"#,
        )
        .unwrap();
        assert_eq!(
            interface.imports,
            [import("env", "proxy_done", &["proxy_on_done"]), import("env", "proxy_log", &["(by function pointer)"])]
        );
    }

    #[test]
    fn an_import_without_a_caller_is_unexplained() {
        let error = read(r#"(import "env" "proxy_log" (func))"#).unwrap_err();
        assert_eq!(
            error.to_string(),
            "unexplained import env.proxy_log: nothing in the module calls it; drop its declaration"
        );
    }

    #[test]
    fn an_import_that_no_host_has_is_refused() {
        for import in [r#"(import "wbg" "now" (func))"#, r#"(import "env" "memory" (memory 1))"#] {
            let error = Sections::read(&wat::parse_str(format!("(module {import})")).unwrap()).err().unwrap();
            assert!(error.to_string().contains("which no Proxy-Wasm host has"), "{error}");
        }
    }

    #[test]
    fn a_module_without_what_a_host_needs_is_refused() {
        for (missing, message) in [
            ("proxy_abi_version_0_2_1", "exactly one"),
            ("memory", "does not export its memory"),
            ("malloc", "exports no allocator"),
        ] {
            let module = format!("(module {})", LOADABLE.replace(&format!("\"{missing}\""), "\"other\""));
            let error = Interface::read(&wat::parse_str(module).unwrap()).unwrap_err();
            assert!(error.to_string().contains(message), "{error}");
        }
    }

    #[test]
    fn a_component_is_refused() {
        let error = Interface::read(b"\0asm\x0d\0\x01\0").unwrap_err();
        assert!(error.to_string().contains("it is a component"), "{error}");
    }

    const LOADABLE: &str = r#"(func (export "proxy_abi_version_0_2_1"))
        (func (export "malloc") (param i32) (result i32) i32.const 0)
        (memory (export "memory") 1)"#;

    fn read(fields: &str) -> Result<Interface> {
        Interface::read(&wat::parse_str(format!("(module {fields} {LOADABLE})")).unwrap())
    }

    fn import(module: &str, name: &str, callers: &[&str]) -> Import {
        Import { module: module.into(), name: name.into(), callers: callers.iter().map(ToString::to_string).collect() }
    }
}
