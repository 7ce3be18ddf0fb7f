//! A process, as the kernel accounts for it: the CPU time of its threads, and its memory.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

/// Threads of a process.
#[derive(Debug)]
pub(crate) struct Threads(Vec<PathBuf>);

impl Threads {
    /// Those that serve requests in an Envoy.
    pub(crate) fn workers(process: u32) -> Result<Self> {
        let workers = Self::named(process, "wrk:worker_")?;
        ensure!(!workers.0.is_empty(), "Envoy has no thread of the name wrk:worker_0");
        Ok(workers)
    }

    /// All that it has now.
    pub(crate) fn all(process: u32) -> Result<Self> {
        Self::named(process, "")
    }

    fn named(process: u32, name: &str) -> Result<Self> {
        let tasks = PathBuf::from(format!("/proc/{process}/task"));
        let mut threads = Vec::new();
        for task in fs::read_dir(&tasks).with_context(|| format!("reading {}", tasks.display()))? {
            let task = task?.path();
            if fs::read_to_string(task.join("comm"))?.starts_with(name) {
                threads.push(task.join("schedstat"));
            }
        }
        Ok(Self(threads))
    }

    /// For how many nanoseconds they have run.
    pub(crate) fn cpu_time(&self) -> Result<u64> {
        let of = |file: &PathBuf| {
            let text = fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
            running_time(&text).with_context(|| format!("{} has no time: {text:?}", file.display()))
        };
        self.0.iter().map(of).sum()
    }
}

/// The memory that a process has in KiB, without what is not in RAM.
pub(crate) fn resident_kib(process: u32) -> Result<u64> {
    let path = format!("/proc/{process}/status");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    resident(&text).with_context(|| format!("{path} has no VmRSS"))
}

/// The first of three numbers: time on the CPU, time that it waited for it, time slices.
fn running_time(schedstat: &str) -> Option<u64> {
    schedstat.split_whitespace().next()?.parse().ok()
}

fn resident(status: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_on_the_cpu_is_the_first_number_of_schedstat() {
        assert_eq!(running_time("123456789 42 7\n"), Some(123_456_789));
        assert_eq!(running_time(""), None);
    }

    #[test]
    fn the_memory_of_a_process_stands_in_its_status() {
        assert_eq!(resident("VmHWM:\t  9000 kB\nVmRSS:\t  8132 kB\nThreads:\t3\n"), Some(8132));
    }
}
