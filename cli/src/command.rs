//! The command line.

use std::env::{self, VarError};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::{Args, Parser};

use crate::budget::Budget;
use crate::build::{self, Source};
use crate::catalog::{self, Filter};
use crate::check;
use crate::file;
use crate::lock::Lock;
use crate::new::{self, Name};
use crate::oci;
use crate::pin;
use crate::rebuild;
use crate::refusal::RULES;
use crate::serve;
use crate::signature;
use crate::verify::{self, Release, Terms};
use crate::workspace::Workspace;

/// Builds, pins and checks Palisade filters.
#[derive(Debug, Parser)]
#[command(name = "palisade", version, arg_required_else_help = true)]
pub enum Command {
    /// Compile filters to modules and write dist/: modules, SHA256SUMS, palisade.lock, config schemas, SBOMs,
    /// provenance.
    Build(Build),
    /// Write each config of envoy/ to dist/envoy/ with the modules' hashes, capability lists and metric labels, and as objects
    /// of Kubernetes to dist/istio/ and dist/envoy-gateway/.
    Pin(Pin),
    /// Hold configs against the lock and its modules: Envoy's own, Istio's and Envoy Gateway's. Each rule has an exit code.
    ///
    /// The files of one call are taken together: a bootstrap beside a file of listeners has the clusters that its modules come from,
    /// and a DiscoveryResponse or an EnvoyFilter the configs of filters that another file leaves to discovery.
    #[command(after_help = exit_codes())]
    Verify(Verify),
    /// Read a filter's config as the filter does, and say everything that is wrong with it.
    Check(Check),
    /// Hold the size, the imports and the callbacks of each module against budget.toml.
    Size(Size),
    /// Make a pair of keys, in minisign's format; the secret one is encrypted where PALISADE_KEY_PASSWORD is set.
    Keygen(Keygen),
    /// Sign dist/SHA256SUMS, which names every module and the lock.
    Sign(Sign),
    /// Write modules as OCI images to dist/images/, each with what it is verified by.
    Pack(oci::Pack),
    /// Send a module to a registry as the image that Istio and Envoy Gateway read; it is told of the user what `docker login`
    /// has left, or PALISADE_REGISTRY_USERNAME and PALISADE_REGISTRY_PASSWORD.
    #[command(after_help = exit_codes())]
    Push(oci::Push),
    /// Take an image of a registry apart into a dist directory, once it is the one of the digest or the signature.
    #[command(after_help = exit_codes())]
    Pull(oci::Pull),
    /// Say who can read an image, and why others cannot.
    #[command(after_help = exit_codes())]
    Inspect(oci::Inspect),
    /// Make a filter of your own in a directory of its name: config, schema, tests, suite on Envoy, CI, and the library.
    New(New),
    /// Run filters in a reverse proxy for development, without Envoy; `palisade serve --help` names its options, before which
    /// --key FILE and --dist DIR may stand: then it runs what that key has signed, and nothing else. The first time, it is
    /// compiled.
    #[command(disable_help_flag = true)]
    Serve(Serve),
}

/// `palisade build`.
#[derive(Args, Debug)]
pub struct Build {
    /// Build this filter only; the lock keeps the others as they are. May be repeated.
    #[arg(long = "filter", value_name = "NAME", value_parser = catalog::find, conflicts_with = "guest")]
    filters: Vec<&'static Filter>,

    /// Build one module of these filters, in the order in which requests meet them: `--fuse auth,rate-limit`. It is called
    /// `fused`, and its config has that of each filter under its name.
    #[arg(
        long, value_name = "NAME,NAME", value_parser = catalog::find, value_delimiter = ',',
        conflicts_with_all = ["filters", "guest"]
    )]
    fuse: Vec<&'static Filter>,

    /// Build the module crate in this directory instead, in the same way. It gets no schema.
    #[arg(long, value_name = "DIR", requires = "out")]
    guest: Option<PathBuf>,

    /// Where to write, instead of dist/.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Build the last commit again, in another directory and with another CARGO_HOME, and compare the bytes.
    #[arg(long)]
    verify: bool,
}

/// `palisade pin`.
#[derive(Args, Debug)]
pub struct Pin {
    /// Where the modules and the lock are, and where envoy/ is written, instead of dist/.
    #[arg(long, value_name = "DIR")]
    dist: Option<PathBuf>,

    /// Where the templates are, instead of envoy/.
    #[arg(long, value_name = "DIR", conflicts_with = "check")]
    templates: Option<PathBuf>,

    /// The image of a module, for the objects of Istio and Envoy Gateway that load images. May be repeated.
    #[arg(long = "image", value_name = "MODULE=REPOSITORY@sha256:DIGEST", value_parser = image, conflicts_with = "check")]
    images: Vec<(String, String)>,

    /// Write nothing: hold these finished configs against the lock.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    check: Vec<PathBuf>,

    #[command(flatten)]
    signed: Signed,
}

/// `palisade verify`.
#[derive(Args, Debug)]
pub struct Verify {
    /// Envoy bootstraps, listeners and DiscoveryResponses, EnvoyFilter, WasmPlugin, TrafficExtension, EnvoyExtensionPolicy, lists of
    /// them, and the ConfigMaps that hold Envoy's; YAML or JSON.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Where the modules and the lock are, instead of dist/.
    #[arg(long, value_name = "DIR")]
    dist: Option<PathBuf>,

    /// Let requests pass unfiltered when this module fails. May be repeated.
    #[arg(long, value_name = "MODULE")]
    allow: Vec<String>,

    /// The release of Envoy that the configs are for: before 1.40 the capability list stands beside vm_config.
    #[arg(long, value_name = "RELEASE", default_value = "1.40")]
    envoy: Release,

    #[command(flatten)]
    signed: Signed,
}

/// Who must have signed the modules.
#[derive(Args, Debug)]
pub struct Signed {
    /// Refuse modules that none of these public keys has signed. May be repeated, for the time in which a key is replaced.
    #[arg(long = "key", value_name = "FILE")]
    pub(crate) keys: Vec<PathBuf>,
}

/// `palisade keygen`.
#[derive(Args, Debug)]
pub struct Keygen {
    /// Where the secret key goes.
    #[arg(long, value_name = "FILE", default_value = "palisade.key")]
    secret: PathBuf,

    /// Where the public key goes.
    #[arg(long, value_name = "FILE", default_value = "palisade.pub")]
    public: PathBuf,
}

/// `palisade sign`.
#[derive(Args, Debug)]
pub struct Sign {
    /// Where the modules and the lock are, instead of dist/.
    #[arg(long, value_name = "DIR")]
    dist: Option<PathBuf>,

    /// The secret key.
    #[arg(long, value_name = "FILE", default_value = "palisade.key")]
    secret: PathBuf,
}

/// `palisade new`.
#[derive(Args, Debug)]
pub struct New {
    /// The name: words of a-z and 0-9 with - between them.
    #[arg(value_name = "NAME")]
    name: Name,
}

/// `palisade check`.
#[derive(Args, Debug)]
pub struct Check {
    /// The filter; of a fused module its filters, as `build --fuse` has them: `auth,rate-limit`.
    #[arg(value_name = "FILTER", required = true, value_parser = catalog::find, value_delimiter = ',', num_args = 1)]
    filters: Vec<&'static Filter>,

    /// Its config, YAML or JSON: what stands in Envoy's `configuration`, or in Istio's `pluginConfig`.
    #[arg(value_name = "CONFIG")]
    config: PathBuf,
}

/// `palisade size`.
#[derive(Args, Debug)]
pub struct Size {
    /// Where the lock is, instead of dist/.
    #[arg(long, value_name = "DIR")]
    dist: Option<PathBuf>,

    /// The budget, instead of budget.toml of the checkout.
    #[arg(long, value_name = "FILE")]
    budget: Option<PathBuf>,

    /// Write the budget that the modules need, and leave what their start may cost, and the fused module's, as it is; where it has
    /// such grants, only with the compiler that it is of.
    #[arg(long)]
    write: bool,
}

/// The rules with their exit codes.
fn exit_codes() -> String {
    let codes = RULES.iter().map(|(_, code, what)| format!("  {code}  {what}"));
    let codes: Vec<_> = codes.collect();
    format!("Exit codes, of the first rule that is broken:\n{}", codes.join("\n"))
}

/// `palisade serve`.
#[derive(Args, Debug)]
pub struct Serve {
    #[command(flatten)]
    signed: Signed,

    /// Where the modules and the lock are that are signed, instead of dist/.
    #[arg(long, value_name = "DIR", requires = "keys")]
    dist: Option<PathBuf>,

    /// What the proxy is told.
    #[arg(value_name = "OPTION", trailing_var_arg = true, allow_hyphen_values = true)]
    options: Vec<OsString>,
}

impl Command {
    /// Does what the command line says.
    ///
    /// # Errors
    ///
    /// The first thing that went wrong, with where it did and how to mend it.
    pub fn run(self) -> Result<()> {
        match self {
            Self::Build(build) => build.run(),
            Self::Pin(pin) => pin.run(),
            Self::Verify(verify) => verify.run(),
            Self::Check(check) => check.run(),
            Self::Size(size) => size.run(),
            Self::Keygen(keygen) => signature::generate(&keygen.secret, &keygen.public, password()?),
            Self::Sign(sign) => sign.run(),
            Self::Pack(pack) => pack.run(),
            Self::Push(push) => push.run(),
            Self::Pull(pull) => pull.run(),
            Self::Inspect(inspect) => inspect.run(),
            Self::New(new) => new.run(),
            Self::Serve(serve) => serve.run(),
        }
    }
}

impl Build {
    fn run(self) -> Result<()> {
        let workspace = Workspace::find()?;
        let out = self.out.unwrap_or_else(|| workspace.dist());
        let source = match self.guest {
            Some(directory) => Source::Guest(directory),
            None if !self.fuse.is_empty() => Source::Fused(self.fuse),
            None if self.filters.is_empty() => Source::Filters(catalog::FILTERS.iter().collect()),
            None => Source::Filters(self.filters),
        };
        let modules = build::build(&workspace, &source, &out)?;
        for module in &modules {
            println!("{module}");
        }
        if self.verify {
            rebuild::verify(&workspace, &source, &modules, &out)?;
            println!("built again elsewhere: the same bytes");
        }
        Ok(())
    }
}

impl Pin {
    fn run(self) -> Result<()> {
        let dist = dist_or(self.dist)?;
        verify::ensure_signed(&dist, &self.signed.keys)?;
        let done = if self.check.is_empty() {
            let templates = match self.templates {
                Some(templates) => templates,
                None => Workspace::find()?.templates(),
            };
            pin::render(&templates, &dist, &self.images.into_iter().collect())?
        } else {
            pin::check(&self.check, &dist)?
        };
        for file in done {
            println!("{file}");
        }
        Ok(())
    }
}

impl Verify {
    fn run(self) -> Result<()> {
        let dist = dist_or(self.dist)?;
        let terms = Terms { allow: self.allow, envoy: self.envoy, keys: self.signed.keys };
        for file in verify::verify(&self.files, &dist, &terms)? {
            println!("{file}");
        }
        Ok(())
    }
}

impl New {
    fn run(self) -> Result<()> {
        let directory = new::create(&self.name, Path::new(""))?;
        println!("{}: change into it and run scripts/test", directory.display());
        Ok(())
    }
}

impl Check {
    fn run(self) -> Result<()> {
        check::check(&self.filters, &self.config)?;
        println!("{}: a config of {}", self.config.display(), check::names(&self.filters));
        Ok(())
    }
}

impl Size {
    fn run(self) -> Result<()> {
        let lock = Lock::read_verified(&dist_or(self.dist)?)?;
        let path = match self.budget {
            Some(path) => path,
            None => Workspace::find()?.budget(),
        };
        if self.write {
            let mut budget = if path.exists() { Budget::read(&path)? } else { Budget::default() };
            budget.ensure_grantable(&lock)?;
            budget.grant(&lock);
            file::write(&path, budget.to_string())?;
        }
        for line in Budget::read(&path)?.check(&lock)? {
            println!("{line}");
        }
        Ok(())
    }
}

impl Serve {
    fn run(self) -> Result<()> {
        let workspace = Workspace::find()?;
        let hashes = if self.signed.keys.is_empty() {
            Vec::new()
        } else {
            let dist = self.dist.unwrap_or_else(|| workspace.dist());
            serve::signed_hashes(&self.options, &dist, &self.signed.keys)?
        };
        serve::run(&workspace, &self.options, &hashes)
    }
}

impl Sign {
    fn run(self) -> Result<()> {
        let signature = signature::sign(&dist_or(self.dist)?, &self.secret, password()?)?;
        println!("{}", signature.display());
        Ok(())
    }
}

/// The password of the secret key: not an argument, which everybody on the machine could read.
fn password() -> Result<Option<String>> {
    match env::var("PALISADE_KEY_PASSWORD") {
        Ok(password) if password.is_empty() => {
            bail!("PALISADE_KEY_PASSWORD is empty: set it to a password, or unset it for a key without one")
        }
        Ok(password) => Ok(Some(password)),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => bail!("PALISADE_KEY_PASSWORD is not UTF-8"),
    }
}

fn image(argument: &str) -> Result<(String, String), String> {
    let (module, reference) = argument.split_once('=').ok_or("write MODULE=REPOSITORY@sha256:DIGEST")?;
    Ok((module.to_owned(), reference.to_owned()))
}

pub(crate) fn dist_or(given: Option<PathBuf>) -> Result<PathBuf> {
    match given {
        Some(dist) => Ok(dist),
        None => Ok(Workspace::find()?.dist()),
    }
}
