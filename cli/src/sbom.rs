//! The bill of materials of a module, in CycloneDX 1.6: the crates that are in it, by the checksums of their archives, and the
//! compiler that brought std.
//!
//! It says nothing of when and where it was written, so that the same module has the same bill.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::compile::ModuleCrate;
use crate::file;
use crate::lock::Module;
use crate::workspace::Workspace;

/// The file of a module's bill in a dist directory.
pub(crate) fn file_of(module: &str) -> String {
    format!("sboms/{module}.cdx.json")
}

/// The bill of a module, which a crate has become with this lock file of cargo.
pub(crate) fn bill(workspace: &Workspace, source: &ModuleCrate, lock: &Path, module: &Module) -> Result<String> {
    let output = workspace
        .run_toolchain()
        .args(["cargo", "tree", "--locked", "--edges", "normal,no-proc-macro", "--prefix", "none"])
        .args(["--target", "wasm32-unknown-unknown", "--format", "{p}\t{l}"])
        .args(source.selection())
        .output()
        .with_context(|| format!("cannot run {}", workspace.toolchain().display()))?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the crates in {} cannot be told: {}", module.name, told.trim());
    let tree = String::from_utf8(output.stdout).context("cargo wrote something other than text")?;
    let lock =
        toml::from_str(&file::read_text(lock)?).with_context(|| format!("{} is no lock file", lock.display()))?;
    Ok(serde_json::to_string_pretty(&document(module, &tree, &checksums(lock)))? + "\n")
}

/// `Cargo.lock`, as far as it says what each crate is.
#[derive(Deserialize)]
struct CargoLock {
    #[serde(default)]
    package: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    /// The SHA-256 of the archive in the registry.
    checksum: Option<String>,
}

/// By `name@version`.
type Checksums = BTreeMap<String, String>;

fn checksums(lock: CargoLock) -> Checksums {
    let packages = lock.package.into_iter();
    packages.filter_map(|package| Some((format!("{}@{}", package.name, package.version), package.checksum?))).collect()
}

fn document(module: &Module, tree: &str, checksums: &Checksums) -> Value {
    // The first line is the module's own crate.
    let crates: BTreeSet<_> = tree.lines().skip(1).filter_map(Crate::read).collect();
    let mut components: Vec<_> = crates.iter().map(|it| it.component(checksums)).collect();
    components.push(compiler(&module.toolchain));
    let refs: Vec<_> = components.iter().filter_map(|component| component.get("bom-ref").cloned()).collect();
    let imports = module
        .imports
        .iter()
        .map(|import| json!({"name": "palisade:import", "value": format!("{}.{}", import.module, import.name)}));
    json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {
            "type": "library",
            "bom-ref": module.name,
            "name": module.name,
            "version": module.version,
            "hashes": [{"alg": "SHA-256", "content": module.sha256}],
            "properties": imports.collect::<Vec<_>>(),
        }},
        "components": components,
        "dependencies": [{"ref": module.name, "dependsOn": refs}],
    })
}

/// A crate that is in a module.
#[derive(Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Crate<'a> {
    name: &'a str,
    version: &'a str,
    license: String,
    is_published: bool,
}

impl<'a> Crate<'a> {
    /// From `name v1.2.3 (where, if not published)<TAB>licence`; a crate that stood above has ` (*)` behind it.
    fn read(line: &'a str) -> Option<Self> {
        let (package, license) = line.split_once('\t')?;
        let mut words = package.split(' ');
        let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
        let license = license.trim_end_matches(" (*)").replace('/', " OR ");
        let is_published = words.all(|word| word == "(*)");
        Some(Self { name, version, license, is_published })
    }

    fn component(&self, checksums: &Checksums) -> Value {
        let name = format!("{}@{}", self.name, self.version);
        let checksum = checksums.get(&name).filter(|_| self.is_published);
        let hashes = checksum.map(|it| ("hashes", json!([{"alg": "SHA-256", "content": it}])));
        let purl = self.is_published.then(|| ("purl", Value::from(format!("pkg:cargo/{name}"))));
        let licenses = (!self.license.is_empty()).then(|| ("licenses", json!([{"expression": self.license}])));
        let fields = [
            ("type", "library".into()),
            ("bom-ref", name.into()),
            ("name", self.name.into()),
            ("version", self.version.into()),
        ];
        fields
            .into_iter()
            .chain(hashes)
            .chain(purl)
            .chain(licenses)
            .map(|(field, value)| (field.to_owned(), value))
            .collect()
    }
}

/// The compiler, which brings std, and what else the bytes depend on.
fn compiler(toolchain: &str) -> Value {
    json!({
        "type": "application",
        "bom-ref": "rustc",
        "name": "rustc and std",
        "version": rustc_version(toolchain),
        "description": toolchain,
        "licenses": [{"expression": "MIT OR Apache-2.0"}],
    })
}

/// The version of the compiler in a toolchain, as the lock has it.
pub(crate) fn rustc_version(toolchain: &str) -> &str {
    toolchain.strip_prefix("rustc ").and_then(|rest| rest.split(' ').next()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_stands_once_with_its_licence_and_where_it_is_published() {
        let tree = "own-module v0.1.0 (/w/own)\tApache-2.0\nown v0.1.0 (/w)\tApache-2.0\nmemchr v2.8.3\tUnlicense/MIT\nmemchr v2.8.3 (*)\tUnlicense/MIT\n";
        let module = Module {
            name: "own".into(),
            version: "0.1.0".into(),
            file: "modules/own.wasm".into(),
            sha256: "00".repeat(32),
            size: 8,
            toolchain: "rustc 1.95.0 (abc), wasm-opt 120".into(),
            exports: Vec::new(),
            imports: Vec::new(),
            labels: Vec::new(),
        };
        let lock = "version = 4\n[[package]]\nname = \"memchr\"\nversion = \"2.8.3\"\nsource = \"registry\"\nchecksum = \"ab12\"\n\
                    [[package]]\nname = \"own\"\nversion = \"0.1.0\"\n";
        let document = document(&module, tree, &checksums(toml::from_str(lock).unwrap()));
        let names: Vec<_> =
            document["components"].as_array().unwrap().iter().map(|component| &component["bom-ref"]).collect();
        assert_eq!(names, ["memchr@2.8.3", "own@0.1.0", "rustc"]);
        assert_eq!(document["components"][0]["purl"], "pkg:cargo/memchr@2.8.3");
        assert_eq!(document["components"][0]["licenses"][0]["expression"], "Unlicense OR MIT");
        assert_eq!(document["components"][0]["hashes"], json!([{"alg": "SHA-256", "content": "ab12"}]));
        assert_eq!(document["components"][1]["purl"], Value::Null);
        assert_eq!(document["components"][1]["hashes"], Value::Null);
        assert_eq!(document["components"][2]["version"], "1.95.0");
    }
}
