//! The library as a crate of its own: its sources without tests, and a manifest that names what its workspace would.

use std::path::Path;

use anyhow::{Context, Result};
use include_dir::{Dir, DirEntry, include_dir};
use toml::{Table, Value};

use crate::file;

static SOURCES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../sdk-ext/src");
const MANIFEST: &str = include_str!("../../../sdk-ext/Cargo.toml");
const WORKSPACE: &str = include_str!("../../../Cargo.toml");
const LICENSE: &str = include_str!("../../../LICENSE");

/// Writes the library to a directory.
pub(super) fn write(directory: &Path) -> Result<()> {
    write_sources(&SOURCES, &directory.join("src"))?;
    file::write(&directory.join("LICENSE"), LICENSE)?;
    file::write(&directory.join("Cargo.toml"), manifest()?)
}

fn write_sources(sources: &Dir<'_>, to: &Path) -> Result<()> {
    for entry in sources.entries() {
        match entry {
            DirEntry::Dir(within) if !within.path().ends_with("tests") => write_sources(within, to)?,
            DirEntry::File(source) if !source.path().ends_with("tests.rs") => {
                file::write(&to.join(source.path()), source.contents())?;
            }
            DirEntry::Dir(_) | DirEntry::File(_) => {}
        }
    }
    Ok(())
}

/// The manifest with the values of the workspace in it, and without what the tests need.
fn manifest() -> Result<String> {
    let mut manifest: Table = MANIFEST.parse()?;
    let workspace: Table = WORKSPACE.parse()?;
    let of_workspace = |name: &str| workspace.get("workspace").and_then(|it| it.get(name)).and_then(Value::as_table);
    let package = of_workspace("package").context("the workspace has no package")?;
    let dependencies = of_workspace("dependencies").context("the workspace has no dependencies")?;
    manifest.retain(|name, _| !matches!(name, "dev-dependencies" | "lints"));
    fill(&mut manifest, "package", package);
    fill(&mut manifest, "dependencies", dependencies);
    for (_, target) in manifest.get_mut("target").and_then(Value::as_table_mut).into_iter().flatten() {
        if let Some(target) = target.as_table_mut() {
            fill(target, "dependencies", dependencies);
        }
    }
    Ok(manifest.to_string())
}

/// Puts the workspace's values in the place of `{ workspace = true }` in a table.
fn fill(within: &mut Table, table: &str, workspace: &Table) {
    for (name, value) in within.get_mut(table).and_then(Value::as_table_mut).into_iter().flatten() {
        let Some(own) = value.as_table_mut() else { continue };
        if own.remove("workspace").is_some() {
            let own = std::mem::take(own);
            *value = workspace.get(name).map_or(Value::Boolean(false), |shared| merged(shared, own));
        }
    }
}

/// A dependency of the workspace with the features and options that a crate adds to it.
fn merged(shared: &Value, own: Table) -> Value {
    if own.is_empty() {
        return shared.clone();
    }
    let mut merged = match shared {
        Value::Table(shared) => shared.clone(),
        version => [("version".to_owned(), version.clone())].into_iter().collect(),
    };
    for (name, value) in own {
        match (merged.get_mut(&name), value) {
            (Some(Value::Array(shared)), Value::Array(added)) => shared.extend(added),
            (_, value) => drop(merged.insert(name, value)),
        }
    }
    merged.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_names_itself_what_its_workspace_did() {
        let manifest = manifest().unwrap();
        assert!(!manifest.contains("workspace") && !manifest.contains("dev-dependencies"), "{manifest}");
        let manifest: Table = manifest.parse().unwrap();
        assert_eq!(manifest["package"]["version"].as_str(), Some(env!("CARGO_PKG_VERSION")));
        assert_eq!(manifest["dependencies"]["hex"]["features"][0].as_str(), Some("alloc"));
        assert_eq!(manifest["dependencies"]["hex"]["default-features"].as_bool(), Some(false));
        assert_eq!(manifest["dependencies"]["schemars"]["optional"].as_bool(), Some(true));
        let of_target = &manifest["target"]["cfg(target_arch = \"wasm32\")"]["dependencies"];
        assert_eq!(of_target["talc"].as_str(), Some("5"));
    }
}
