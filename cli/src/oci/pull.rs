//! Pulling: the image that a digest or a signature names, taken apart into a dist directory.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use oci_spec::distribution::Reference;
use oci_spec::image::ImageManifest;
use tempfile::TempDir;

use super::archive::File;
use super::image::evidence_of;
use super::readers::{files_beside, module_of};
use super::registry::Registry;
use super::source::{self, Document, Source};
use crate::file;
use crate::hash::{is_sha256, sha256};
use crate::refusal::Rule;
use crate::signature::{self, SIGNATURE, SUMS};
use crate::verify::Refused;
use crate::wasm::Interface;

/// Writes the module of an image, and what the image holds for its verification, into the directory `out`: all images of one
/// release together give its dist directory, schemas aside. Nothing is written unless all of it holds.
///
/// The image has to be named by its digest, beside its tag or in its reference, or be signed by one of the `keys`. A key alone
/// says whose image it is, and not which: an older one is signed as well.
///
/// # Errors
///
/// [`Refused`] with what does not hold, or what cannot be read or written.
pub fn pull(
    reference: &Reference,
    asked: Option<&str>,
    keys: &[PathBuf],
    out: &Path,
    is_plain: bool,
) -> Result<Vec<PathBuf>> {
    let digests = digests(reference, asked, !keys.is_empty())?;
    let registry = Registry::open(reference, is_plain)?;
    let found = source::find(&registry)?;
    let refused =
        |rule, what: String| -> Result<Vec<PathBuf>> { Err(Refused::of_image(registry.name(), rule, what).into()) };
    let image = match &found.document {
        Document::Image(image) => image,
        Document::Index(_) => {
            let what = format!(
                "sha256:{} is an index; proxies find nothing by its digest: name one of its images",
                found.sha256
            );
            return refused(Rule::Index, what);
        }
    };
    let module = match module_of(&registry, image)? {
        Ok(module) => module.bytes,
        Err(why) => return refused(Rule::Layout, format!("Istio and Envoy Gateway find no module in it: {why}")),
    };
    let hash = sha256(&module);
    for digest in digests {
        if digest == hash {
            let what = "sha256:{} is the module's own hash; an image is named by the digest of its manifest, sha256:{}";
            let what = what.replacen("{}", &hash, 1).replacen("{}", &found.sha256, 1);
            return refused(Rule::HashForDigest, what);
        }
        if digest != found.sha256 {
            let what = format!("it is sha256:{}, not sha256:{digest}; find out who moved its tag", found.sha256);
            return refused(Rule::Moved, what);
        }
    }
    if wasmparser::Parser::is_component(&module) {
        return refused(Rule::Component, "a component; Envoy loads core modules only".to_owned());
    }
    if let Err(error) = Interface::ensure_loadable(&module) {
        return refused(Rule::Layout, format!("Envoy cannot load its module: {error:#}"));
    }
    let release = Release::unpack(&registry, image, reference, module)?;
    release.verify(keys, &registry.name(), &hash)?;
    release.write(out)
}

/// The digests that the image must have.
fn digests<'a>(reference: &'a Reference, asked: Option<&'a str>, is_signed: bool) -> Result<Vec<&'a str>> {
    let refused = |what: String| Refused::of_image(reference.to_string(), Rule::HashForm, what);
    let of_reference = reference.digest().map(|digest| digest.strip_prefix("sha256:").unwrap_or(digest));
    let asked = asked.map(|digest| digest.strip_prefix("sha256:").unwrap_or(digest));
    let digests: Vec<_> = of_reference.into_iter().chain(asked).collect();
    if let Some(digest) = digests.iter().find(|digest| !is_sha256(digest)) {
        return Err(refused(format!("`{digest}` is not 64 lower-case hex digits")).into());
    }
    if digests.is_empty() && !is_signed {
        let what = "a tag can be moved to another image; say which one is meant with --sha256 (`cargo palisade inspect` tells it), or whose with --key";
        return Err(refused(what.to_owned()).into());
    }
    Ok(digests)
}

/// What an image holds, in a folder like a dist directory.
struct Release {
    folder: TempDir,
    module: String,
    /// What there is beside the module.
    evidence: Vec<String>,
}

impl Release {
    fn unpack(source: &dyn Source, image: &ImageManifest, reference: &Reference, module: Vec<u8>) -> Result<Self> {
        let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
        let repository = reference.repository().rsplit('/').next().unwrap_or_default();
        let name = repository.replace('-', "_");
        let known = evidence_of(&name);
        let mut evidence = Vec::new();
        for File { path, bytes } in files_beside(source, image)?.into_iter().filter(|file| known.contains(&file.path)) {
            file::write(&folder.path().join(&path), bytes)?;
            evidence.push(path);
        }
        let release = Self { folder, module: format!("modules/{name}.wasm"), evidence };
        file::write(&release.path(&release.module), module)?;
        Ok(release)
    }

    /// Holds all that there is against the sums, and these against their signature where there are keys.
    fn verify(&self, keys: &[PathBuf], image: &str, hash: &str) -> Result<()> {
        let refused =
            |rule, what: String| -> Result<()> { Err(Refused::of_image(image.to_owned(), rule, what).into()) };
        if !self.evidence.iter().any(|name| name == SUMS) {
            if keys.is_empty() {
                return Ok(());
            }
            return refused(Rule::Unsigned, format!("it holds no {SUMS}, and so no signature"));
        }
        let sums = file::read_text(&self.path(SUMS))?;
        let mut named = sums.lines().filter_map(|line| line.split_once("  ")).filter(|(sum, _)| *sum == hash);
        if let (Some((_, name)), false) = (named.clone().next(), named.any(|(_, name)| name == self.module)) {
            return refused(Rule::Name, format!("its module is {name}, and its repository has another name"));
        }
        let files = [&self.module]
            .into_iter()
            .chain(self.evidence.iter().filter(|name| ![SUMS, SIGNATURE].contains(&name.as_str())));
        match signature::verify_part(self.folder.path(), keys, files)? {
            Ok(()) => Ok(()),
            Err(doubt) => {
                let file = doubt.file.strip_prefix(self.folder.path()).unwrap_or(&doubt.file).display().to_string();
                refused(doubt.rule, format!("{file}: {}", doubt.what))
            }
        }
    }

    fn write(&self, out: &Path) -> Result<Vec<PathBuf>> {
        let [there, ours] = [out.join(SUMS), self.path(SUMS)].map(|sums| fs::read(sums).ok());
        ensure!(
            there.is_none() || there == ours,
            "{} holds modules of another release: pull each release into a directory of its own",
            out.display()
        );
        let names = self.evidence.iter().chain([&self.module]);
        names
            .map(|name| {
                let path = out.join(name);
                file::write(&path, file::read(&self.path(name))?).map(|()| path)
            })
            .collect()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}
