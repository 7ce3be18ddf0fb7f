//! Window: how many traces each tier took in one second, as the workers of a process share it.
//!
//! The bytes are the second and then, for each tier that took a trace in it, the tier and the count, all little-endian.
//! They say what happened and nothing of what is allowed. So an old and a new configuration, which live side by side
//! during an update, count the same traces, each to its own limits; and the first trace of a second forgets all
//! tiers of the one before, so that the value stays as small as the configurations in use.
//!
//! Whoever changes the layout takes another key: two modules with different layouts would reset each other's counts.

/// A tier's place in the window.
pub(super) type TierId = [u8; 8];

/// The place of the tier with this name: its 64-bit FNV-1a hash, since names vary in length and operators choose them.
pub(super) fn tier_id(name: &str) -> TierId {
    let hash = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    hash.to_le_bytes()
}

/// The counts of one second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window<'a> {
    /// The second, since the Unix epoch.
    pub(super) second: u64,
    counts: &'a [Count],
}

/// A tier and its count.
type Count = [u8; TIER + size_of::<u32>()];

const TIER: usize = size_of::<TierId>();

impl<'a> Window<'a> {
    /// Reads a value. What nobody has set, or somebody else, is the empty window of a second long past.
    pub(super) fn read(value: Option<&'a [u8]>) -> Self {
        match value.and_then(<[u8]>::split_first_chunk) {
            Some((second, counts)) => Self { second: u64::from_le_bytes(*second), counts: counts.as_chunks().0 },
            None => Self { second: 0, counts: &[] },
        }
    }

    /// How many traces a tier took in a second.
    pub(super) fn taken(self, second: u64, tier: TierId) -> u32 {
        let counts = self.counts_in(second).iter().filter_map(|count| count.split_first_chunk());
        let mut own = counts.filter(|(id, _)| **id == tier);
        own.next().and_then(|(_, taken)| taken.first_chunk()).map_or(0, |taken| u32::from_le_bytes(*taken))
    }

    /// The value in which a tier took so many in a second.
    pub(super) fn set(self, second: u64, tier: TierId, taken: u32) -> Vec<u8> {
        let mut value = second.to_le_bytes().to_vec();
        for other in self.counts_in(second).iter().filter(|count| !count.starts_with(&tier)) {
            value.extend_from_slice(other);
        }
        value.extend_from_slice(&tier);
        value.extend_from_slice(&taken.to_le_bytes());
        value
    }

    /// A window knows nothing of other seconds than its own.
    fn counts_in(self, second: u64) -> &'a [Count] {
        if second == self.second { self.counts } else { &[] }
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test may fail by overflow")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const VIP: TierId = *b"vip.....";
    const PRO: TierId = *b"pro.....";

    #[test]
    fn a_tiers_place_is_the_hash_of_its_name() {
        // From the test vectors of the hash's authors.
        assert_eq!(tier_id(""), 0xcbf2_9ce4_8422_2325_u64.to_le_bytes());
        assert_eq!(tier_id("foobar"), 0x8594_4171_f739_67e8_u64.to_le_bytes());
    }

    #[test]
    fn a_tier_is_counted_beside_the_others() {
        let first = Window::read(None).set(7, VIP, 1);
        let both = Window::read(Some(&first)).set(7, PRO, 5);
        let more = Window::read(Some(&both)).set(7, VIP, 2);
        let window = Window::read(Some(&more));
        assert_eq!((window.taken(7, VIP), window.taken(7, PRO), more.len()), (2, 5, 8 + 2 * 12));
    }

    #[test]
    fn another_second_begins_without_the_tiers_of_the_one_before() {
        let seventh = Window::read(None).set(7, VIP, 9);
        for second in [6, 8] {
            assert_eq!(Window::read(Some(&seventh)).taken(second, VIP), 0);
            let other = Window::read(Some(&seventh)).set(second, PRO, 1);
            assert_eq!(other, Window::read(None).set(second, PRO, 1));
        }
    }

    #[test]
    fn what_no_window_has_written_is_empty() {
        for value in [None, Some(&b""[..]), Some(b"1234567")] {
            assert_eq!(Window::read(value), Window { second: 0, counts: &[] });
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_and_never_kept_whole(value: Vec<u8>, second: u64, tier: TierId, taken: u32) {
            let set = Window::read(Some(&value)).set(second, tier, taken);
            prop_assert!(set.len() <= value.len() + TIER + size_of::<Count>());
            prop_assert_eq!(Window::read(Some(&set)).taken(second, tier), taken);
        }

        #[test]
        fn a_count_changes_no_other(
            before in proptest::collection::btree_map(any::<TierId>(), any::<u32>(), 0..5),
            tier: TierId,
            taken: u32,
        ) {
            let mut value = Window::read(None).set(1, VIP, 1);
            for (tier, taken) in &before {
                value = Window::read(Some(&value)).set(1, *tier, *taken);
            }
            value = Window::read(Some(&value)).set(1, tier, taken);
            let window = Window::read(Some(&value));
            for (other, taken) in before.iter().filter(|(other, _)| **other != tier) {
                prop_assert_eq!(window.taken(1, *other), *taken);
            }
            prop_assert_eq!(window.taken(1, tier), taken);
        }
    }
}
