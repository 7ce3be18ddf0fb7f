//! Writes what the module consists of: the line that `cargo palisade build --fuse` gives. Without it, as where all of the
//! workspace is compiled, the module is empty.

use std::env;
use std::error::Error;
use std::fs;
use std::path::PathBuf;

const LINE: &str = "PALISADE_FUSE";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed={LINE}");
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo has set no OUT_DIR")?);
    fs::write(out.join("fuse.rs"), env::var(LINE).unwrap_or_default())?;
    Ok(())
}
