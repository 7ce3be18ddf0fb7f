//! Verifier: says whether a password is a user's, and hashes no more of them than the worker has time for.

use std::hint::black_box;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use palisade_sdk::random::Seed;
use sha2::{Digest as _, Sha256};

use super::budget::Budget;
use super::credential::Credential;
use super::hash::Hash;
use crate::lru::{Key, Lru};
use crate::table::Table;

/// How long a wrong credential is known to be wrong: whoever repeats one costs no hash.
const WRONG_FOR: Duration = Duration::from_secs(60);

/// The users, and what is known of credentials that were sent.
pub(crate) struct Verifier {
    /// By the SHA-256 of the user.
    hashes: Table<Hash>,
    /// The user whose hash is the dearest. It is computed for users that there are not, too.
    dearest: Key,
    secret: Key,
    good_for: Duration,
    good: Lru<()>,
    wrong: Lru<()>,
    budget: Budget,
}

/// What a verifier draws from a random source.
pub(crate) struct Randomness {
    /// The key under which credentials are remembered.
    pub(crate) secret: Key,
    /// The seed of the maps.
    pub(crate) seed: Seed,
}

/// What came of one credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The password is the user's.
    Good(Source),
    /// It is not, or there is no such user.
    Wrong(Source),
    /// It is not known yet, and there is no time to hash it before so long.
    Throttled(Duration),
}

/// Where a verdict comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The credential was hashed before.
    Cache,
    /// It was hashed now.
    Hash,
}

// === impl Verifier ===

impl Verifier {
    /// A verifier for these users, which remembers `entries` good credentials for `good_for`, and as many wrong ones.
    pub(crate) fn new(
        users: impl IntoIterator<Item = (String, Hash)>,
        (good_for, entries): (Duration, usize),
        budget: Budget,
        Randomness { secret, seed }: Randomness,
    ) -> Self {
        let mut dearest = (0, Key::default());
        let hashes = users.into_iter().map(|(user, hash)| {
            let user = digest(user.as_bytes());
            if hash.cost() > dearest.0 {
                dearest = (hash.cost(), user);
            }
            (user, hash)
        });
        let hashes = Table::new(hashes, seed.clone());
        let (good, wrong) = (Lru::new(entries, seed.clone()), Lru::new(entries, seed));
        Self { hashes, dearest: dearest.1, secret, good_for, good, wrong, budget }
    }

    /// Says whether a credential is good. `now` reads a clock.
    ///
    /// # Errors
    ///
    /// The clock has failed.
    pub(crate) fn verify<E>(
        &mut self,
        credential: &Credential,
        now: impl Fn() -> Result<Duration, E>,
    ) -> Result<Verdict, E> {
        let began = now()?;
        let key = self.key(credential);
        if self.good.get(&key, began).is_some() {
            return Ok(Verdict::Good(Source::Cache));
        }
        if self.wrong.get(&key, began).is_some() {
            return Ok(Verdict::Wrong(Source::Cache));
        }
        if let Err(wait) = self.budget.take(began) {
            return Ok(Verdict::Throttled(wait));
        }
        let is_good = self.hash(credential);
        let ended = now()?;
        self.budget.spent(ended);
        Ok(match is_good {
            true => {
                self.good.insert(key, (), ended.saturating_add(self.good_for));
                Verdict::Good(Source::Hash)
            }
            false => {
                self.wrong.insert(key, (), ended.saturating_add(WRONG_FOR));
                Verdict::Wrong(Source::Hash)
            }
        })
    }

    /// Hashes the password.
    fn hash(&self, credential: &Credential) -> bool {
        let [own, beside] = self.hashes(credential.user());
        let is_good = own.is_some_and(|hash| hash.verify(credential.password()));
        black_box(beside.is_some_and(|hash| hash.verify(credential.password())));
        is_good
    }

    /// A user's hash, and what is computed beside it: the dearest of all hashes is computed in any case, so that the time
    /// shows neither whether the user exists nor what kind of hash it has.
    fn hashes(&self, user: &[u8]) -> [Option<&Hash>; 2] {
        let (own, dearest) = (self.hashes.get(&digest(user)), self.hashes.get(&self.dearest));
        let cost = |hash: Option<&Hash>| hash.map(Hash::cost);
        [own, dearest.filter(|_| cost(own) != cost(dearest))]
    }

    /// The name of a credential in the caches. Nobody can make it without the secret.
    fn key(&self, credential: &Credential) -> Key {
        match Hmac::<Sha256>::new_from_slice(&self.secret) {
            Ok(mac) => mac.chain_update(credential.text()).finalize().into_bytes().into(),
            // HMAC takes keys of any length.
            Err(_) => Key::default(),
        }
    }
}

fn digest(user: &[u8]) -> Key {
    Sha256::digest(user).into()
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "numbers of a test")]
mod tests {
    use std::cell::Cell;
    use std::convert::Infallible;

    use base64ct::{Base64, Encoding};
    use palisade_sdk::config;

    use super::super::hash::HashLimits;
    use super::super::htpasswd::Htpasswd;
    use super::*;

    const FILE: &str = "alice:{SHA}/BkxjdExKM4UNE0GZRCpgiacJBs=\n\
                        bob:$2y$04$abcdefghijklmnopqrstuuX.3eY3Cz749VjAe1eh2D.Wg.3tL5s5C\n\
                        broken:$apr1$\n";

    fn verifier(per_second: usize, share: &str, entries: usize) -> Verifier {
        let limits =
            HashLimits { bcrypt_cost: 12, sha_crypt_rounds: 100_000, argon2_memory: 1024, allow_insecure: true };
        let file = Htpasswd::parse(FILE, &limits, false).unwrap_or_else(|errors| panic!("{errors:?}"));
        let share = config::parse(format!("\"{share}\"").as_bytes()).unwrap();
        let randomness = Randomness { secret: [1; 32], seed: Seed::from_bytes([2; 16]) };
        Verifier::new(file.users, (Duration::from_secs(300), entries), Budget::new(per_second, share), randomness)
    }

    fn credential(text: &str) -> Credential {
        Credential::parse(Base64::encode_string(text.as_bytes()).as_bytes()).unwrap()
    }

    /// A verifier, and a clock of which a hash takes so many milliseconds.
    struct Bench {
        verifier: Verifier,
        now: Cell<u64>,
        hash: u64,
    }

    impl Bench {
        fn verify(&mut self, text: &str) -> Verdict {
            let asked = Cell::new(false);
            let clock = || {
                if asked.replace(true) {
                    self.now.set(self.now.get() + self.hash);
                }
                Ok::<_, Infallible>(Duration::from_millis(self.now.get()))
            };
            let Ok(verdict) = self.verifier.verify(&credential(text), clock);
            verdict
        }

        fn wait(&self, milliseconds: u64) {
            self.now.set(self.now.get() + milliseconds);
        }
    }

    fn bench(per_second: usize, share: &str) -> Bench {
        Bench { verifier: verifier(per_second, share, 8), now: Cell::new(1_000_000), hash: 90 }
    }

    #[test]
    fn a_password_is_hashed_once_and_then_known() {
        let mut bench = bench(100, "100%");
        for user in ["alice:good", "bob:good"] {
            assert_eq!(bench.verify(user), Verdict::Good(Source::Hash));
            assert_eq!(bench.verify(user), Verdict::Good(Source::Cache));
        }
        for user in ["alice:bad", "bob:", "nobody:good", "broken:good", "Alice:good"] {
            assert_eq!(bench.verify(user), Verdict::Wrong(Source::Hash), "{user}");
            assert_eq!(bench.verify(user), Verdict::Wrong(Source::Cache), "{user}");
        }
        bench.wait(60_000);
        assert_eq!(bench.verify("alice:bad"), Verdict::Wrong(Source::Hash));
        bench.wait(300_000);
        assert_eq!(bench.verify("alice:good"), Verdict::Good(Source::Hash));
    }

    #[test]
    fn who_is_known_passes_while_others_are_throttled() {
        let mut bench = bench(2, "50%");
        assert_eq!(bench.verify("alice:good"), Verdict::Good(Source::Hash));
        let mut hashes = 0;
        for attempt in 0..200 {
            if let Verdict::Wrong(Source::Hash) = bench.verify(&format!("alice:{attempt}")) {
                hashes += 1;
            }
            assert_eq!(bench.verify("alice:good"), Verdict::Good(Source::Cache));
            bench.wait(5);
        }
        let seconds = (bench.now.get() - 1_000_000) / 1_000;
        assert!((2..=2 * (seconds + 1)).contains(&hashes), "{hashes} in {seconds} s");
    }

    #[test]
    fn there_are_never_two_hashes_in_a_row() {
        let mut bench = bench(100, "10%");
        assert_eq!(bench.verify("alice:1"), Verdict::Wrong(Source::Hash));
        assert_eq!(bench.verify("alice:2"), Verdict::Throttled(Duration::from_millis(810)));
        assert_eq!(bench.verify("bob:good"), Verdict::Throttled(Duration::from_millis(810)));
        bench.wait(810);
        assert_eq!(bench.verify("bob:good"), Verdict::Good(Source::Hash));
    }

    #[test]
    fn a_flood_of_wrong_passwords_pushes_no_good_one_out() {
        let mut bench = bench(1_000, "100%");
        bench.hash = 0;
        assert_eq!(bench.verify("alice:good"), Verdict::Good(Source::Hash));
        for attempt in 0..50 {
            assert_eq!(bench.verify(&format!("alice:{attempt}")), Verdict::Wrong(Source::Hash));
        }
        assert_eq!(bench.verify("alice:good"), Verdict::Good(Source::Cache));
        assert_eq!(bench.verifier.wrong.len(), 8);
    }

    #[test]
    fn without_a_cache_every_password_is_hashed() {
        let mut verifier = verifier(1_000, "100%", 0);
        for _ in 0..3 {
            let verdict = verifier.verify(&credential("alice:good"), || Ok::<_, Infallible>(Duration::from_secs(1)));
            assert_eq!(verdict, Ok(Verdict::Good(Source::Hash)));
        }
    }

    #[test]
    fn without_a_clock_there_is_no_verdict() {
        let mut verifier = verifier(5, "10%", 8);
        assert_eq!(verifier.verify(&credential("alice:good"), || Err(())), Err(()));
    }

    #[test]
    fn the_dearest_hash_is_computed_once_whoever_is_asked_for() {
        let verifier = verifier(5, "10%", 8);
        let costs = |user: &str| verifier.hashes(user.as_bytes()).map(|hash| hash.map(Hash::cost));
        let [Some(dearest), None] = costs("bob") else { panic!("bob has the dearest hash") };
        assert_eq!(costs("alice"), [Some(1), Some(dearest)]);
        assert_eq!(costs("broken"), [Some(0), Some(dearest)]);
        assert_eq!(costs("nobody"), [None, Some(dearest)]);
    }

    #[test]
    fn a_credential_is_remembered_under_another_name_by_every_process() {
        let (one, mut other) = (verifier(5, "10%", 8), verifier(5, "10%", 8));
        other.secret = [3; 32];
        assert_ne!(one.key(&credential("alice:good")), other.key(&credential("alice:good")));
        assert_ne!(one.key(&credential("alice:good")), one.key(&credential("alice:goo")));
    }
}
