//! The provenance of a module: the in-toto Statement v1, with SLSA's predicate v1, that says what it was built from and how.
//!
//! Each module has its own, as it has its own bill: it may be built alone and is shipped alone. The statement is no envelope
//! with a signature in it, since what reads those (`slsa-verifier`) trusts the keys of Sigstore only; `SHA256SUMS` names it, and
//! [`sign`](crate::signature::sign) signs that. It says nothing of when and where it was written: the same sources and toolchain
//! have the same statement.
//!
//! # The build type `urn:palisade:build:v1`
//!
//! `cargo palisade build`, in a checkout of the project or of a filter of its own. Its `externalParameters` are what cargo is told:
//!
//! | parameter | meaning |
//! |---|---|
//! | `crate` | the directory of the module's crate, relative to the checkout; outside of it, `../` and its last segment |
//! | `features` | the features that are turned on; none where it is absent |
//! | `environment` | variables that the crate reads; none where it is absent |
//!
//! Its `resolvedDependencies` are named `source`, the commit, which is absent where the checkout has changes beside it or is none
//! of git, and where the crate is outside of it or one that git does not track; `Cargo.lock`, by its SHA-256, which names every
//! crate by its own; and `rustc`, with linker and optimiser in its annotation `toolchain`. Its one byproduct is the bill of materials.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::compile::ModuleCrate;
use crate::file;
use crate::hash::sha256;
use crate::lock::Module;
use crate::sbom;
use crate::workspace::Workspace;

const STATEMENT: &str = "https://in-toto.io/Statement/v1";
const PREDICATE: &str = "https://slsa.dev/provenance/v1";
const BUILD_TYPE: &str = "urn:palisade:build:v1";
/// Who the builder is says the key that signs: the same program runs anywhere.
const BUILDER: &str = "urn:palisade:cargo-palisade";

/// The file of a module's statement in a dist directory.
pub(crate) fn file_of(module: &str) -> String {
    format!("provenance/{module}.intoto.json")
}

/// The statement of a module, which a crate of that commit has become with this lock file of cargo, and whose bill is in the dist
/// directory.
pub(crate) fn statement(
    workspace: &Workspace,
    source: &ModuleCrate,
    lock: &Path,
    module: &Module,
    commit: Option<&String>,
    dist: &Path,
) -> Result<String> {
    let bill = sbom::file_of(&module.name);
    let statement = Statement {
        kind: STATEMENT.to_owned(),
        subject: vec![Resource::file(&module.file, &module.sha256)],
        predicate_type: PREDICATE.to_owned(),
        predicate: Provenance {
            build_definition: BuildDefinition {
                build_type: BUILD_TYPE.to_owned(),
                external_parameters: parameters(workspace.root(), source),
                resolved_dependencies: dependencies(lock, module, commit)?,
            },
            run_details: RunDetails {
                builder: Builder {
                    id: BUILDER.to_owned(),
                    version: [("palisade".to_owned(), env!("CARGO_PKG_VERSION").to_owned())].into(),
                },
                byproducts: vec![Resource::file(&bill, &sha256(&file::read(&dist.join(&bill))?))],
            },
        },
    };
    Ok(serde_json::to_string_pretty(&statement)? + "\n")
}

/// Holds the statement of a module against it.
///
/// # Errors
///
/// There is none, or one that is broken, or one about another module.
pub(crate) fn verify(dist: &Path, module: &Module) -> Result<()> {
    let text = file::read(&dist.join(file_of(&module.name)));
    let text = text.ok().context("there is no statement of how the module was built: run `cargo palisade build`")?;
    let statement: Statement = serde_json::from_slice(&text).context("no in-toto statement with SLSA's provenance")?;
    for (found, known) in [(&statement.kind, STATEMENT), (&statement.predicate_type, PREDICATE)] {
        ensure!(found == known, "it is of the type `{found}`, where {known} belongs");
    }
    match statement.subject.as_slice() {
        [subject] if subject.digest.get("sha256") == Some(&module.sha256) => Ok(()),
        [subject] => bail!("it speaks of another module: {}", subject.name.as_deref().unwrap_or("one without a name")),
        subjects => bail!("it speaks of {} modules, where each has a statement of its own", subjects.len()),
    }
}

fn parameters(root: &Path, source: &ModuleCrate) -> Map<String, Value> {
    let outside = || Path::new("..").join(source.directory.file_name().unwrap_or_default());
    let directory = source.directory.strip_prefix(root).map_or_else(|_| outside(), Path::to_path_buf);
    let mut parameters = Map::from_iter([("crate".to_owned(), directory.display().to_string().into())]);
    if !source.features.is_empty() {
        parameters.insert("features".to_owned(), source.features.clone().into());
    }
    if !source.environment.is_empty() {
        let environment = source.environment.iter().map(|(name, value)| ((*name).to_owned(), value.clone().into()));
        parameters.insert("environment".to_owned(), environment.collect::<Map<_, _>>().into());
    }
    parameters
}

fn dependencies(lock: &Path, module: &Module, commit: Option<&String>) -> Result<Vec<Resource>> {
    let commit = commit.map(|commit| Resource {
        name: Some("source".to_owned()),
        digest: [("gitCommit".to_owned(), commit.clone())].into(),
        ..Resource::default()
    });
    let compiler = Resource {
        name: Some("rustc".to_owned()),
        uri: Some(format!("pkg:generic/rustc@{}", sbom::rustc_version(&module.toolchain))),
        annotations: Map::from_iter([("toolchain".to_owned(), module.toolchain.clone().into())]),
        ..Resource::default()
    };
    Ok(commit.into_iter().chain([Resource::file("Cargo.lock", &sha256(&file::read(lock)?)), compiler]).collect())
}

/// in-toto's Statement v1. What else one may hold is not of interest here, as the specification asks of its readers.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Resource>,
    predicate_type: String,
    predicate: Provenance,
}

/// SLSA's predicate v1.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Provenance {
    build_definition: BuildDefinition,
    run_details: RunDetails,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct BuildDefinition {
    build_type: String,
    external_parameters: Map<String, Value>,
    #[serde(default)]
    resolved_dependencies: Vec<Resource>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct RunDetails {
    builder: Builder,
    #[serde(default)]
    byproducts: Vec<Resource>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Builder {
    id: String,
    #[serde(default)]
    version: BTreeMap<String, String>,
}

/// in-toto's ResourceDescriptor.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Resource {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uri: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    digest: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    annotations: Map<String, Value>,
}

impl Resource {
    fn file(name: &str, sha256: &str) -> Self {
        let digest = [("sha256".to_owned(), sha256.to_owned())].into();
        Self { name: Some(name.to_owned()), digest, ..Self::default() }
    }
}
