//! Files that are there whole or not at all.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process;

use anyhow::{Context, Result};

/// Writes a file through a temporary one beside it, creating its directory.
pub(crate) fn write(path: &Path, bytes: impl AsRef<[u8]>) -> Result<()> {
    write_as(path, bytes.as_ref(), 0o666)
}

/// Writes a file as [`write`] does, which nobody else can read from its first byte on.
pub(crate) fn write_secret(path: &Path, bytes: impl AsRef<[u8]>) -> Result<()> {
    write_as(path, bytes.as_ref(), 0o600)
}

fn write_as(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let write = || {
        let directory = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(directory)?;
        let mut name = path.file_name().unwrap_or_default().to_os_string();
        name.push(format!(".{}.tmp", process::id()));
        let temporary = directory.join(name);
        drop(fs::remove_file(&temporary));
        let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary);
        file.and_then(|mut file| file.write_all(bytes))
            .and_then(|()| fs::rename(&temporary, path))
            .inspect_err(|_| drop(fs::remove_file(&temporary)))
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

pub(crate) fn read_text(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
