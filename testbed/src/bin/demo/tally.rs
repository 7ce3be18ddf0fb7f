//! What was sampled, by tier, and whether it is what the config says.

use std::fmt;
use std::ops::RangeInclusive;

use anyhow::{Result, ensure};
use palisade_testbed::Received;

/// A tier of the founding example: its part of the traffic, and the share that the config samples.
pub(crate) struct Tier {
    pub(crate) name: &'static str,
    /// Its requests among each hundred.
    pub(crate) places: RangeInclusive<usize>,
    target: f64,
}

/// VIP 1 %, pro 9 %, free 90 % of the traffic.
pub(crate) const TIERS: [Tier; 3] = [
    Tier { name: "vip", places: 0..=0, target: 1.0 },
    Tier { name: "pro", places: 1..=9, target: 0.1 },
    Tier { name: "free", places: 10..=99, target: 0.01 },
];

/// The share that a mesh without rules would sample of everything, to compare with.
const EVERYTHING: f64 = 0.3;

/// The requests of each tier in the order of [`TIERS`].
pub(crate) struct Tally([Count; 3]);

#[derive(Clone, Copy, Default)]
struct Count {
    requests: u32,
    sampled: u32,
}

// === impl Tally ===

impl Tally {
    /// Counts what reached the upstream: the decision is the sampled flag of `traceparent` (W3C Trace Context, section 3.2.2.5).
    pub(crate) fn of(received: &[Received]) -> Self {
        let mut counts = [Count::default(); 3];
        for request in received {
            let tier = request.headers.text("x-user-tier").unwrap_or_default();
            for (count, _) in counts.iter_mut().zip(&TIERS).filter(|(_, own)| own.name == tier) {
                count.requests += 1;
                count.sampled += u32::from(is_sampled(request));
            }
        }
        Self(counts)
    }

    /// Whether all `sent` requests arrived and each tier's share is within its bound.
    pub(crate) fn verdict(&self, sent: usize) -> Result<()> {
        let arrived = self.total().requests;
        ensure!(arrived as usize == sent, "{sent} requests were sent, and {arrived} with a tier reached the upstream");
        for (count, tier) in self.0.iter().zip(&TIERS) {
            ensure!(count.is_within_bound(tier), "the share of tier {} is outside its bound, see the table", tier.name);
        }
        Ok(())
    }

    fn total(&self) -> Count {
        self.0.iter().fold(Count::default(), |total, count| Count {
            requests: total.requests + count.requests,
            sampled: total.sampled + count.sampled,
        })
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "tier   requests   sampled     share    target     bound   verdict")?;
        for (count, tier) in self.0.iter().zip(&TIERS) {
            writeln!(
                out,
                "{:<6}{:>9}{:>10}{:>10}{:>10}{:>10}   {}",
                tier.name,
                count.requests,
                count.sampled,
                percent(count.share()),
                percent(tier.target),
                format!("±{}", percent(count.bound(tier))),
                if count.is_within_bound(tier) { "within" } else { "OUTSIDE" },
            )?;
        }
        let total = self.total();
        writeln!(out, "{:<6}{:>9}{:>10}{:>10}\n", "all", total.requests, total.sampled, percent(total.share()))?;
        writeln!(
            out,
            "Sampling everything at {} would record {:.0} traces, {:.1} times as many, and lose {} of the VIP's.",
            percent(EVERYTHING),
            f64::from(total.requests) * EVERYTHING,
            EVERYTHING / total.share(),
            percent(1.0 - EVERYTHING),
        )
    }
}

// === impl Count ===

impl Count {
    fn share(self) -> f64 {
        f64::from(self.sampled) / f64::from(self.requests.max(1))
    }

    /// Four standard deviations of the share of a fair sampler, which 1 run in 16,000 leaves; 0 for a target of 100 %.
    fn bound(self, tier: &Tier) -> f64 {
        4.0 * (tier.target * (1.0 - tier.target) / f64::from(self.requests.max(1))).sqrt()
    }

    fn is_within_bound(self, tier: &Tier) -> bool {
        (self.share() - tier.target).abs() <= self.bound(tier)
    }
}

fn is_sampled(request: &Received) -> bool {
    let traceparent = request.headers.text("traceparent").unwrap_or_default();
    let flags = traceparent.rsplit('-').next().and_then(|flags| u8::from_str_radix(flags, 16).ok());
    flags.is_some_and(|flags| flags & 1 == 1)
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(sampled: [u32; 3]) -> Tally {
        let requests = [200, 1800, 18_000];
        Tally([0, 1, 2].map(|place| Count { requests: requests[place], sampled: sampled[place] }))
    }

    #[test]
    fn the_expected_shares_pass() {
        assert!(tally([200, 180, 180]).verdict(20_000).is_ok());
    }

    #[test]
    fn one_lost_vip_trace_fails() {
        assert!(tally([199, 180, 180]).verdict(20_000).is_err());
    }

    #[test]
    fn a_share_outside_its_bound_fails_on_both_sides() {
        assert!(tally([200, 128, 180]).verdict(20_000).is_err());
        assert!(tally([200, 180, 234]).verdict(20_000).is_err());
        assert!(tally([200, 130, 233]).verdict(20_000).is_ok());
    }

    #[test]
    fn a_lost_request_fails() {
        assert!(tally([200, 180, 180]).verdict(20_001).is_err());
    }

    #[test]
    fn the_tiers_share_out_all_places() {
        let places: Vec<_> = TIERS.iter().flat_map(|tier| tier.places.clone()).collect();
        assert_eq!(places, (0..100).collect::<Vec<_>>());
    }
}
