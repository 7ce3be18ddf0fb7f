//! What comes back and is charged when a request is over.

use super::*;

/// Shards whose host refuses the next so many reads.
struct Refusing<'m>(&'m Memory, Cell<u32>);

impl Shards for Refusing<'_> {
    type Version = u32;
    type Error = &'static str;

    fn now(&self) -> Result<u64, Self::Error> {
        Ok(self.0.now().unwrap())
    }

    fn read(&self, shard: u32) -> Result<(Vec<u8>, u32), Self::Error> {
        match self.1.get().checked_sub(1) {
            Some(rest) => {
                self.1.set(rest);
                Err("refused")
            }
            None => Ok(self.0.read(shard).unwrap()),
        }
    }

    fn replace(&self, shard: u32, version: u32, value: &[u8]) -> Result<bool, Self::Error> {
        Ok(self.0.replace(shard, version, value).unwrap())
    }
}

#[test]
fn what_the_host_refuses_keeps_nothing_else_from_being_given_back_and_charged() {
    let process = Process::new(
        r#"{"name": "a", "concurrency": 1, "max_duration": "30s"}, {"name": "b", "concurrency": 1, "max_duration": "30s"},
           {"name": "c", "rate": "5/1h", "cost": {"response_bytes": "1KiB"}},
           {"name": "d", "rate": "5/1h", "cost": {"response_bytes": "1KiB"}}"#,
    );
    let ruling = process.rule(0, &get("/"));
    let held = ruling.reports.iter().map(|report| report.held);
    let owed = ruling.due.iter().map(|due| (*due, 5));
    let errors = Cell::new(0);
    let shards = Refusing(&process.memory, Cell::new(1));
    process.workers[0].settle(&shards, START, held, owed, |_| errors.set(errors.get() + 1));
    assert_eq!(errors.get(), 1);
    let next = process.rule(0, &get("/"));
    let admitted: Vec<_> = next.reports.iter().map(|report| report.decision.admitted).collect();
    assert_eq!(admitted, [false, true, false, false], "the first place alone is still held");
}

#[test]
fn what_a_later_refusal_leaves_unused_comes_back() {
    let process =
        Process::new(r#"{"name": "a", "rate": "1/1h"}, {"name": "b", "concurrency": 1, "max_duration": "1m"}"#);
    let ruling = process.rule(0, &get("/"));
    assert!(!process.admits(&get("/")));
    for report in &ruling.reports {
        process.workers[0].give_back(&process.memory, process.memory.now.get(), report.held).unwrap();
    }
    assert!(process.admits(&get("/")) && !process.admits(&get("/")));
}
