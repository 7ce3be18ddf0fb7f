//! Password files.

use palisade_auth::basic::{HashLimits, Htpasswd};

use super::Target;

/// The target.
pub const TARGET: Target = Target {
    name: "htpasswd",
    words: &[
        "\n",
        "\r\n",
        ":",
        "#",
        "{PLAIN}",
        "{SHA}",
        "{SSHA}",
        "$apr1$",
        "$2y$",
        "$2y$10$",
        "$5$",
        "$6$",
        "rounds=",
        "$argon2id$",
        "v=19$",
        "m=256,t=2,p=1$",
        "$",
        "==",
        "alice:",
        "99",
        "4294967296",
    ],
    run,
};

const LIMITS: HashLimits =
    HashLimits { bcrypt_cost: 12, sha_crypt_rounds: 100_000, argon2_memory: 19 * 1024, allow_insecure: true };

/// Costs of which a million can be computed.
const CHEAP: u64 = 1;

/// Holds that a file is read or refused whole, that each line is a user, a comment or an error, that a password in plain text
/// is good and no longer one, and that no message repeats a line.
pub fn run(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let lax = Htpasswd::parse(text, &LIMITS, false);
    let strict = Htpasswd::parse(text, &LIMITS, true);
    let secure = Htpasswd::parse(text, &HashLimits { allow_insecure: false, ..LIMITS }, false);
    if let Ok(strict) = &strict {
        let lax = lax.as_ref().unwrap_or_else(|errors| panic!("strict takes what lax refuses: {errors:?}"));
        assert!(lax.warnings.is_empty() && strict.warnings.is_empty());
        assert_eq!(lax.users.len(), strict.users.len());
    }
    if let (Ok(secure), Ok(lax)) = (&secure, &lax) {
        assert_eq!(secure.users.len(), lax.users.len());
    }
    assert!(secure.is_err() || lax.is_ok(), "more is refused where more is allowed");
    for messages in [lax.as_ref().err(), strict.as_ref().err(), secure.as_ref().err()].into_iter().flatten() {
        assert!(!messages.is_empty());
        messages.iter().for_each(|message| check(message));
    }
    let Ok(file) = lax else { return };
    file.warnings.iter().for_each(|message| check(message));
    assert!(!file.users.is_empty() && file.users.len() <= text.lines().count());
    for (user, hash) in &file.users {
        assert!(!user.is_empty() && !user.contains(':'));
        if hash.cost() <= CHEAP {
            let plain = text.lines().find_map(|line| line.trim_end().strip_prefix(&format!("{user}:{{PLAIN}}")));
            if let Some(password) = plain {
                assert_eq!(hash.verify(password.as_bytes()), Some(true));
            }
            assert_eq!(hash.verify(b"no password of the corpus"), Some(false));
        }
    }
}

/// A message is of fixed words and of numbers.
fn check(message: &str) {
    assert!(message.is_ascii() && message.len() < 200, "{message}");
    assert!(message == "there is no user" || message.starts_with("line "), "{message}");
}
