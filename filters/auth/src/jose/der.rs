//! The DER (X.690) of a public key and of an ECDSA signature, as a host wants them.

use super::Curve;

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const SEQUENCE: u8 = 0x30;

/// `AlgorithmIdentifier` of `rsaEncryption`, with its NULL (RFC 3279, section 2.3.1).
const RSA: &[u8] = &[0x30, 0x0D, 0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01, 0x05, 0x00];

/// The object identifier `id-ecPublicKey` (RFC 5480, section 2.1.1).
const EC: &[u8] = &[0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01];

/// `SubjectPublicKeyInfo` of an RSA key.
pub(super) fn rsa_key(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let key = value(SEQUENCE, &[&integer(modulus), &integer(exponent)]);
    value(SEQUENCE, &[RSA, &value(BIT_STRING, &[&[0], &key])])
}

/// `SubjectPublicKeyInfo` of an EC key, whose point is uncompressed.
pub(super) fn ec_key(curve: Curve, point: &[u8]) -> Vec<u8> {
    let algorithm = value(SEQUENCE, &[EC, curve.object_identifier()]);
    value(SEQUENCE, &[&algorithm, &value(BIT_STRING, &[&[0], point])])
}

/// `Ecdsa-Sig-Value` (RFC 3279, section 2.2.3).
pub(super) fn ecdsa_signature(r: &[u8], s: &[u8]) -> Vec<u8> {
    value(SEQUENCE, &[&integer(r), &integer(s)])
}

/// A number without a sign, in as few bytes as DER wants.
fn integer(bytes: &[u8]) -> Vec<u8> {
    let leading = bytes.iter().take_while(|byte| **byte == 0).count();
    let digits = bytes.get(leading..).unwrap_or_default();
    let sign: &[u8] = if digits.first().is_none_or(|byte| byte & 0x80 != 0) { &[0] } else { &[] };
    value(INTEGER, &[sign, digits])
}

/// Tag, length and contents, which are shorter than 64 KiB.
fn value(tag: u8, contents: &[&[u8]]) -> Vec<u8> {
    let contents = contents.concat();
    let [.., high, low] = contents.len().to_be_bytes();
    let head = match (high, low) {
        (0, 0..0x80) => vec![tag, low],
        (0, _) => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    [head, contents].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_as_short_as_they_can_be() {
        for (bytes, der) in [
            (&[0_u8, 0][..], &[2_u8, 1, 0][..]),
            (&[0, 0x7F], &[2, 1, 0x7F]),
            (&[0x80], &[2, 2, 0, 0x80]),
            (&[0, 0, 0x80, 0], &[2, 3, 0, 0x80, 0]),
            (&[], &[2, 1, 0]),
        ] {
            assert_eq!(integer(bytes), der, "{bytes:?}");
        }
    }

    #[test]
    fn lengths_take_one_two_or_three_bytes() {
        for (length, head) in
            [(127, &[4_u8, 127][..]), (128, &[4, 0x81, 128]), (255, &[4, 0x81, 255]), (256, &[4, 0x82, 1, 0])]
        {
            let der = value(4, &[&vec![7; length]]);
            assert!(der.starts_with(head) && der.len() == length + head.len(), "{length}");
        }
    }
}
