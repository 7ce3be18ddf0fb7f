//! Radix 64: how `crypt(3)` writes bits, six in a character, the lowest first.

const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The character of the lowest six bits.
pub(super) fn char(bits: u8) -> u8 {
    ALPHABET.get(usize::from(bits & 0x3F)).copied().unwrap_or_default()
}

/// Whether a text is made of these characters.
pub(super) fn is_text(text: &[u8]) -> bool {
    text.iter().all(|char| ALPHABET.contains(char))
}

/// The 12 bits of two characters.
pub(super) fn salt(chars: [u8; 2]) -> Option<u16> {
    let [low, high] = chars.map(|char| ALPHABET.iter().position(|known| *known == char));
    u16::try_from(low? | (high? << 6)).ok()
}

/// What bcrypt writes, the highest bits first and with an alphabet of its own, as Base64 writes it.
pub(super) fn bcrypt_to_base64(text: &str) -> Option<String> {
    const BCRYPT: &[u8; 64] = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let translate = |char| BASE64.get(BCRYPT.iter().position(|known| *known == char)?).copied().map(char::from);
    text.bytes().map(translate).collect()
}

/// Writes the bytes of a digest in groups of three, each group from its last byte to its first. The places of a group
/// that are not in the digest are zero, and the last group is written as far as there is room.
pub(super) fn write<const N: usize>(digest: &[u8], groups: &[[u8; 3]]) -> [u8; N] {
    let mut text = [0; N];
    for (chars, group) in text.chunks_mut(4).zip(groups) {
        let [high, middle, low] = group.map(|place| digest.get(usize::from(place)).copied().unwrap_or_default());
        let mut bits = u32::from_be_bytes([0, high, middle, low]);
        for place in chars {
            *place = char(bits as u8);
            bits >>= 6;
        }
    }
    text
}
