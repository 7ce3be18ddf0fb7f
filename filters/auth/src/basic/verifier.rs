//! Verifier: says whether a password is a user's, and hashes no more of them than the worker has time for.

use std::rc::Rc;
use std::time::Duration;

use palisade_sdk::random::Seed;

use super::NAME;
use super::budget::Budget;
use super::credential::Credential;
use super::hash::Hash;
use super::htpasswd::Htpasswd;
use crate::lru::Lru;
use crate::method::Identity;
use crate::table::Table;
use crate::tag::{Tag, Tagger};

/// How long a wrong credential is known to be wrong: whoever repeats one costs no hash.
const WRONG_FOR: Duration = Duration::from_secs(60);

/// The users, and what is known of credentials that were sent.
pub(crate) struct Verifier {
    /// By the tags of their names.
    users: Table<User>,
    /// The user whose hash is the dearest. It is computed whoever is asked for.
    dearest: Tag,
    tagger: Tagger,
    /// Says who stands in for a user that there is not. Its key is the file's: in all workers it is always the same user,
    /// just as a user has one hash in all of them.
    stand_ins: Tagger,
    good_for: Duration,
    good: Lru<Rc<Identity>>,
    wrong: Lru<()>,
    budget: Budget,
}

/// A user: who that is, and the hash of the password.
struct User {
    identity: Rc<Identity>,
    hash: Hash,
}

/// What a verifier draws from a random source.
pub(crate) struct Randomness {
    /// The tags under which credentials are remembered.
    pub(crate) tagger: Tagger,
    /// The seed of the maps.
    pub(crate) seed: Seed,
}

/// What came of one credential.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// The password is this user's.
    Good(Source, Rc<Identity>),
    /// It is not, or there is no such user.
    Wrong(Source),
    /// It is not known yet, and there is no time to hash it before so long.
    Throttled(Duration),
    /// It is not known yet, and there is no memory to hash it.
    Unavailable,
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
    /// A verifier for the users of a file, which remembers `entries` good credentials for `good_for`, and as many wrong ones.
    pub(crate) fn new(
        file: Htpasswd,
        (good_for, entries): (Duration, usize),
        budget: Budget,
        Randomness { tagger, seed }: Randomness,
    ) -> Self {
        let mut dearest = (0, Tag::default());
        let users = file.users.into_iter().map(|(name, hash)| {
            let tag = tagger.tag(name.as_bytes());
            if hash.cost() > dearest.0 {
                dearest = (hash.cost(), tag);
            }
            (tag, User { identity: Identity::named(NAME, name), hash })
        });
        let users = Table::new(users, seed.clone());
        let (good, wrong) = (Lru::new(entries, seed.clone()), Lru::new(entries, seed));
        let stand_ins = Tagger::with_key(file.key);
        Self { users, dearest: dearest.1, tagger, stand_ins, good_for, good, wrong, budget }
    }

    /// Says whether a credential is good, and whose it is; `None` where it is malformed. `token` is the credential in
    /// Base64: of its one spelling it is known whether it was good, without a look into it. `now` reads a clock.
    ///
    /// # Errors
    ///
    /// The clock has failed.
    pub(crate) fn verify<E>(
        &mut self,
        token: &[u8],
        now: impl Fn() -> Result<Duration, E>,
    ) -> Result<Option<Verdict>, E> {
        let began = now()?;
        let key = self.tagger.tag(token);
        if let Some(identity) = self.good.get(&key, began) {
            return Ok(Some(Verdict::Good(Source::Cache, identity.clone())));
        }
        if self.wrong.get(&key, began).is_some() {
            return Ok(Some(Verdict::Wrong(Source::Cache)));
        }
        let Some(credential) = Credential::parse(token) else { return Ok(None) };
        if let Err(wait) = self.budget.take(began) {
            return Ok(Some(Verdict::Throttled(wait)));
        }
        let hashed = self.hash(&credential);
        let ended = now()?;
        self.budget.spent(ended);
        Ok(Some(match hashed {
            Some(Some(identity)) => {
                self.good.insert(key, identity.clone(), ended.saturating_add(self.good_for));
                Verdict::Good(Source::Hash, identity)
            }
            Some(None) => {
                self.wrong.insert(key, (), ended.saturating_add(WRONG_FOR));
                Verdict::Wrong(Source::Hash)
            }
            None => Verdict::Unavailable,
        }))
    }

    /// Hashes the password and says whose it is, if anybody's; `None` where there was no memory to say.
    fn hash(&self, credential: &Credential) -> Option<Option<Rc<Identity>>> {
        let known = self.users.get(&self.tagger.tag(credential.user()));
        let mut is_good = false;
        // What could not be computed for either says nothing: it would tell who exists.
        for user in self.hashes(known, credential.user()).into_iter().flatten() {
            let is_own = known.is_some_and(|known| std::ptr::eq(known, user));
            is_good |= user.hash.verify(credential.password())? & is_own;
        }
        Some(known.filter(|_| is_good).map(|known| known.identity.clone()))
    }

    /// What is computed: a known user's hash, for another name that of who stands in for it, and beside it, unless it costs
    /// the same, the dearest of all. So the time shows neither whether the user exists nor what kind of hash it has.
    fn hashes<'u>(&'u self, known: Option<&'u User>, name: &[u8]) -> [Option<&'u User>; 2] {
        let own = known.or_else(|| self.users.any(&self.stand_ins.tag(name)));
        let dearest = self.users.get(&self.dearest);
        let cost = |user: Option<&User>| user.map(|user| user.hash.cost());
        [own, dearest.filter(|_| cost(own) != cost(dearest))]
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "numbers of a test")]
mod tests {
    use std::cell::Cell;
    use std::convert::Infallible;

    use palisade_sdk::config;

    use super::super::hash::HashLimits;
    use super::super::label;
    use super::*;
    use crate::base64;

    const FILE: &str = "alice:{SHA}/BkxjdExKM4UNE0GZRCpgiacJBs=\n\
                        bob:$2y$04$abcdefghijklmnopqrstuuX.3eY3Cz749VjAe1eh2D.Wg.3tL5s5C\n\
                        broken:$apr1$\n";

    fn verifier(per_second: usize, share: &str, entries: usize) -> Verifier {
        let limits =
            HashLimits { bcrypt_cost: 12, sha_crypt_rounds: 100_000, argon2_memory: 1024, allow_insecure: true };
        let file = Htpasswd::parse(FILE, &limits, false).unwrap_or_else(|errors| panic!("{errors:?}"));
        let share = config::parse(format!("\"{share}\"").as_bytes()).unwrap();
        let randomness = Randomness { tagger: Tagger::with_key([1; 16]), seed: Seed::from_bytes([2; 16]) };
        Verifier::new(file, (Duration::from_secs(300), entries), Budget::new(per_second, share), randomness)
    }

    fn token(text: &str) -> Vec<u8> {
        base64::encode(text.as_bytes()).into_bytes()
    }

    /// A verifier, and a clock of which a hash takes so many milliseconds.
    struct Bench {
        verifier: Verifier,
        now: Cell<u64>,
        hash: u64,
    }

    impl Bench {
        fn verdict(&mut self, text: &str) -> Verdict {
            let asked = Cell::new(false);
            let clock = || {
                if asked.replace(true) {
                    self.now.set(self.now.get() + self.hash);
                }
                Ok::<_, Infallible>(Duration::from_millis(self.now.get()))
            };
            let Ok(verdict) = self.verifier.verify(&token(text), clock);
            let verdict = verdict.unwrap();
            if let Verdict::Good(_, identity) = &verdict {
                assert!(text.starts_with(&identity.subject));
            }
            verdict
        }

        fn verify(&mut self, text: &str) -> &'static str {
            label(&self.verdict(text))
        }

        /// How long there is no time for a credential.
        fn throttled(&mut self, text: &str) -> u128 {
            match self.verdict(text) {
                Verdict::Throttled(wait) => wait.as_millis(),
                verdict => panic!("{verdict:?}"),
            }
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
            assert_eq!(bench.verify(user), "good_hashed");
            assert_eq!(bench.verify(user), "good_cached");
        }
        for user in ["alice:bad", "bob:", "nobody:good", "broken:good", "Alice:good"] {
            assert_eq!(bench.verify(user), "wrong_hashed", "{user}");
            assert_eq!(bench.verify(user), "wrong_cached", "{user}");
        }
        bench.wait(60_000);
        assert_eq!(bench.verify("alice:bad"), "wrong_hashed");
        bench.wait(300_000);
        assert_eq!(bench.verify("alice:good"), "good_hashed");
    }

    #[test]
    fn who_is_known_passes_while_others_are_throttled() {
        let mut bench = bench(2, "50%");
        assert_eq!(bench.verify("alice:good"), "good_hashed");
        let mut hashes = 0;
        for attempt in 0..200 {
            if bench.verify(&format!("alice:{attempt}")) == "wrong_hashed" {
                hashes += 1;
            }
            assert_eq!(bench.verify("alice:good"), "good_cached");
            bench.wait(5);
        }
        let seconds = (bench.now.get() - 1_000_000) / 1_000;
        assert!((2..=2 * (seconds + 1)).contains(&hashes), "{hashes} in {seconds} s");
    }

    #[test]
    fn there_are_never_two_hashes_in_a_row() {
        let mut bench = bench(100, "10%");
        assert_eq!(bench.verify("alice:1"), "wrong_hashed");
        assert_eq!(bench.throttled("alice:2"), 810);
        assert_eq!(bench.throttled("bob:good"), 810);
        bench.wait(810);
        assert_eq!(bench.verify("bob:good"), "good_hashed");
    }

    #[test]
    fn a_flood_of_wrong_passwords_pushes_no_good_one_out() {
        let mut bench = bench(1_000, "100%");
        bench.hash = 0;
        assert_eq!(bench.verify("alice:good"), "good_hashed");
        for attempt in 0..50 {
            assert_eq!(bench.verify(&format!("alice:{attempt}")), "wrong_hashed");
        }
        assert_eq!(bench.verify("alice:good"), "good_cached");
        assert_eq!(bench.verifier.wrong.len(), 8);
    }

    #[test]
    fn without_a_cache_every_password_is_hashed() {
        let mut verifier = verifier(1_000, "100%", 0);
        for _ in 0..3 {
            let verdict = verifier.verify(&token("alice:good"), || Ok::<_, Infallible>(Duration::from_secs(1)));
            assert_eq!(verdict.map(|verdict| label(&verdict.unwrap())), Ok("good_hashed"));
        }
    }

    #[test]
    fn without_a_clock_there_is_no_verdict() {
        let mut verifier = verifier(5, "10%", 8);
        assert_eq!(verifier.verify(&token("alice:good"), || Err(())).err(), Some(()));
    }

    fn costs(verifier: &Verifier, user: &str) -> [Option<u64>; 2] {
        let known = verifier.users.get(&verifier.tagger.tag(user.as_bytes()));
        verifier.hashes(known, user.as_bytes()).map(|user| user.map(|user| user.hash.cost()))
    }

    #[test]
    fn the_dearest_hash_is_computed_once_whoever_is_asked_for() {
        let verifier = verifier(5, "10%", 8);
        let [Some(dearest), None] = costs(&verifier, "bob") else { panic!("bob has the dearest hash") };
        assert_eq!(costs(&verifier, "alice"), [Some(1), Some(dearest)]);
        assert_eq!(costs(&verifier, "broken"), [Some(0), Some(dearest)]);
    }

    /// Catches a name that costs less, or another time in each worker, because there is no such user.
    #[test]
    fn who_does_not_exist_costs_what_some_user_costs_and_always_the_same() {
        let (first, mut second) = (verifier(5, "10%", 8), verifier(5, "10%", 8));
        second.tagger = Tagger::with_key([3; 16]);
        let of_users = ["alice", "bob", "broken"].map(|user| costs(&first, user));
        let mut times = [0; 3];
        for number in 0..300 {
            let name = format!("nobody{number}");
            let cost = costs(&first, &name);
            times[of_users.iter().position(|of_user| *of_user == cost).unwrap()] += 1;
            assert_eq!(costs(&second, &name), cost, "{name}");
        }
        assert!(times.iter().all(|times| (50..150).contains(times)), "{times:?}");
    }

    #[test]
    fn the_password_of_who_stands_in_is_nobodys() {
        let mut verifier = verifier(1_000, "100%", 0);
        for number in 0..20 {
            let verdict = verifier
                .verify(&token(&format!("nobody{number}:good")), || Ok::<_, Infallible>(Duration::from_secs(1)));
            assert_eq!(verdict.map(|verdict| label(&verdict.unwrap())), Ok("wrong_hashed"));
        }
    }
}
