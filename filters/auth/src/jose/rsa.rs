//! RSA signatures (RFC 8017, sections 8.1.2 and 8.2.2), verified.

use super::modular::Modulus;
use super::{Hash, der};

/// `DigestInfo` of each hash function, up to the digest (RFC 8017, section 9.2, note 1).
const SHA256: &[u8] = &[48, 49, 48, 13, 6, 9, 96, 134, 72, 1, 101, 3, 4, 2, 1, 5, 0, 4, 32];
const SHA384: &[u8] = &[48, 65, 48, 13, 6, 9, 96, 134, 72, 1, 101, 3, 4, 2, 2, 5, 0, 4, 48];
const SHA512: &[u8] = &[48, 81, 48, 13, 6, 9, 96, 134, 72, 1, 101, 3, 4, 2, 3, 5, 0, 4, 64];

/// A public key.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct RsaKey {
    modulus: Modulus,
    exponent: u64,
    /// `SubjectPublicKeyInfo`.
    pub(super) der: Vec<u8>,
}

impl RsaKey {
    /// The key with this modulus and exponent, the highest byte first.
    ///
    /// `None` if it is too weak or too dear: the modulus has 2048 to 8192 bits, the exponent is odd, at least 3 and has
    /// 33 bits at most, as in BoringSSL.
    pub(super) fn new(modulus: &[u8], exponent: &[u8]) -> Option<Self> {
        if modulus.len() > 1_100 || exponent.len() > 8 {
            return None;
        }
        let der = der::rsa_key(modulus, exponent);
        let modulus = Modulus::new(modulus)?;
        let exponent = exponent.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        let is_sound =
            (2_048..=8_192).contains(&modulus.bits()) && (3..1 << 33).contains(&exponent) && exponent & 1 == 1;
        is_sound.then_some(Self { modulus, exponent, der })
    }

    /// Whether the signature is the one of this text under RSASSA-PKCS1-v1_5.
    pub(super) fn verify_pkcs1(&self, hash: Hash, text: &[u8], signature: &[u8]) -> bool {
        let Some(encoded) = self.public(signature) else { return false };
        let info = match hash {
            Hash::Sha256 => SHA256,
            Hash::Sha384 => SHA384,
            Hash::Sha512 => SHA512,
        };
        let digest = hash.digest(&[text]);
        // Written out and compared as a whole, so that nothing in it can be parsed in two ways.
        let padding = encoded.len().saturating_sub(info.len()).saturating_sub(digest.len()).saturating_sub(3);
        encoded == [&[0, 1][..], &vec![0xFF; padding], &[0], info, &digest].concat()
    }

    /// Whether the signature is one of this text under RSASSA-PSS, with MGF1 over the same hash and a salt as long as
    /// the digest (RFC 7518, section 3.5).
    pub(super) fn verify_pss(&self, hash: Hash, text: &[u8], signature: &[u8]) -> bool {
        self.public(signature).and_then(|encoded| self.pss(hash, text, &encoded)).is_some()
    }

    /// EMSA-PSS-VERIFY (RFC 8017, section 9.1.2).
    fn pss(&self, hash: Hash, text: &[u8], encoded: &[u8]) -> Option<()> {
        let bits = self.modulus.bits().checked_sub(1)?;
        // Where the encoding is a byte shorter than the modulus, that byte is zero.
        let (above, encoded) = encoded.split_at_checked(encoded.len().checked_sub(bits.div_ceil(8))?)?;
        let [encoded @ .., 0xBC] = encoded else { return None };
        let (masked, digest) = encoded.split_at_checked(encoded.len().checked_sub(hash.size())?)?;
        let unused = bits.wrapping_neg() & 7;
        let used = 0xFF_u8.checked_shr(u32::try_from(unused).ok()?)?;
        let mut block: Vec<u8> = masked.iter().zip(mask(hash, digest)).map(|(byte, mask)| byte ^ mask).collect();
        let first = block.first_mut()?;
        *first &= used;
        let (padding, salt) = block.split_at_checked(block.len().checked_sub(hash.size())?)?;
        let [zeros @ .., 1] = padding else { return None };
        let holds = above.iter().chain(zeros).all(|byte| *byte == 0)
            && masked.first()? & !used == 0
            && hash.digest(&[&[0; 8], &hash.digest(&[text]), salt]) == digest;
        holds.then_some(())
    }

    /// The public operation, RSAVP1 (RFC 8017, section 5.2.2); the signature is as long as the modulus, and below it.
    fn public(&self, signature: &[u8]) -> Option<Vec<u8>> {
        let signature = Some(signature).filter(|signature| signature.len() == self.modulus.length())?;
        let message = self.modulus.power(&self.modulus.residue(signature)?, self.exponent);
        Some(self.modulus.bytes(&message))
    }
}

/// MGF1, without an end (RFC 8017, appendix B.2.1).
fn mask(hash: Hash, seed: &[u8]) -> impl Iterator<Item = u8> {
    (0_u32..).flat_map(move |counter| hash.digest(&[seed, &counter.to_be_bytes()]))
}
