//! Hash: what a password file knows of a password.

use ::sha_crypt::Params as ShaParams;
use argon2::{Algorithm, Argon2, Block, Version};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::base64;
use crate::secret::equal;

use super::{bcrypt, des_crypt, md5_crypt, radix64, sha_crypt};

/// The hash of one user's password.
pub struct Hash {
    kind: Kind,
}

enum Kind {
    /// The SHA-256 of the password itself.
    Plain([u8; 32]),
    DesCrypt {
        salt: u16,
        text: [u8; 11],
    },
    Sha1([u8; 20]),
    SaltedSha1 {
        digest: [u8; 20],
        salt: Vec<u8>,
    },
    Apr1 {
        salt: Vec<u8>,
        text: [u8; 22],
    },
    Bcrypt {
        cost: u32,
        salt: [u8; 16],
        digest: [u8; 23],
    },
    Sha256Crypt {
        rounds: u32,
        params: ShaParams,
        salt: Vec<u8>,
        text: [u8; 43],
    },
    Sha512Crypt {
        rounds: u32,
        params: ShaParams,
        salt: Vec<u8>,
        text: [u8; 86],
    },
    Argon2id {
        version: Version,
        params: argon2::Params,
        salt: Vec<u8>,
        digest: Vec<u8>,
    },
    /// No password has it.
    Broken,
}

/// What hashes may cost, and whether weak ones are taken.
#[derive(Clone, Copy, Debug)]
pub struct HashLimits {
    /// The highest cost of bcrypt.
    pub bcrypt_cost: u32,
    /// The most rounds of SHA crypt.
    pub sha_crypt_rounds: u32,
    /// The most memory of Argon2id, in KiB.
    pub argon2_memory: u32,
    /// Whether `{PLAIN}` and DES crypt are taken.
    pub allow_insecure: bool,
}

/// Why a text is not taken for a hash.
#[derive(Debug, PartialEq, Eq)]
pub enum Unusable {
    /// It is malformed, so that no password has it.
    Broken(&'static str),
    /// It is a hash that the limits rule out.
    Refused(String),
}

use Unusable::{Broken, Refused};

/// Passes over the memory of Argon2id: more would be time that `argon2_memory` does not bound.
const ARGON2_PASSES: u32 = 10;
const ARGON2_LANES: u32 = 16;

const UNKNOWN: &str = "the hash is of no known kind";

// === impl Hash ===

impl Hash {
    /// A hash that no password has.
    pub const BROKEN: Self = Self { kind: Kind::Broken };

    /// Reads what stands behind the user's name.
    pub fn parse(text: &str, limits: &HashLimits) -> Result<Self, Unusable> {
        let kind = if let Some(password) = text.strip_prefix("{PLAIN}") {
            insecure("{PLAIN}", limits)?;
            Kind::Plain(Sha256::digest(password).into())
        } else if let Some(digest) = text.strip_prefix("{SHA}") {
            let digest = base64::decode(digest.as_bytes()).and_then(|digest| digest.try_into().ok());
            Kind::Sha1(digest.ok_or(Broken("{SHA} wants the Base64 of 20 bytes behind it"))?)
        } else if let Some(text) = text.strip_prefix("{SSHA}") {
            salted_sha1(text).ok_or(Broken("{SSHA} wants the Base64 of 20 bytes and a salt behind it"))?
        } else if let Some(text) = text.strip_prefix('$') {
            let (id, rest) = text.split_once('$').ok_or(Broken(UNKNOWN))?;
            match id {
                "apr1" => {
                    apr1(rest).ok_or(Broken("$apr1$ wants a salt of at most 8 characters and 22 more behind it"))?
                }
                "2a" | "2b" | "2y" => bcrypt(rest, limits)?,
                "5" | "6" => sha_crypt(id, rest, limits)?,
                "argon2id" => argon2id(rest, limits)?,
                _ => return Err(Broken(UNKNOWN)),
            }
        } else {
            des_crypt(text, limits)?
        };
        Ok(Self { kind })
    }

    /// Whether this is a password's hash; `None` where there is no memory to compute it. The time depends on the hash and on
    /// the length of the password.
    pub fn verify(&self, password: &[u8]) -> Option<bool> {
        Some(match &self.kind {
            Kind::Plain(digest) => equal(&Sha256::digest(password), digest),
            Kind::DesCrypt { salt, text } => equal(&des_crypt::crypt(password, *salt), text),
            Kind::Sha1(digest) => equal(&Sha1::digest(password), digest),
            Kind::SaltedSha1 { digest, salt } => {
                equal(&Sha1::new().chain_update(password).chain_update(salt).finalize(), digest)
            }
            Kind::Apr1 { salt, text } => equal(&md5_crypt::apr1(password, salt), text),
            Kind::Bcrypt { cost, salt, digest } => equal(&bcrypt::digest(password, salt, *cost), digest),
            Kind::Sha256Crypt { params, salt, text, .. } => equal(&sha_crypt::sha256(password, salt, *params), text),
            Kind::Sha512Crypt { params, salt, text, .. } => equal(&sha_crypt::sha512(password, salt, *params), text),
            Kind::Argon2id { version, params, salt, digest } => {
                // The crate's own allocation would be a trap where there is no memory.
                let mut memory = blocks(params.block_count())?;
                let mut computed = vec![0; digest.len()];
                let argon2 = Argon2::new(Algorithm::Argon2id, *version, params.clone());
                let hashed = argon2.hash_password_into_with_memory(password, salt, &mut computed, &mut memory);
                hashed.is_ok() && equal(&computed, digest)
            }
            Kind::Broken => false,
        })
    }

    /// About how many microseconds it costs to verify a password in a module, to tell what is dear from what is not.
    pub fn cost(&self) -> u64 {
        match &self.kind {
            Kind::Bcrypt { cost, .. } => 88_u64.wrapping_shl(*cost),
            Kind::Argon2id { params, .. } => u64::from(params.m_cost()).saturating_mul(params.t_cost().into()),
            Kind::Sha256Crypt { rounds, .. } => u64::from(*rounds),
            Kind::Sha512Crypt { rounds, .. } => u64::from(*rounds).saturating_mul(2),
            Kind::DesCrypt { .. } => 1_000,
            Kind::Apr1 { .. } => 500,
            Kind::Plain(_) | Kind::Sha1(_) | Kind::SaltedSha1 { .. } => 1,
            Kind::Broken => 0,
        }
    }
}

fn blocks(count: usize) -> Option<Vec<Block>> {
    let mut blocks = Vec::new();
    blocks.try_reserve_exact(count).ok()?;
    blocks.resize(count, Block::new());
    Some(blocks)
}

fn insecure(kind: &str, limits: &HashLimits) -> Result<(), Unusable> {
    match limits.allow_insecure {
        true => Ok(()),
        false => Err(Refused([kind, " protects no password; hash it with bcrypt, or set \"allow_insecure\""].concat())),
    }
}

fn salted_sha1(text: &str) -> Option<Kind> {
    let bytes = base64::decode(text.as_bytes())?;
    let (digest, salt) = bytes.split_first_chunk()?;
    Some(Kind::SaltedSha1 { digest: *digest, salt: salt.to_vec() }).filter(|_| !salt.is_empty())
}

fn apr1(text: &str) -> Option<Kind> {
    let (salt, text) = text.split_once('$')?;
    Some(Kind::Apr1 { salt: crypt_salt(salt, 8)?, text: crypt_text(text)? })
}

/// `COST$`, 22 characters of salt and 31 of the digest.
fn bcrypt(text: &str, limits: &HashLimits) -> Result<Kind, Unusable> {
    let parse = || {
        let (cost, text) = text.split_once('$').filter(|(cost, _)| cost.len() == 2)?;
        let (salt, digest) = text.split_at_checked(22)?;
        let [salt, digest] = [salt, digest].map(|text| unpadded(&radix64::bcrypt_to_base64(text)?));
        let cost = decimal(cost).filter(|cost| (4..=31).contains(cost))?;
        Some((cost, salt?.try_into().ok()?, digest?.try_into().ok()?))
    };
    let (cost, salt, digest) =
        parse().ok_or(Broken("bcrypt wants a cost from 04 to 31 and 53 characters behind it"))?;
    if cost > limits.bcrypt_cost {
        return Err(too_dear("bcrypt's cost", cost, limits.bcrypt_cost, "max_bcrypt_cost"));
    }
    Ok(Kind::Bcrypt { cost, salt, digest })
}

/// `rounds=N$`, or nothing for 5000; up to 16 characters of salt, `$`, and the digest.
fn sha_crypt(id: &str, text: &str, limits: &HashLimits) -> Result<Kind, Unusable> {
    let parse = || {
        let (rounds, text) = match text.strip_prefix("rounds=") {
            Some(text) => text.split_once('$').and_then(|(rounds, text)| Some((decimal(rounds)?, text)))?,
            None => (ShaParams::RECOMMENDED_ROUNDS, text),
        };
        let params = ShaParams::new(rounds).ok()?;
        let (salt, text) = text.split_once('$')?;
        let salt = crypt_salt(salt, 16)?;
        let kind = match id {
            "5" => Kind::Sha256Crypt { rounds, params, salt, text: crypt_text(text)? },
            _ => Kind::Sha512Crypt { rounds, params, salt, text: crypt_text(text)? },
        };
        Some((rounds, kind))
    };
    let (rounds, kind) = parse().ok_or(Broken(
        "SHA crypt wants rounds from 1000 to 999999999, a salt of at most 16 characters, and 43 ($5$) or 86 ($6$) more",
    ))?;
    match rounds <= limits.sha_crypt_rounds {
        true => Ok(kind),
        false => Err(too_dear("the rounds of SHA crypt", rounds, limits.sha_crypt_rounds, "max_sha_crypt_rounds")),
    }
}

/// `v=19$m=KIB,t=PASSES,p=LANES$SALT$DIGEST`, in Base64 without padding; without `v=19$` it is version 16.
fn argon2id(text: &str, limits: &HashLimits) -> Result<Kind, Unusable> {
    let parse = || {
        let (version, text) = match text.strip_prefix("v=") {
            Some(text) => match text.split_once('$')? {
                ("16", text) => (Version::V0x10, text),
                ("19", text) => (Version::V0x13, text),
                _ => return None,
            },
            None => (Version::V0x10, text),
        };
        let mut parts = text.split('$');
        let (costs, salt, digest) = (parts.next()?, parts.next()?, parts.next()?);
        let mut costs = costs.split(',');
        let memory = decimal(costs.next()?.strip_prefix("m=")?)?;
        let passes = decimal(costs.next()?.strip_prefix("t=")?)?;
        let lanes = decimal(costs.next()?.strip_prefix("p=")?)?;
        let [salt, digest] = [salt, digest].map(unpadded);
        let (salt, digest) = (salt?, digest?);
        let sizes_are_right = (8..=64).contains(&salt.len()) && (16..=64).contains(&digest.len());
        let params = argon2::Params::new(memory, passes, lanes, Some(digest.len())).ok()?;
        let is_whole = parts.next().is_none() && costs.next().is_none();
        (is_whole && sizes_are_right).then_some(Kind::Argon2id { version, params, salt, digest })
    };
    let kind = parse().ok_or(Broken("Argon2id wants v=19$m=KIB,t=PASSES,p=LANES$SALT$DIGEST behind it"))?;
    if let Kind::Argon2id { params, .. } = &kind {
        if params.m_cost() > limits.argon2_memory {
            return Err(too_dear("the KiB of Argon2id", params.m_cost(), limits.argon2_memory, "max_argon2_memory"));
        }
        if params.t_cost() > ARGON2_PASSES || params.p_cost() > ARGON2_LANES {
            return Err(Refused("Argon2id is taken with up to 10 passes (t) and 16 lanes (p)".to_owned()));
        }
    }
    Ok(kind)
}

fn des_crypt(text: &str, limits: &HashLimits) -> Result<Kind, Unusable> {
    let parse = || {
        let (salt, text) = text.as_bytes().split_first_chunk()?;
        Some((radix64::salt(*salt)?, <[u8; 11]>::try_from(text).ok().filter(|text| radix64::is_text(text))?))
    };
    let (salt, text) = parse().ok_or(Broken(UNKNOWN))?;
    insecure("DES crypt", limits)?;
    Ok(Kind::DesCrypt { salt, text })
}

fn too_dear(what: &str, found: u32, limit: u32, field: &str) -> Unusable {
    let (found, limit) = (found.to_string(), limit.to_string());
    Refused([what, " is ", &found, ", more than the ", &limit, " that \"", field, "\" allows"].concat())
}

fn crypt_salt(salt: &str, longest: usize) -> Option<Vec<u8>> {
    let salt = salt.as_bytes();
    (salt.len() <= longest && salt.is_ascii()).then(|| salt.to_vec())
}

fn crypt_text<const N: usize>(text: &str) -> Option<[u8; N]> {
    let text: [u8; N] = text.as_bytes().try_into().ok()?;
    radix64::is_text(&text).then_some(text)
}

/// Reads Base64 that has no padding.
fn unpadded(text: &str) -> Option<Vec<u8>> {
    let padding = match text.len() & 3 {
        2 => "==",
        3 => "=",
        _ => "",
    };
    base64::decode([text, padding].concat().as_bytes()).filter(|_| !text.ends_with('='))
}

/// Digits without a sign.
fn decimal(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests;
