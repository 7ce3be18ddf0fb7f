//! The runner: contexts, the cases that they are about, and the calls that a callback makes.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::ROOT;
use crate::answer::Answer;
use crate::host::{self, log};
use crate::script::{Call, Case, Script, Step};

/// A root context or a stream.
#[derive(Default)]
struct Context {
    root: u32,
    script: Option<Rc<Script>>,
    name: String,
    case: Option<Rc<Case>>,
    variables: BTreeMap<String, u64>,
    /// The callbacks that have come and will not be run again.
    over: Vec<&'static str>,
}

#[derive(Default)]
struct State {
    contexts: BTreeMap<u32, Context>,
    /// The contexts that have made a callout, by its token.
    callers: BTreeMap<u32, u32>,
}

thread_local! {
    static STATE: RefCell<State> = RefCell::default();
}

fn with<T>(act: impl FnOnce(&mut State) -> T) -> Option<T> {
    STATE.with(|state| state.try_borrow_mut().ok().map(|mut state| act(&mut state)))
}

/// A new context; a root has the parent 0.
pub(crate) fn create(id: u32, parent: u32) {
    with(|state| {
        let script = state.contexts.get(&parent).and_then(|root| root.script.clone());
        let name = if parent == 0 { ROOT.to_owned() } else { String::new() };
        state.contexts.insert(id, Context { root: parent, script, name, ..Context::default() });
    });
}

/// Gives a root the script that stands in a buffer of the host.
pub(crate) fn load(root: u32, buffer: u32) {
    let text = bytes_of(&format!("proxy_get_buffer_bytes({buffer}, 0, MAX)"));
    let script = String::from_utf8(text).map_err(|_| "it is no text".to_owned()).and_then(|text| Script::parse(&text));
    match script {
        Ok(script) => {
            with(|state| {
                let context = state.contexts.entry(root).or_default();
                context.case = script.case(ROOT);
                context.script = Some(Rc::new(script));
            });
        }
        Err(error) => log(&format!("{ROOT}|script|{error}")),
    }
}

/// Lets a stream's request choose its case.
pub(crate) fn choose(stream: u32) {
    let name = String::from_utf8(bytes_of("proxy_get_header_map_value(0, \"x-case\")")).unwrap_or_default();
    with(|state| {
        if let Some(context) = state.contexts.get_mut(&stream) {
            context.case = context.script.as_ref().and_then(|script| script.case(&name));
            context.name = name;
        }
    });
}

/// Runs a callback of a root that comes again and again, the first time.
pub(crate) fn run_once(root: u32, callback: &'static str) {
    let first = with(|state| {
        let context = state.contexts.get_mut(&root).filter(|context| !context.over.contains(&callback))?;
        context.over.push(callback);
        Some(())
    });
    if first.flatten().is_some() {
        run(root, callback, "", 0);
    }
}

/// The context whose callout has this token; the root itself where nobody knows it.
pub(crate) fn caller(root: u32, token: u32) -> u32 {
    with(|state| state.callers.get(&token).copied()).flatten().unwrap_or(root)
}

/// Forgets a context.
pub(crate) fn delete(id: u32) {
    with(|state| state.contexts.remove(&id));
}

/// Logs that the host has called, makes the calls that the case of a context lists for this callback, and gives what
/// they say that the callback returns.
pub(crate) fn run(id: u32, callback: &str, arguments: &str, default: u32) -> u32 {
    let Some((name, steps)) = with(|state| {
        let context = state.contexts.get(&id)?;
        Some((context.name.clone(), context.case.as_ref().and_then(|case| case.at(callback))))
    })
    .flatten() else {
        log(&format!("{ROOT}|{callback}|no context"));
        return default;
    };
    log(&format!("{name}|{callback}|({arguments})"));
    let mut returned = default;
    for step in steps.iter().flat_map(|steps| steps.iter()) {
        match step {
            Step::Call(call) => log(&format!("{name}|{callback}|{}", make(id, call))),
            Step::Return(value) => returned = *value,
            Step::Trap => trap(),
        }
    }
    returned
}

fn make(id: u32, call: &Call) -> String {
    let variable = |name: &str| match name {
        "context" => Some(u64::from(id)),
        _ => with(|state| {
            let context = state.contexts.get(&id)?;
            let of_root = || state.contexts.get(&context.root)?.variables.get(name).copied();
            context.variables.get(name).copied().or_else(of_root)
        })
        .flatten(),
    };
    match host::call(call, &variable) {
        Ok(answer) => {
            keep(id, call, &answer);
            let results: String = answer.results.iter().map(|result| format!(" {result}")).collect();
            format!("{} -> {}{results}", call.text, answer.status)
        }
        Err(error) => format!("{} -> ! {error}", call.text),
    }
}

/// Keeps what a call has given back: for the script, and so that the answer to a callout finds its case.
fn keep(id: u32, call: &Call, answer: &Answer) {
    let Some(number) = answer.number else { return };
    with(|state| {
        if matches!(call.function.as_str(), "proxy_http_call" | "proxy_grpc_call" | "proxy_grpc_stream") {
            state.callers.insert(number, id);
        }
        if let (Some(name), Some(context)) = (&call.binds, state.contexts.get_mut(&id)) {
            context.variables.insert(name.clone(), u64::from(number));
        }
    });
}

/// What a call of the runner's own gives back.
fn bytes_of(line: &str) -> Vec<u8> {
    let answer = Call::parse(line).and_then(|call| host::call(&call, &|_| None));
    answer.ok().and_then(|answer| answer.bytes).unwrap_or_default()
}

#[cfg(target_arch = "wasm32")]
fn trap() {
    std::arch::wasm32::unreachable();
}

#[cfg(not(target_arch = "wasm32"))]
const fn trap() {}
