//! The signature of a dist directory: Ed25519 in minisign's format, over `SHA256SUMS`, which names every module and the lock.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use minisign::{KeyPair, PublicKey, PublicKeyBox, SecretKeyBox, SignatureBox};

use crate::file;
use crate::hash::sha256;
use crate::lock::Lock;
use crate::provenance;
use crate::refusal::Rule;
use crate::sbom;

/// What is signed.
pub(crate) const SUMS: &str = "SHA256SUMS";

/// Where its signature is.
pub(crate) const SIGNATURE: &str = "SHA256SUMS.minisig";

/// Why a dist directory is not taken for signed.
#[derive(Debug)]
pub(crate) struct Doubt {
    pub(crate) rule: Rule,
    pub(crate) file: PathBuf,
    pub(crate) what: String,
}

/// Writes a new pair of keys; the secret one is encrypted where there is a password.
///
/// # Errors
///
/// Where one of the files is there already, or cannot be written.
pub fn generate(secret: &Path, public: &Path, password: Option<String>) -> Result<()> {
    for path in [secret, public] {
        ensure!(
            !path.exists(),
            "{} is there already: a key that is lost cannot be replaced; choose another name",
            path.display()
        );
    }
    let pair = match &password {
        Some(_) => KeyPair::generate_encrypted_keypair(password)?,
        None => KeyPair::generate_unencrypted_keypair()?,
    };
    file::write_secret(secret, pair.sk.to_box(Some("palisade secret key"))?.into_string())?;
    if public.exists() {
        fs::remove_file(secret)?;
        bail!("{} and {} are the same file: each key needs one of its own", secret.display(), public.display());
    }
    file::write(public, pair.pk.to_box()?.into_string())
}

/// Signs the sums of a dist directory, whose files are compared with them first, and gives the file of the signature.
///
/// # Errors
///
/// A key that cannot be read or opened, or a file that is not the one of the sums.
pub fn sign(dist: &Path, secret: &Path, password: Option<String>) -> Result<PathBuf> {
    Lock::read_verified(dist)?;
    let sums = file::read(&dist.join(SUMS)).context("there are no sums: run `cargo palisade build`")?;
    compare(dist, &sums).map_err(|doubt| anyhow::anyhow!("{}: {}", doubt.file.display(), doubt.what))?;
    let key = SecretKeyBox::from_string(&file::read_text(secret)?);
    let key = key.and_then(|key| match password {
        Some(password) => key.into_secret_key(Some(password)),
        None => key.into_unencrypted_secret_key(),
    });
    let key = key.with_context(|| {
        format!("{} cannot be opened: is it a secret key, and the password its own?", secret.display())
    })?;
    let signature =
        minisign::sign(None, &key, Cursor::new(sums), Some(SUMS), Some("signature of palisade's SHA256SUMS"))?;
    let path = dist.join(SIGNATURE);
    file::write(&path, signature.into_string())?;
    Ok(path)
}

/// Holds a dist directory against its signature by one of these keys.
///
/// # Errors
///
/// A key that cannot be read; within, why the directory is not taken for signed.
pub(crate) fn verify(dist: &Path, keys: &[PathBuf]) -> Result<Result<(), Doubt>> {
    let keys = keys.iter().map(|path| public_key(path)).collect::<Result<Vec<_>>>()?;
    Ok(verify_by(dist, &keys))
}

/// Holds `files` of a dist directory, of which others may be missing, against its sums; and these against their signature by one
/// of these keys, where there are any.
///
/// # Errors
///
/// A key that cannot be read; within, why the files are not taken for those of the sums.
pub(crate) fn verify_part<'f>(
    dist: &Path,
    keys: &[PathBuf],
    files: impl IntoIterator<Item = &'f String>,
) -> Result<Result<(), Doubt>> {
    let keys = keys.iter().map(|path| public_key(path)).collect::<Result<Vec<_>>>()?;
    Ok(part_by(dist, &keys, files))
}

fn part_by<'f>(dist: &Path, keys: &[PublicKey], files: impl IntoIterator<Item = &'f String>) -> Result<(), Doubt> {
    let sums = if keys.is_empty() { sums_of(dist) } else { signed_sums(dist, keys)? };
    let sums = String::from_utf8_lossy(&sums);
    for name in files {
        let (_, hash) = named(&sums).find(|(it, _)| it == name).unwrap_or_default();
        ensure_is(dist, name, hash)?;
    }
    Ok(())
}

fn verify_by(dist: &Path, keys: &[PublicKey]) -> Result<(), Doubt> {
    compare(dist, &signed_sums(dist, keys)?)
}

/// The sums of a dist directory, which one of the keys has signed.
fn signed_sums(dist: &Path, keys: &[PublicKey]) -> Result<Vec<u8>, Doubt> {
    let file = dist.join(SIGNATURE);
    let doubt = |rule, what: &str| Doubt { rule, file: file.clone(), what: what.to_owned() };
    let Ok(text) = fs::read_to_string(&file) else {
        return Err(doubt(Rule::Unsigned, "there is no signature; ask who built it to run `cargo palisade sign`"));
    };
    // What is not read of it could say anything.
    let signature = SignatureBox::from_string(&text).ok().filter(|signature| signature.to_string() == text);
    let Some(signature) = signature else {
        return Err(doubt(Rule::Unsigned, "no whole signature in minisign's format, or more than one: get it again"));
    };
    let Some(key) = keys.iter().find(|key| key.keynum() == signature.keynum()) else {
        return Err(doubt(Rule::Signature, "by another key than those that are given"));
    };
    let sums = sums_of(dist);
    if minisign::verify(key, &signature, Cursor::new(&sums), true, false, false).is_err() {
        return Err(doubt(Rule::Signature, "not the signature of SHA256SUMS: one of both was changed"));
    }
    Ok(sums)
}

/// Holds a dist directory against its sums, whoever has signed them: they name the lock, and all that is said of its modules.
pub(crate) fn ensure_whole(dist: &Path, lock: &Lock) -> Result<(), Doubt> {
    let sums = sums_of(dist);
    compare(dist, &sums)?;
    let sums = String::from_utf8_lossy(&sums);
    let documents = lock.modules().iter().flat_map(|it| [sbom::file_of(&it.name), provenance::file_of(&it.name)]);
    let is_doubtful = |name: &String| dist.join(name).exists() && named(&sums).all(|(it, _)| it != name);
    documents.into_iter().find(is_doubtful).map_or(Ok(()), |name| {
        let what = "SHA256SUMS does not name it, and so no signature covers it: run `cargo palisade build`".to_owned();
        Err(Doubt { rule: Rule::Signature, file: dist.join(name), what })
    })
}

/// The sums of a dist directory; without any, they name no lock.
fn sums_of(dist: &Path) -> Vec<u8> {
    fs::read(dist.join(SUMS)).unwrap_or_default()
}

/// The files that sums name, each with its hash.
fn named(sums: &str) -> impl Iterator<Item = (&str, &str)> {
    sums.lines().filter_map(|line| line.split_once("  ")).map(|(hash, name)| (name, hash))
}

/// Whether each file is the one of the sums, and the lock is among them.
fn compare(dist: &Path, sums: &[u8]) -> Result<(), Doubt> {
    let sums = String::from_utf8_lossy(sums);
    let lock = Lock::path(dist);
    if !named(&sums).any(|(name, _)| dist.join(name) == lock) {
        let what = "SHA256SUMS does not name the lock: run `cargo palisade build`".to_owned();
        return Err(Doubt { rule: Rule::Signature, file: lock, what });
    }
    named(&sums).try_for_each(|(name, hash)| ensure_is(dist, name, hash))
}

fn ensure_is(dist: &Path, name: &str, hash: &str) -> Result<(), Doubt> {
    let file = dist.join(name);
    if fs::read(&file).map(|bytes| sha256(&bytes)).ok().as_deref() == Some(hash) {
        return Ok(());
    }
    let what = "not the file that SHA256SUMS names".to_owned();
    Err(Doubt { rule: Rule::Signature, file, what })
}

/// A public key: minisign's file, or the second line of one alone.
fn public_key(path: &Path) -> Result<PublicKey> {
    let text = file::read_text(path)?;
    let key = PublicKeyBox::from_string(&text).and_then(PublicKeyBox::into_public_key);
    let key = key.or_else(|_| PublicKey::from_base64(text.trim()));
    key.with_context(|| format!("{} is no public key of minisign", path.display()))
}
