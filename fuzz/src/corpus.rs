//! The corpus: one file a case, in the folder of its target.

use std::path::Path;
use std::{fs, io};

/// The cases of a target, in the order of their names.
///
/// # Errors
///
/// The folder cannot be read.
pub fn read(target: &str) -> io::Result<Vec<Vec<u8>>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let mut files = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    files.sort();
    files.into_iter().map(fs::read).collect()
}
