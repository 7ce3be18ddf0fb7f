//! The command line.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Parser};

use crate::build::{self, Source};
use crate::catalog::{self, Filter};
use crate::pin;
use crate::workspace::Workspace;

/// Builds, pins and checks Palisade filters.
#[derive(Debug, Parser)]
#[command(name = "palisade", version, arg_required_else_help = true)]
pub enum Command {
    /// Compile filters to modules and write dist/: modules, SHA256SUMS, palisade.lock, config schemas.
    Build(Build),
    /// Write each config of envoy/ to dist/envoy/ with the modules' hashes, capability lists and metric labels.
    Pin(Pin),
}

/// `palisade build`.
#[derive(Args, Debug)]
pub struct Build {
    /// Build this filter only; the lock keeps the others as they are. May be repeated.
    #[arg(long = "filter", value_name = "NAME", value_parser = catalog::find, conflicts_with = "guest")]
    filters: Vec<&'static Filter>,

    /// Build the module crate in this directory instead, in the same way. It gets no schema.
    #[arg(long, value_name = "DIR", requires = "out")]
    guest: Option<PathBuf>,

    /// Where to write, instead of dist/.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
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

    /// Write nothing: hold these finished configs against the lock.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    check: Vec<PathBuf>,
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
        }
    }
}

impl Build {
    fn run(self) -> Result<()> {
        let workspace = Workspace::find()?;
        let out = self.out.unwrap_or_else(|| workspace.dist());
        let source = match self.guest {
            Some(directory) => Source::Guest(directory),
            None if self.filters.is_empty() => Source::Filters(catalog::FILTERS.iter().collect()),
            None => Source::Filters(self.filters),
        };
        for module in build::build(&workspace, &source, &out)? {
            println!("{module}");
        }
        Ok(())
    }
}

impl Pin {
    fn run(self) -> Result<()> {
        let dist = match self.dist {
            Some(dist) => dist,
            None => Workspace::find()?.dist(),
        };
        let done = if self.check.is_empty() {
            let templates = match self.templates {
                Some(templates) => templates,
                None => Workspace::find()?.templates(),
            };
            pin::render(&templates, &dist)?
        } else {
            pin::check(&self.check, &dist)?
        };
        for file in done {
            println!("{file}");
        }
        Ok(())
    }
}
