//! The tokens that were verified lately, good and bad.

use std::rc::Rc;
use std::time::Duration;

use palisade_sdk::random::Seed;

use crate::jose::Error;
use crate::lru::Lru;
use crate::method::Identity;
use crate::tag::{Tag, Tagger};

/// How long a token is known to be bad.
const BAD_TTL: Duration = Duration::from_secs(5);

/// How many bad tokens are known. They have a place of their own, so that nobody can drive out the good ones.
const MOST_BAD: usize = 256;

/// Whose a good token is, and until when.
#[derive(Clone)]
pub struct Good {
    /// The caller.
    pub identity: Rc<Identity>,
    /// When the token ceases to hold, as the time since the Unix epoch; `None` for never.
    pub until: Option<Duration>,
}

/// What one provider has said of tokens, by their tags.
///
/// A good token is known until it ceases to hold, and no longer than a time to live. Of the bad ones those are known whose
/// signature had to be checked, be it good or not, and which stay bad under the same keys; the rest is seen quickly, or may
/// count a moment later.
pub struct Cache {
    good: Lru<Rc<Identity>>,
    bad: Lru<Error>,
    ttl: Duration,
    tagger: Tagger,
    /// Which keys have verified what is known.
    generation: u64,
}

impl Cache {
    /// An empty cache of so many good tokens; one of none forgets everything at once.
    #[must_use]
    pub fn new(size: usize, ttl: Duration, seed: Seed, tagger: Tagger) -> Self {
        let bad = Lru::new(size.min(MOST_BAD), seed.clone());
        Self { good: Lru::new(size, seed), bad, ttl, tagger, generation: 0 }
    }

    /// The name of a token here.
    #[must_use]
    pub fn key(&self, token: &[u8]) -> Tag {
        self.tagger.tag(token)
    }

    /// What is known of a token under these keys.
    pub fn get(&mut self, key: &Tag, generation: u64, now: Duration) -> Option<Result<Rc<Identity>, Error>> {
        self.renew(generation);
        let good = self.good.get(key, now).cloned().map(Ok);
        good.or_else(|| self.bad.get(key, now).copied().map(Err))
    }

    /// Remembers what came of a token under these keys.
    pub fn insert(&mut self, key: Tag, generation: u64, now: Duration, verified: &Result<Good, Error>) {
        self.renew(generation);
        match verified {
            Ok(Good { identity, until }) => {
                let end = now.saturating_add(self.ttl);
                let end = until.map_or(end, |until| until.min(end));
                self.good.insert(key, identity.clone(), end);
            }
            Err(
                Error::UnknownKey
                | Error::KeyMismatch
                | Error::SignatureUnavailable
                | Error::NotYetValid
                | Error::IssuedInFuture,
            ) => {}
            Err(error) => self.bad.insert(key, *error, now.saturating_add(BAD_TTL)),
        }
    }

    /// Forgets what other keys have verified.
    fn renew(&mut self, generation: u64) {
        if self.generation != generation {
            self.generation = generation;
            self.good.clear();
            self.bad.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(100);

    fn cache(size: usize) -> Cache {
        Cache::new(size, Duration::from_secs(60), Seed::from_bytes([7; 16]), Tagger::with_key([8; 16]))
    }

    fn good(until: Option<u64>) -> Result<Good, Error> {
        Ok(Good { identity: Identity::named("jwt", "alice".into()), until: until.map(Duration::from_secs) })
    }

    fn is_known(cache: &mut Cache, token: &[u8], at: u64) -> bool {
        let key = cache.key(token);
        cache.get(&key, 0, Duration::from_secs(at)).is_some()
    }

    #[test]
    fn a_good_token_is_known_until_it_ceases_to_hold_or_the_time_to_live_is_over() {
        let mut cache = cache(8);
        for (token, until) in [(b"a", Some(130)), (b"b", Some(1_000)), (b"c", None)] {
            let key = cache.key(token);
            cache.insert(key, 0, NOW, &good(until));
        }
        assert!(is_known(&mut cache, b"a", 129) && !is_known(&mut cache, b"a", 130));
        assert!(is_known(&mut cache, b"b", 159) && !is_known(&mut cache, b"b", 160));
        assert!(is_known(&mut cache, b"c", 159) && !is_known(&mut cache, b"c", 160));
    }

    #[test]
    fn what_stays_bad_after_its_signature_was_checked_is_known_for_five_seconds() {
        for error in [
            Error::BadSignature,
            Error::MalformedClaims,
            Error::MissingClaim,
            Error::Expired,
            Error::TooOld,
            Error::WrongIssuer,
            Error::WrongAudience,
        ] {
            let mut cache = cache(8);
            cache.insert(cache.key(b"a"), 0, NOW, &Err(error));
            assert_eq!(cache.get(&cache.key(b"a"), 0, NOW).map(|known| known.err()), Some(Some(error)));
            assert!(is_known(&mut cache, b"a", 104) && !is_known(&mut cache, b"a", 105), "{error:?}");
        }
    }

    #[test]
    fn what_may_change_by_itself_or_cost_nothing_is_not_remembered() {
        let mut cache = cache(8);
        for error in [
            Error::UnknownKey,
            Error::KeyMismatch,
            Error::SignatureUnavailable,
            Error::NotYetValid,
            Error::IssuedInFuture,
        ] {
            cache.insert(cache.key(b"a"), 0, NOW, &Err(error));
            assert!(!is_known(&mut cache, b"a", 100), "{error:?}");
        }
    }

    #[test]
    fn other_keys_forget_everything() {
        let mut cache = cache(8);
        cache.insert(cache.key(b"a"), 0, NOW, &good(None));
        cache.insert(cache.key(b"b"), 0, NOW, &Err(Error::BadSignature));
        assert!(cache.get(&cache.key(b"a"), 1, NOW).is_none());
        assert!(cache.get(&cache.key(b"b"), 1, NOW).is_none());
        assert!(cache.get(&cache.key(b"a"), 0, NOW).is_none());
    }

    #[test]
    fn bad_tokens_drive_out_no_good_one() {
        let mut cache = cache(8);
        cache.insert(cache.key(b"a"), 0, NOW, &good(None));
        for number in 0..10_000_u32 {
            cache.insert(cache.key(&number.to_le_bytes()), 0, NOW, &Err(Error::BadSignature));
        }
        assert!(is_known(&mut cache, b"a", 100));
        assert_eq!(cache.bad.len(), 8);
    }
}
