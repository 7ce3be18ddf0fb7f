//! A profile: what callgrind writes about one thread (the [format] is documented with valgrind).
//!
//! [format]: https://valgrind.org/docs/manual/cl-format.html

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};

/// The instructions of one thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Profile {
    /// All of them.
    pub(crate) instructions: u64,
    /// Those in code that V8 has compiled: of modules, and between them and the host.
    pub(crate) compiled: u64,
}

/// What callgrind calls code that is in no file that it knows: what V8 compiles, and the section of Envoy's binary in which
/// its allocator is.
const NO_FILE: &str = "???";
/// Where V8 puts what it compiles is above; valgrind loads binaries below.
const COMPILED: u64 = 1 << 32;

impl Profile {
    /// Reads the text of a profile, whose events are instructions (`Ir`) alone.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let events = text.lines().find_map(|line| line.strip_prefix("events: ")).context("it names no events")?;
        ensure!(events.trim() == "Ir", "its events are {events:?}, not `Ir` alone");
        let (mut objects, mut functions) = (Names::default(), Names::default());
        let (mut object, mut function) = (NO_FILE, "");
        let mut profile = Self::default();
        let mut is_call = false;
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("ob=") {
                object = objects.resolve(name)?;
            } else if let Some(name) = line.strip_prefix("cob=") {
                objects.resolve(name)?;
            } else if let Some(name) = line.strip_prefix("fn=") {
                function = functions.resolve(name)?;
            } else if let Some(name) = line.strip_prefix("cfn=") {
                functions.resolve(name)?;
            } else if line.starts_with("calls=") {
                // The next line is what the callee cost, which stands there by itself.
                is_call = true;
            } else if line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first)) {
                let cost = line.split(' ').nth(1).map_or(Ok(0), str::parse);
                let cost: u64 = cost.with_context(|| format!("no cost: {line:?}"))?;
                if !std::mem::take(&mut is_call) {
                    profile.instructions += cost;
                    profile.compiled += if object == NO_FILE && is_compiled(function) { cost } else { 0 };
                }
            }
        }
        Ok(profile)
    }
}

/// A function without a name goes by its address: `0x000038a75e4321a8`.
fn is_compiled(function: &str) -> bool {
    let address = function.strip_prefix("0x").map(|digits| u64::from_str_radix(digits.get(..16).unwrap_or(digits), 16));
    matches!(address, Some(Ok(address)) if address > COMPILED)
}

/// The names of objects or functions by their numbers: a name stands there only the first time, `(3) /lib/libc.so`, and then
/// as `(3)`.
#[derive(Default)]
struct Names<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Names<'a> {
    fn resolve(&mut self, name: &'a str) -> Result<&'a str> {
        let Some((number, rest)) = name.split_once(')') else { return Ok(name) };
        if !rest.is_empty() {
            self.0.insert(number, rest.trim_start());
        }
        self.0.get(number).copied().with_context(|| format!("nothing has the name {name:?} yet"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILE: &str = "\
version: 1
creator: callgrind-3.19.0
pid: 7
part: 1
thread: 3
positions: line
events: Ir
summary: 150

ob=(1) /usr/bin/envoy
fl=(1) ???
fn=(1) main
0 100
cob=(2) ???
cfi=(2) ???
cfn=(2) 0x000038a75e4321a8
calls=2 0
0 36

ob=(2)
fn=(2)
0 20
+3 10
cob=(1)
cfn=(3) host
calls=1 0
* 6

ob=(1)
fn=(3)
0 6

ob=(2)
fn=(4) 0x000000000628d840
0 14

totals: 150
";

    #[test]
    fn what_a_callee_costs_counts_once_and_where_it_is_spent() {
        assert_eq!(Profile::parse(PROFILE).unwrap(), Profile { instructions: 150, compiled: 30 });
    }

    #[test]
    fn other_events_are_refused() {
        let error = Profile::parse(&PROFILE.replace("events: Ir", "events: Ir Dr")).unwrap_err();
        assert!(error.to_string().contains("Ir Dr"), "{error}");
    }

    #[test]
    fn a_thread_that_did_nothing_has_a_profile() {
        assert_eq!(Profile::parse("version: 1\nevents: Ir\ntotals: 0\n").unwrap(), Profile::default());
    }
}
