//! A group of workloads, as a file of `bench/workloads/` describes it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use palisade_testbed::checkout;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::goal::Goal;
use crate::scale::Scale;

/// The name of the chain without filters that is a part of every workload.
pub const REFERENCE: &str = "reference";

/// V8 reserves so much address space for each module that valgrind has no room for more of them in one process.
const MAX_MODULES: usize = 4;

/// Workloads that belong together.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// The name of its file.
    #[serde(skip)]
    pub name: String,
    /// Header lines that all its requests have, in lists for names that come twice.
    #[serde(default)]
    pub headers: Vec<BTreeMap<String, String>>,
    /// Parts of chains to which several refer by anchors.
    #[serde(default, rename = "shared")]
    _shared: Value,
    /// What is measured.
    pub workloads: Vec<Workload>,
}

/// A kind of request, and the chains that it goes through.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// What it is about.
    pub name: String,
    /// The header lines of its requests, beside those of the group; `{n}` in a value is the number of the request.
    #[serde(default)]
    pub headers: Vec<BTreeMap<String, String>>,
    /// How many numbers there are: requests have them in turn.
    #[serde(default = "one")]
    pub distinct: usize,
    /// A token in `authorization`, another one for each number.
    pub token: Option<Token>,
    /// What a chain answers to a request without the workload's own headers: a proof that its filters are at work.
    pub without: Option<u16>,
    /// What the upstream answers, where it matters.
    pub answer: Option<Answer>,
    /// The chain with which the CPU time of the others is compared.
    pub native: Option<String>,
    /// The worker threads that Envoy has.
    #[serde(default = "one")]
    pub workers: usize,
    /// What is different from point to point, where one figure does not tell enough.
    pub scale: Option<Scale>,
    /// How it is measured.
    #[serde(default = "Method::of_requests")]
    pub methods: Vec<Method>,
    /// The chains, beside the reference.
    pub chains: Vec<Chain>,
}

/// A JSON Web Token of `tests/issuer`, whose key is named like its algorithm.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// By which algorithm it is signed.
    pub algorithm: String,
    /// Whether each request has a token that no request had before.
    #[serde(default)]
    pub fresh: bool,
}

/// A JSON array that the upstream answers, and what is left of it behind filters that change it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// One item.
    pub item: String,
    /// How often it stands there.
    pub count: usize,
    /// What each chain but the reference makes of it.
    pub becomes: String,
}

/// How a workload is measured.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// By the instructions that valgrind counts.
    Instructions,
    /// By the time for which the kernel runs the worker thread.
    CpuTime,
    /// By what Envoy takes until the first answer.
    Start,
    /// By the memory that Envoy has over a million requests.
    Memory,
}

/// A chain of filters.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chain {
    /// Its name in the report, unique in its workload.
    pub name: String,
    /// What it may cost.
    #[serde(default)]
    pub goal: Goal,
    /// Its filters, without the router.
    pub filters: Vec<Filter>,
}

/// Whose filters are in a chain.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Nobody's: the reference.
    None,
    /// Those of this project, or on its SDK.
    Palisade,
    /// A module on the proxy-wasm crate alone.
    ProxyWasmCrate,
    /// A script in Envoy.
    Lua,
    /// Envoy's own.
    Envoy,
}

/// A filter of a chain.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Filter {
    /// One of this project, loaded as `cargo palisade pin` has it.
    Module(Module),
    /// Any other, in Envoy's own words.
    Envoy(Value),
}

/// A module and its configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Module {
    /// The name of the module in the lock; those of several filters, with `+` between them, for one module of them.
    pub module: String,
    /// What it is told.
    pub configuration: Value,
}

// === impl Group ===

impl Group {
    /// The names of all groups, sorted.
    pub fn names() -> Result<Vec<String>> {
        let folder = checkout::root()?.join("bench/workloads");
        let entries = fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))?;
        let mut names = Vec::new();
        for entry in entries {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "yaml") {
                names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
            }
        }
        names.sort();
        Ok(names)
    }

    /// Reads the group of this name.
    pub fn read(name: &str) -> Result<Self> {
        let names = Self::names()?;
        ensure!(names.iter().any(|known| known == name), "there is no group {name:?}, only {}", names.join(", "));
        let path = checkout::root()?.join("bench/workloads").join(name).with_extension("yaml");
        Self::parse(name, &text(&path)?).with_context(|| format!("in {}", path.display()))
    }

    pub(crate) fn parse(name: &str, yaml: &str) -> Result<Self> {
        let mut group: Self = serde_saphyr::from_str(yaml)?;
        name.clone_into(&mut group.name);
        for workload in &mut group.workloads {
            workload.check().with_context(|| format!("the workload {:?}", workload.name))?;
        }
        Ok(group)
    }
}

fn one() -> usize {
    1
}

fn text(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
}

// === impl Workload ===

impl Workload {
    fn check(&self) -> Result<()> {
        let mut names: Vec<_> = self.chains.iter().map(|chain| chain.name.as_str()).chain([REFERENCE]).collect();
        if let Some(native) = &self.native {
            ensure!(names.contains(&native.as_str()), "`native` is {native:?}, which is none of its chains");
        }
        ensure!(self.distinct > 0 && self.workers > 0, "it has no requests, or nobody to serve them");
        names.sort_unstable();
        ensure!(names.windows(2).all(|pair| pair[0] != pair[1]), "two of its chains have one name ({names:?})");
        let modules = self.chains.iter().flat_map(Chain::modules).count();
        let room = modules <= MAX_MODULES || !self.is_measured_by(Method::Instructions);
        ensure!(room, "it has {modules} modules, which is more than {MAX_MODULES}; make two of it");
        Ok(())
    }

    /// Whether it is measured in this way.
    pub fn is_measured_by(&self, method: Method) -> bool {
        self.methods.contains(&method)
    }

    /// Whether it is about what a request costs.
    pub fn is_of_requests(&self) -> bool {
        self.is_measured_by(Method::Instructions) || self.is_measured_by(Method::CpuTime)
    }

    /// The names of its chains, the reference first.
    pub fn chain_names(&self) -> impl Iterator<Item = &str> {
        [REFERENCE].into_iter().chain(self.chains.iter().map(|chain| chain.name.as_str()))
    }
}

// === impl Answer ===

impl Answer {
    /// The body, as it comes from the upstream.
    pub fn body(&self) -> String {
        self.array(&self.item)
    }

    /// The body, as it comes from a chain.
    pub fn body_from(&self, chain: &str) -> String {
        self.array(if chain == REFERENCE { &self.item } else { &self.becomes })
    }

    fn array(&self, item: &str) -> String {
        format!("[{}]", vec![item; self.count].join(","))
    }
}

// === impl Method ===

impl Method {
    fn of_requests() -> Vec<Self> {
        vec![Self::Instructions, Self::CpuTime]
    }
}

// === impl Chain ===

impl Chain {
    /// The modules that it loads.
    pub fn modules(&self) -> impl Iterator<Item = &Module> {
        self.filters.iter().filter_map(|filter| match filter {
            Filter::Module(module) => Some(module),
            Filter::Envoy(_) => None,
        })
    }

    /// Whose filters it has; of several, whose the first is.
    pub fn kind(&self) -> Kind {
        match self.filters.first() {
            None => Kind::None,
            Some(Filter::Module(module)) if module.module.ends_with("-on-proxy-wasm") => Kind::ProxyWasmCrate,
            Some(Filter::Module(_)) => Kind::Palisade,
            Some(Filter::Envoy(filter)) if filter["name"] == "envoy.filters.http.lua" => Kind::Lua,
            Some(Filter::Envoy(_)) => Kind::Envoy,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: &str = "
headers: [{accept: '*/*'}]
shared: {rate: &rate 100/1m}
workloads:
- name: leased
  headers: [{x-user: alice}]
  native: envoy
  methods: [instructions]
  chains:
  - {name: ours, goal: {instructions: 9000}, filters: [{module: rate_limit, configuration: {rate: *rate}}]}
  - {name: envoy, filters: [{name: envoy.filters.http.local_ratelimit}]}
";

    fn refusal(from: &str, to: &str) -> String {
        assert!(GROUP.contains(from));
        format!("{:#}", Group::parse("g", &GROUP.replace(from, to)).unwrap_err())
    }

    #[test]
    fn a_group_names_modules_and_filters_of_envoy() {
        let group = Group::parse("g", GROUP).unwrap();
        let workload = &group.workloads[0];
        assert_eq!(workload.chain_names().collect::<Vec<_>>(), ["reference", "ours", "envoy"]);
        assert!(workload.is_measured_by(Method::Instructions) && !workload.is_measured_by(Method::CpuTime));
        let module = workload.chains[0].modules().next().unwrap();
        assert_eq!((module.module.as_str(), &module.configuration["rate"]), ("rate_limit", &"100/1m".into()));
        assert_eq!(workload.chains[1].modules().count(), 0);
        assert_eq!(workload.chains[0].goal.instructions, Some(9000.0));
    }

    #[test]
    fn a_misspelt_field_is_refused() {
        assert!(refusal("native: envoy", "nativ: envoy").contains("nativ"));
    }

    #[test]
    fn a_native_chain_that_does_not_exist_is_refused() {
        assert!(refusal("native: envoy", "native: lua").contains("\"lua\", which is none of its chains"));
    }

    #[test]
    fn chains_of_one_name_are_refused() {
        assert!(refusal("name: ours", "name: reference").contains("one name"));
    }

    #[test]
    fn more_modules_than_valgrind_has_room_for_are_refused() {
        let modules = "{module: a, configuration: {}}, ".repeat(4);
        assert!(refusal("filters: [{module", &format!("filters: [{modules}{{module")).contains("5 modules"));
    }

    #[test]
    fn every_group_of_the_checkout_can_be_read() {
        for name in Group::names().unwrap() {
            Group::read(&name).unwrap();
        }
    }
}
