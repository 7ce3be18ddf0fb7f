//! Times: requests with the moments between which each was decided, and what a limit may have made of them.
//!
//! Nothing here trusts in a quick machine. A request was decided after it was sent and before it was answered: what is
//! asserted holds for every moment between the two.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use palisade_testbed::{Request, http1};

/// A request, when it was sent and answered, and whether it was admitted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) sent: Duration,
    pub(crate) answered: Duration,
    pub(crate) status: u16,
}

/// A limit: so many a second, and at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    pub(crate) per_second: f64,
    pub(crate) burst: f64,
}

pub(crate) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

/// Sends the request over so many connections, again and again until it is time to end.
pub(crate) fn load(
    addr: SocketAddr,
    connections: usize,
    request: &Request,
    end: &(dyn Fn() -> bool + Sync),
) -> Vec<Seen> {
    let work = || {
        let mut connection = http1::Connection::open(addr).unwrap();
        let mut seen = Vec::new();
        while !end() {
            seen.push(see(&mut connection, request));
        }
        seen
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..connections).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    })
}

/// Sends the request at most so often a second, over so many connections, for so long. Where the machine stands still,
/// what was missed is not made up for, but for `slack` requests.
pub(crate) fn paced(
    addr: SocketAddr,
    connections: usize,
    request: &Request,
    per_second: f64,
    slack: f64,
    time: Duration,
) -> Vec<Seen> {
    let interval = Duration::from_secs_f64(1.0 / per_second);
    let behind = interval.mul_f64(slack);
    let end = now() + time;
    let next = Mutex::new(now());
    let turn = || {
        let mut next = next.lock().unwrap();
        *next = (*next).max(now().saturating_sub(behind));
        let turn = *next;
        *next += interval;
        turn
    };
    let done = || {
        let turn = turn();
        thread::sleep(turn.saturating_sub(now()));
        turn >= end
    };
    load(addr, connections, request, &done)
}

pub(crate) fn see(connection: &mut http1::Connection, request: &Request) -> Seen {
    let sent = now();
    let status = connection.exchange(request).unwrap().status;
    Seen { sent, answered: now(), status }
}

// === impl Seen ===

impl Seen {
    pub(crate) fn is_admitted(&self) -> bool {
        match self.status {
            200 => true,
            429 => false,
            other => panic!("status {other}"),
        }
    }
}

// === impl Rate ===

impl Rate {
    /// In no stretch of time were more admitted than the burst and the rate allow, and `more`.
    pub(crate) fn assert_not_exceeded(self, seen: &[Seen], more: f64) {
        let mut sent = Vec::new();
        let mut answered = Vec::new();
        for seen in seen.iter().filter(|seen| seen.is_admitted()) {
            sent.push(seen.sent);
            answered.push((seen.answered, seen.sent));
        }
        sent.sort_unstable();
        answered.sort_unstable();
        // All that was sent after one moment and answered before another was decided between the two. Of the stretches
        // that begin with a request, a sample; all ends of each.
        let starts = sent.iter().step_by((sent.len() / 200).max(1));
        for start in starts {
            let within = answered.iter().filter(|(_, sent)| sent >= start);
            for (count, (end, _)) in (1_u32..).zip(within) {
                let most = self.burst + self.per_second * (*end - *start).as_secs_f64() + more;
                assert!(f64::from(count) <= most + 1e-6, "{count} in {:?}, more than {most}", *end - *start);
            }
        }
    }

    /// Each refusal was one that the limit demands: before it, from some moment on, so many were admitted that one more would
    /// have been too many.
    pub(crate) fn assert_no_needless_refusal(self, seen: &[Seen]) {
        let mut admitted: Vec<_> = seen.iter().filter(|seen| seen.is_admitted()).collect();
        let mut answers: Vec<_> = admitted.iter().map(|seen| seen.answered).collect();
        let mut sendings: Vec<_> = admitted.iter().map(|seen| seen.sent).collect();
        answers.sort_unstable();
        sendings.sort_unstable();
        admitted.sort_unstable_by_key(|seen| seen.answered);
        let refused: Vec<_> = seen.iter().filter(|seen| !seen.is_admitted()).collect();
        // Of many refusals a sample.
        for refusal in refused.iter().step_by((refused.len() / 1000).max(1)) {
            let needed = |first: &&&Seen| {
                // What may have been decided from the first one's decision on, and before the refusal.
                let before = sendings.partition_point(|sent| *sent <= refusal.answered);
                let too_early = answers.partition_point(|answered| *answered < first.sent);
                let count = before.saturating_sub(too_early) as f64;
                let time = refusal.sent.as_secs_f64() - first.answered.as_secs_f64();
                count > self.per_second * time + self.burst - 1.0 - 1e-6
            };
            assert!(admitted.iter().any(|first| needed(&first)), "{refusal:?} had no reason");
        }
    }
}

#[test]
fn the_checks_of_this_file_see_one_request_too_many_and_one_too_few() {
    let rate = Rate { per_second: 10.0, burst: 5.0 };
    let seen = |milliseconds: u64, status| {
        let at = Duration::from_secs(1_000_000) + Duration::from_millis(milliseconds);
        Seen { sent: at, answered: at + Duration::from_micros(100), status }
    };
    let mut right: Vec<_> = (0..5).map(|_| seen(0, 200)).collect();
    right.push(seen(1, 429));
    right.extend((1..=20).map(|number| seen(number * 100 + 1, 200)));
    right.push(seen(2050, 429));
    rate.assert_not_exceeded(&right, 0.0);
    rate.assert_no_needless_refusal(&right);
    let fails = |check: &(dyn Fn() + std::panic::RefUnwindSafe)| std::panic::catch_unwind(check).is_err();
    let too_many = [right.clone(), vec![seen(2002, 200)]].concat();
    assert!(fails(&|| rate.assert_not_exceeded(&too_many, 0.0)));
    rate.assert_not_exceeded(&too_many, 1.0);
    let too_few = [right, vec![seen(2250, 429)]].concat();
    assert!(fails(&|| rate.assert_no_needless_refusal(&too_few)));
}
