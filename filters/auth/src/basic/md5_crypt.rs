//! MD5 crypt: Apache's `$apr1$`, a thousand rounds of MD5.

use md5::{Digest, Md5};

use super::radix64;

const MAGIC: &[u8] = b"$apr1$";
const NONE: u8 = u8::MAX;
const GROUPS: &[[u8; 3]] = &[[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5], [NONE, NONE, 11]];

/// The 22 characters that stand behind `$apr1$SALT$`.
pub(super) fn apr1(password: &[u8], salt: &[u8]) -> [u8; 22] {
    let alternate = Md5::new().chain_update(password).chain_update(salt).chain_update(password).finalize();
    let mut first = Md5::new().chain_update(password).chain_update(MAGIC).chain_update(salt);
    for part in password.chunks(alternate.len()) {
        first.update(alternate.get(..part.len()).unwrap_or_default());
    }
    let mut length = password.len();
    while length > 0 {
        first.update(if length & 1 == 1 { &[0][..] } else { password.get(..1).unwrap_or_default() });
        length >>= 1;
    }
    let mut digest = first.finalize();
    for round in 0..1_000_u32 {
        let mut next = Md5::new();
        match round & 1 {
            1 => next.update(password),
            _ => next.update(digest),
        }
        if !round.is_multiple_of(3) {
            next.update(salt);
        }
        if !round.is_multiple_of(7) {
            next.update(password);
        }
        match round & 1 {
            1 => next.update(digest),
            _ => next.update(password),
        }
        digest = next.finalize();
    }
    radix64::write(&digest, GROUPS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_writes_what_openssl_writes() {
        for (password, salt, text) in [
            ("good", "saltsalt", ".summ4FBEjnqpWnjJNp7g/"),
            ("good", "salt", "zNt2KILzccMSuwEO7.Ada0"),
            ("good", "", "2JG/ERlgYMI7Z.YF5hjiR0"),
            ("", "abcdefgh", "L.PT565ESX4Tp2bqNs7Ie."),
            ("a password that is longer than sixteen bytes", "xyz", "QPEgj1B1Oqh/EKcwKkoT90"),
        ] {
            let written = apr1(password.as_bytes(), salt.as_bytes());
            assert_eq!(String::from_utf8_lossy(&written), text);
        }
    }
}
