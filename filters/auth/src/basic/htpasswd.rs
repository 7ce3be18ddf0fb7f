//! htpasswd: a file of users and hashes, one a line.

use sha2::{Digest as _, Sha256};

use super::hash::{Hash, HashLimits, Unusable};

/// The users of a file, and the lines of those that can never log in.
#[derive(Default)]
pub struct Htpasswd {
    /// The hash of each user's password.
    pub users: Vec<(String, Hash)>,
    /// What is wrong with some hashes, by line.
    pub warnings: Vec<String>,
    /// What only those know who know the file: half of its SHA-256.
    pub key: [u8; 16],
}

impl Htpasswd {
    /// Reads `USER:HASH` lines; empty lines and those that begin with `#` are comments, and so is what a further colon
    /// separates from a hash.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, by line and without the line's text. A broken hash is an error when `strict` is set, and
    /// otherwise a warning and a user who is never let in.
    pub fn parse(text: &str, limits: &HashLimits, strict: bool) -> Result<Self, Vec<String>> {
        let key = Sha256::digest(text).first_chunk().copied().unwrap_or_default();
        let mut file = Self { key, ..Self::default() };
        // The places of the users in the order of their names.
        let mut by_name = Vec::new();
        let mut errors = Vec::new();
        for (number, line) in (1_usize..).zip(text.lines()) {
            let line = line.trim_end();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let report = |what: &str| ["line ", &number.to_string(), ": ", what].concat();
            let (user, hash) = match Self::line(line, limits) {
                Ok((user, Ok(hash))) => (user, hash),
                Ok((user, Err(Unusable::Broken(what)))) => {
                    match strict {
                        true => errors.push(report(what)),
                        false => file.warnings.push(report(&[what, "; this user is never let in"].concat())),
                    }
                    (user, Hash::BROKEN)
                }
                Ok((user, Err(Unusable::Refused(what)))) => {
                    errors.push(report(&what));
                    (user, Hash::BROKEN)
                }
                Err(what) => {
                    errors.push(report(what));
                    continue;
                }
            };
            let name_at = |place: &usize| file.users.get(*place).map(|(name, _)| name.as_str());
            match by_name.binary_search_by(|place| name_at(place).cmp(&Some(user))) {
                Ok(_) => errors.push(report("the user stands in an earlier line already")),
                Err(order) => {
                    by_name.insert(order, file.users.len());
                    file.users.push((user.to_owned(), hash));
                }
            }
        }
        if file.users.is_empty() && errors.is_empty() {
            errors.push("there is no user".to_owned());
        }
        if errors.is_empty() { Ok(file) } else { Err(errors) }
    }

    fn line<'l>(line: &'l str, limits: &HashLimits) -> Result<(&'l str, Result<Hash, Unusable>), &'static str> {
        let (user, hash) = line.split_once(':').ok_or("expected USER:HASH, found no colon")?;
        if user.is_empty() {
            return Err("the user is empty");
        }
        if user.bytes().any(|byte| byte.is_ascii_control()) {
            return Err("the user has a control character");
        }
        // A password in plain text may hold a colon.
        let hash = if hash.starts_with("{PLAIN}") { hash } else { hash.split(':').next().unwrap_or(hash) };
        Ok((user, Hash::parse(hash, limits)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: HashLimits =
        HashLimits { bcrypt_cost: 12, sha_crypt_rounds: 100_000, argon2_memory: 19 * 1024, allow_insecure: true };

    const GOOD: &str = "{SHA}/BkxjdExKM4UNE0GZRCpgiacJBs=";

    fn read(text: &str) -> Htpasswd {
        Htpasswd::parse(text, &LIMITS, false).unwrap_or_else(|errors| panic!("{errors:?}"))
    }

    fn hash<'f>(file: &'f Htpasswd, user: &str) -> &'f Hash {
        &file.users.iter().find(|(known, _)| known == user).unwrap().1
    }

    fn errors(text: &str) -> Vec<String> {
        Htpasswd::parse(text, &LIMITS, false).err().unwrap_or_default()
    }

    #[test]
    fn each_line_is_a_user_and_a_hash() {
        let text = format!("# staff\r\nalice:{GOOD}\r\n\n  \nb\u{f6}b smith:{GOOD}:a comment\ncarol:{{PLAIN}}a:b  ");
        let file = read(&text);
        assert_eq!(file.users.iter().map(|(user, _)| user).collect::<Vec<_>>(), ["alice", "b\u{f6}b smith", "carol"]);
        for (user, password) in [("alice", "good"), ("b\u{f6}b smith", "good"), ("carol", "a:b")] {
            assert_eq!(hash(&file, user).verify(password.as_bytes()), Some(true), "{user}");
        }
        assert!(file.warnings.is_empty());
    }

    #[test]
    fn a_broken_hash_is_a_user_who_is_never_let_in_or_an_error() {
        let text = format!("alice:$apr1$\nbob:{GOOD}");
        let file = read(&text);
        assert_eq!(["good", ""].map(|password| hash(&file, "alice").verify(password.as_bytes())), [Some(false); 2]);
        assert_eq!(file.warnings.len(), 1);
        assert!(file.warnings[0].starts_with("line 1: $apr1$ wants") && file.warnings[0].ends_with("is never let in"));
        let errors = Htpasswd::parse(&text, &LIMITS, true).err().unwrap();
        assert!(errors.len() == 1 && errors[0].starts_with("line 1: $apr1$ wants"), "{errors:?}");
    }

    #[test]
    fn everything_that_is_wrong_is_reported_at_once() {
        let text = format!(
            "alice\n:{GOOD}\nbob:{GOOD}\nbob:{GOOD}\nc\tarol:{GOOD}\ndave:$2y$31$abcdefghijklmnopqrstuuX.3eY3Cz749VjAe1eh2D.Wg.3tL5s5C"
        );
        assert_eq!(
            errors(&text),
            [
                "line 1: expected USER:HASH, found no colon",
                "line 2: the user is empty",
                "line 4: the user stands in an earlier line already",
                "line 5: the user has a control character",
                "line 6: bcrypt's cost is 31, more than the 12 that \"max_bcrypt_cost\" allows",
            ]
        );
    }

    #[test]
    fn a_file_without_users_is_an_error() {
        assert_eq!(errors("# nobody\n"), ["there is no user"]);
    }

    proptest! {
        #[test]
        fn no_error_repeats_what_a_line_says(user in "canary[a-z:]{0,9}", hash in "[$a-z{}]{0,4}canary[a-z$]{0,20}") {
            let strict = HashLimits { allow_insecure: false, ..LIMITS };
            for text in [format!("{user}:{hash}"), user.clone(), format!("{user}:{{PLAIN}}{hash}")] {
                match Htpasswd::parse(&text, &strict, false) {
                    Ok(file) => prop_assert!(!file.warnings.concat().contains("canary")),
                    Err(errors) => prop_assert!(!errors.concat().contains("canary")),
                }
            }
        }
    }
}
