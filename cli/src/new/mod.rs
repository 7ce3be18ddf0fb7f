//! A new filter: a workspace of its own, which builds and passes its tests at once, on Envoy too.
//!
//! The library is not in a registry of crates, so it comes with this program, whole: what was compiled with it fits it, and the
//! new filter depends on no place of this machine or the network.

mod sdk;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

use anyhow::{Context, Result, ensure};

use crate::file;

/// The name of a filter, for example `tenant-check`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Name(String);

/// Every file but the library's, and its template, in which `%name%`, `%module%`, `%Filter%` and `%rust%` are replaced.
const FILES: &[(&str, &str)] = &[
    (".github/workflows/test.yml", include_str!("../../template/github/test.yml")),
    (".gitignore", include_str!("../../template/gitignore")),
    ("Cargo.toml", include_str!("../../template/Cargo.toml.in")),
    ("README.md", include_str!("../../template/README.md")),
    ("envoy/%module%.yaml", include_str!("../../template/envoy/filter.yaml")),
    ("examples/schema.rs", include_str!("../../template/examples/schema.rs")),
    ("module/Cargo.toml", include_str!("../../template/module/Cargo.toml.in")),
    ("module/src/lib.rs", include_str!("../../template/module/src/lib.rs")),
    ("rustfmt.toml", include_str!("../../../rustfmt.toml")),
    ("src/config.rs", include_str!("../../template/src/config.rs")),
    ("src/lib.rs", include_str!("../../template/src/lib.rs")),
    ("suite/%module%.hurl", include_str!("../../template/suite/filter.hurl")),
    ("suite/envoy.py", include_str!("../../template/suite/envoy.py")),
];

/// The scripts, which can be run.
const SCRIPTS: &[(&str, &str)] = &[
    ("scripts/envoy", include_str!("../../../scripts/envoy")),
    ("scripts/hurl", include_str!("../../template/scripts/hurl")),
    ("scripts/test", include_str!("../../template/scripts/test")),
    ("scripts/toolchain", include_str!("../../../scripts/toolchain")),
];

/// Of more crates than a filter needs: cargo keeps the versions, and leaves out the others.
const LOCK: &str = include_str!("../../../Cargo.lock");

/// Makes a filter called `name` in a directory of that name within `parent`, and gives this directory.
///
/// # Errors
///
/// If there is something of that name, a file cannot be written, or cargo cannot find the crates. There is nothing new then.
pub fn create(name: &Name, parent: &Path) -> Result<PathBuf> {
    let directory = parent.join(&name.0);
    ensure!(!directory.exists(), "{} is there already: choose another name", directory.display());
    let desk = tempfile::Builder::new().prefix(".palisade-new-").tempdir_in(parent);
    let desk = desk.with_context(|| format!("cannot write to {}", parent.display()))?;
    let unfinished = desk.path().join(&name.0);
    write(name, &unfinished)?;
    settle_lock(&unfinished)?;
    fs::rename(&unfinished, &directory).with_context(|| format!("cannot make {}", directory.display()))?;
    Ok(directory)
}

fn write(name: &Name, directory: &Path) -> Result<()> {
    for (path, template) in FILES.iter().chain(SCRIPTS) {
        file::write(&directory.join(name.fill(path)), name.fill(template))?;
    }
    for (path, _) in SCRIPTS {
        make_executable(&directory.join(path))?;
    }
    file::write(&directory.join("Cargo.lock"), LOCK)?;
    sdk::write(&directory.join("sdk"))
}

/// Lets those run a file who can read it.
fn make_executable(path: &Path) -> Result<()> {
    let mode = fs::metadata(path)?.permissions().mode();
    Ok(fs::set_permissions(path, Permissions::from_mode(mode | (mode & 0o444) >> 2))?)
}

/// Leaves those crates in the lock that the filter needs.
fn settle_lock(directory: &Path) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output =
        Command::new(cargo).current_dir(directory).args(["metadata", "--quiet", "--format-version", "1"]).output();
    let output = output.context("cannot run cargo")?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "cargo cannot find the crates of the filter: {}", told.trim());
    Ok(())
}

// === impl Name ===

impl Name {
    fn fill(&self, template: &str) -> String {
        let module = self.0.replace('-', "_");
        let filter: String = self.0.split('-').map(capitalised).collect();
        let values = [("%name%", self.0.as_str()), ("%module%", &module), ("%Filter%", &filter), ("%rust%", RUST)];
        values.iter().fold(template.to_owned(), |text, (name, value)| text.replace(name, value))
    }
}

/// How long a name may be, in bytes: with a longer one the lines of the templates would be too long for rustfmt.
const LONGEST: usize = 32;

/// The oldest compiler that the filter is for: this program's.
const RUST: &str = env!("CARGO_PKG_RUST_VERSION");

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_word = |word: &str| {
            word.starts_with(|first: char| first.is_ascii_lowercase())
                && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        if text.len() > LONGEST || !text.split('-').all(is_word) {
            return Err(format!(
                "a name is of words of a-z and 0-9 with - between them, at most {LONGEST} long, for example tenant-check"
            ));
        }
        if text.split('-').any(|word| word == "palisade") {
            return Err("palisade is this project's own name: leave it out".to_owned());
        }
        let name = Self(text.to_owned());
        let filter = name.fill("%Filter%");
        if words_of_sources().any(|word| word == filter) {
            return Err(format!("{filter} is something else in the sources of a filter: choose another name"));
        }
        if LOCK.contains(&format!("name = \"{text}\"\n")) {
            return Err(format!("{text} is a crate that filters may be built of: choose another name"));
        }
        Ok(name)
    }
}

/// All words of the code in the templates, which may be names in it.
fn words_of_sources() -> impl Iterator<Item = &'static str> {
    let sources = FILES.iter().filter(|(path, _)| path.ends_with(".rs"));
    let code = sources.flat_map(|(_, source)| source.lines()).filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(|line| line.split(|letter: char| !letter.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_name_is_written_as_each_place_wants_it() {
        let name: Name = "tenant-check2".parse().unwrap();
        assert_eq!(name.fill("%name% %module% %Filter%"), "tenant-check2 tenant_check2 TenantCheck2");
    }

    #[test]
    fn a_name_that_some_place_would_not_take_is_refused() {
        for name in [
            "",
            "-",
            "a-",
            "-a",
            "a--b",
            "Tenant",
            "a_b",
            "1a",
            "a-1",
            "a b",
            "a/b",
            "../a",
            "palisade",
            "palisade-sdk",
        ] {
            assert!(name.parse::<Name>().is_err(), "{name}");
        }
    }

    #[test]
    fn a_name_that_means_something_else_in_a_filter_is_refused() {
        for name in ["self", "filter", "on-failure", "result", "config-errors", "config", "serde", "hex"] {
            assert!(name.parse::<Name>().is_err(), "{name}");
        }
    }

    fn text(path: &str) -> &'static str {
        FILES.iter().chain(SCRIPTS).find(|(it, _)| *it == path).unwrap().1
    }

    #[test]
    fn the_secret_key_is_not_committed() {
        assert!(text(".gitignore").lines().any(|line| line == "/palisade.key"), "where `keygen` writes it");
    }

    /// What stands in the workflow is there, and installs all that compiles Hurl.
    #[test]
    fn the_workflow_runs_what_is_written() {
        let workflow: Value = serde_saphyr::from_str(text(".github/workflows/test.yml")).unwrap();
        let steps = workflow["jobs"]["test"]["steps"].as_array().unwrap();
        let runs: Vec<_> = steps.iter().filter_map(|step| step["run"].as_str()).collect();
        let words: Vec<_> = runs.iter().flat_map(|run| run.split_whitespace()).collect();
        let scripts: Vec<_> = words.iter().filter(|word| word.starts_with("scripts/")).collect();
        assert_eq!(scripts, [&"scripts/test"]);
        assert!(SCRIPTS.iter().any(|(path, _)| *path == "scripts/test"));
        let (_, packages) = text("scripts/hurl").split_once("packages='").unwrap();
        for package in packages.split_once('\'').unwrap().0.split(' ').filter(|package| *package != "gcc") {
            assert!(words.contains(&package), "{package} is not installed");
        }
    }

    #[test]
    fn no_placeholder_is_left() {
        let name: Name = "a".parse().unwrap();
        for (path, template) in FILES.iter().chain(SCRIPTS) {
            for place in ["%name%", "%module%", "%Filter%", "%rust%"] {
                assert!(!name.fill(template).contains(place) && !name.fill(path).contains(place), "{path}: {place}");
            }
        }
    }
}
