//! The commands for images.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;

use super::{Image, directory, pull, readers, registry};
use crate::command::{Signed, dist_or};
use crate::lock::{Lock, Module};
use crate::terminal::shown;
use crate::verify;

/// `palisade pack`.
#[derive(Args, Debug)]
pub struct Pack {
    /// The modules; all of the lock where none is named.
    #[arg(value_name = "MODULE")]
    modules: Vec<String>,

    /// Where the modules and the lock are, and where images/ is written, instead of dist/.
    #[arg(long, value_name = "DIR")]
    dist: Option<PathBuf>,

    #[command(flatten)]
    signed: Signed,
}

/// `palisade push`.
#[derive(Args, Debug)]
pub struct Push {
    /// The module.
    #[arg(value_name = "MODULE")]
    module: String,

    /// Where it goes: registry/repository:tag. The repository's last part is the module's name.
    #[arg(value_name = "IMAGE")]
    image: String,

    /// Where the modules and the lock are, instead of dist/.
    #[arg(long, value_name = "DIR")]
    dist: Option<PathBuf>,

    #[command(flatten)]
    signed: Signed,

    #[command(flatten)]
    transport: Transport,
}

/// `palisade pull`.
#[derive(Args, Debug)]
pub struct Pull {
    /// The image: registry/repository:tag, registry/repository@sha256:digest, or both.
    #[arg(value_name = "IMAGE")]
    image: String,

    /// The digest of the image's manifest.
    #[arg(long, value_name = "DIGEST")]
    sha256: Option<String>,

    /// The directory to write to.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    #[command(flatten)]
    signed: Signed,

    #[command(flatten)]
    transport: Transport,
}

/// `palisade inspect`.
#[derive(Args, Debug)]
pub struct Inspect {
    /// The image: registry/repository:tag, or a directory that `pack` or another tool has written.
    #[arg(value_name = "IMAGE")]
    image: String,

    #[command(flatten)]
    transport: Transport,
}

#[derive(Args, Debug)]
struct Transport {
    /// Speak with the registry without TLS. On this machine that is done wherever it has none.
    #[arg(long = "plain-http")]
    is_plain: bool,
}

impl Pack {
    pub(crate) fn run(self) -> Result<()> {
        let dist = dist_or(self.dist)?;
        let lock = verified(&dist, &self.signed)?;
        let modules = match self.modules.as_slice() {
            [] => lock.modules().iter().collect(),
            names => names.iter().map(|name| module(&lock, name)).collect::<Result<Vec<_>>>()?,
        };
        for (path, image) in directory::pack(&modules, &dist, &dist.join("images"))? {
            println!("{}: sha256:{}", path.display(), image.sha256());
        }
        Ok(())
    }
}

impl Push {
    pub(crate) fn run(self) -> Result<()> {
        let dist = dist_or(self.dist)?;
        let lock = verified(&dist, &self.signed)?;
        let module = module(&lock, &self.module)?;
        let reference = registry::reference(&self.image)?;
        let name = module.name.replace('_', "-");
        let repository = reference.repository().rsplit('/').next().unwrap_or_default();
        ensure!(
            repository.replace('_', "-") == name,
            "the repository {} is not called {name}: `verify` and `pull` tell by its name which module it holds",
            reference.repository()
        );
        let image = Image::of(module, &dist)?;
        registry::push(&image, &reference, self.transport.is_plain)?;
        println!("{reference}: sha256:{}", image.sha256());
        Ok(())
    }
}

impl Pull {
    pub(crate) fn run(self) -> Result<()> {
        let reference = registry::reference(&self.image)?;
        let sha256 = self.sha256.as_deref();
        for path in pull::pull(&reference, sha256, &self.signed.keys, &self.out, self.transport.is_plain)? {
            println!("{}", path.display());
        }
        Ok(())
    }
}

impl Inspect {
    pub(crate) fn run(self) -> Result<()> {
        print!("{}", shown(&readers::inspect(&self.image, self.transport.is_plain)?.to_string()));
        Ok(())
    }
}

/// The lock of a dist directory that is whole, and signed where that is asked for.
fn verified(dist: &Path, signed: &Signed) -> Result<Lock> {
    verify::ensure_signed(dist, &signed.keys)?;
    verify::verified_lock(dist)
}

fn module<'l>(lock: &'l Lock, name: &str) -> Result<&'l Module> {
    lock.module(&name.replace('-', "_")).with_context(|| {
        let names: Vec<_> = lock.modules().iter().map(|module| module.name.as_str()).collect();
        format!("the lock has no module {name}; it has {}", names.join(", "))
    })
}
