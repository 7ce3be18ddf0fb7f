//! The verification of configs that somebody else has written: what they load, and how.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::Result;

use crate::catalog::FILTERS;
use crate::file;
use crate::inspect::{Policy, Report, inspect_part, settle};
use crate::lock::{Lock, Module};
use crate::pin::Pinned;
use crate::provenance;
use crate::refusal::{Refusal, Rule};
use crate::signature;
use crate::wasm::Interface;
use palisade_sdk::OnFailure;

/// What is verified, and what is let pass.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The modules that may let requests pass unfiltered when they fail, beside those that only observe.
    pub allow: Vec<String>,
    /// The release that the configs are for.
    pub envoy: Release,
    /// The public keys of which one must have signed; none where no signature is asked for.
    pub keys: Vec<PathBuf>,
}

/// A release of Envoy, for example 1.40.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Release(u32, u32);

/// The first that has the list of capabilities in `vm_config`.
const LIST_IN_VM_CONFIG: Release = Release(1, 40);

/// Configs or an image that must not be loaded.
#[derive(Debug)]
pub struct Refused(Vec<(PathBuf, Refusal)>);

/// Holds configs against the lock of `dist` and its modules.
///
/// # Errors
///
/// [`Refused`] with all that is wrong, or a file that cannot be read.
pub fn verify(files: &[PathBuf], dist: &Path, terms: &Terms) -> Result<Vec<Pinned>> {
    ensure_signed(dist, &terms.keys)?;
    let lock = verified_lock(dist)?;
    let policy = Policy {
        may_fail_open: &|module| terms.allow.iter().any(|allowed| allowed == module) || only_observes(module),
        is_deprecated_beside: terms.envoy >= LIST_IN_VM_CONFIG,
    };
    let mut reports = Vec::new();
    for path in files {
        let report = inspect_part(&file::read_text(path)?, &lock, &policy);
        reports.push(report.unwrap_or_else(|error| Report::of(nothing(format!("no YAML: {error:#}")))));
    }
    settle(&mut reports);
    let loads = reports.iter().any(|report| !report.modules.is_empty());
    for report in reports.iter_mut().filter(|report| !report.is_of_use() || !loads && report.refusals.is_empty()) {
        *report = Report::of(nothing("it loads no Wasm module: there is nothing to verify".to_owned()));
    }
    let (mut verified, mut refused) = (Vec::new(), Vec::new());
    for (path, report) in files.iter().zip(reports) {
        refused.extend(report.refusals.into_iter().map(|refusal| (path.clone(), refusal)));
        verified.push(Pinned { file: path.clone(), modules: report.modules });
    }
    verified.retain(|file| !file.modules.is_empty());
    if refused.is_empty() { Ok(verified) } else { Err(Refused(refused).into()) }
}

fn nothing(what: String) -> Refusal {
    Refusal { rule: Rule::Nothing, place: String::new(), what }
}

/// Refuses a dist directory that none of these keys has signed, where there are any.
///
/// # Errors
///
/// [`Refused`], or a key that cannot be read.
pub fn ensure_signed(dist: &Path, keys: &[PathBuf]) -> Result<()> {
    if keys.is_empty() {
        return Ok(());
    }
    signature::verify(dist, keys)?.map_err(|doubt| Refused::of_file(doubt.file, doubt.rule, doubt.what).into())
}

/// The lock of a dist directory, whose modules are the ones that it names, core modules with the interface that it says, and
/// each with a statement of how it was built; the sums name it, them, and what is said of them.
pub(crate) fn verified_lock(dist: &Path) -> Result<Lock> {
    let of_lock = |error| Refused::of_file(Lock::path(dist), Rule::Lock, format!("{error:#}"));
    let lock = Lock::read(dist).map_err(of_lock)?;
    let refused: Vec<_> = lock.modules().iter().filter_map(|module| refused_module(dist, module)).collect();
    if !refused.is_empty() {
        return Err(Refused(refused).into());
    }
    signature::ensure_whole(dist, &lock).map_err(|doubt| Refused::of_file(doubt.file, Rule::Lock, doubt.what))?;
    Ok(lock)
}

/// Why a module of the lock must not be loaded, with the file that is to blame.
fn refused_module(dist: &Path, module: &Module) -> Option<(PathBuf, Refusal)> {
    let refusal = |rule, what| Refusal { rule, place: String::new(), what };
    if let Err(error) = module.verify(dist) {
        return Some((Lock::path(dist), refusal(Rule::Lock, format!("{error:#}"))));
    }
    let path = dist.join(&module.file);
    let bytes = file::read(&path).unwrap_or_default();
    if wasmparser::Parser::is_component(&bytes) {
        let what = "a component; Envoy loads core modules only: build for wasm32-unknown-unknown".to_owned();
        return Some((path, refusal(Rule::Component, what)));
    }
    let described = Interface { exports: module.exports.clone(), imports: module.imports.clone() };
    if !Interface::read(&bytes).is_ok_and(|interface| interface.has_names_of(&described)) {
        let what = "its imports and exports are not those of the lock: run `cargo palisade build`".to_owned();
        return Some((path, refusal(Rule::Lock, what)));
    }
    let error = provenance::verify(dist, module).err()?;
    Some((dist.join(provenance::file_of(&module.name)), refusal(Rule::Provenance, format!("{error:#}"))))
}

/// Whether a module of this project does not protect; one of somebody else's is taken for one that does.
fn only_observes(module: &str) -> bool {
    FILTERS.iter().any(|filter| filter.module() == module && filter.on_failure == OnFailure::Pass)
}

// === impl Release ===

impl FromStr for Release {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut numbers = text.split('.').map(str::parse);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(major)), Some(Ok(minor))) => Ok(Self(major, minor)),
            _ => Err("a release is two numbers, for example 1.40".to_owned()),
        }
    }
}

// === impl Refused ===

impl Refused {
    pub(crate) fn of_file(file: PathBuf, rule: Rule, what: String) -> Self {
        Self(vec![(file, Refusal { rule, place: String::new(), what })])
    }

    /// An image, by what the user calls it.
    pub(crate) fn of_image(name: String, rule: Rule, what: String) -> Self {
        Self::of_file(name.into(), rule, what)
    }

    /// The exit code of the first rule that is broken.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        self.0.first().map_or(1, |(_, refusal)| refusal.rule.exit_code())
    }

    /// The refusals, each with its file.
    pub fn iter(&self) -> impl Iterator<Item = &(PathBuf, Refusal)> {
        self.0.iter()
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("refused")?;
        for (file, Refusal { rule, place, what }) in &self.0 {
            let place = if place.is_empty() { String::new() } else { format!("{place}: ") };
            write!(f, "\n  {}: {place}{what} [{}]", file.display(), rule.exit_code())?;
        }
        Ok(())
    }
}

impl std::error::Error for Refused {}
