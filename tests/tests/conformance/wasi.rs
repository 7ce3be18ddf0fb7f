//! WASI: a module in the text format that calls every function which Envoy answers, in its start function as far as it may
//! there, and when its VM starts; and logs what each answers and writes.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use anyhow::Result;
use palisade_host::Host;
use palisade_testbed::Envoy;
use serde_json::json;

/// A call: the function, its arguments as WebAssembly has them, and whether what it writes is the same each time.
struct Call(&'static str, &'static str, bool);

/// Where results go, and what is there before.
const RESULT: &str = "(i32.const 1024)";
const UNTOUCHED: u8 = 0xee;
const RESULT_LENGTH: usize = 24;

/// Those that a start function may call.
const AT_START: &[Call] = &[
    Call("fd_write", "(i32.const 1) (i32.const 512) (i32.const 2) (i32.const 1024)", true),
    Call("fd_write", "(i32.const 2) (i32.const 512) (i32.const 1) (i32.const 1024)", true),
    Call("fd_write", "(i32.const 3) (i32.const 512) (i32.const 1) (i32.const 1024)", true),
    Call("fd_write", "(i32.const 1) (i32.const 512) (i32.const 0) (i32.const 1024)", true),
    Call("fd_write", "(i32.const 1) (i32.const -8) (i32.const 2) (i32.const 1024)", true),
    Call("fd_write", "(i32.const 1) (i32.const 528) (i32.const 1) (i32.const 1024)", true),
    Call("fd_write", "(i32.const 1) (i32.const 536) (i32.const 1) (i32.const 1024)", true),
    Call("clock_time_get", "(i32.const 0) (i64.const 0) (i32.const 1024)", false),
    Call("clock_time_get", "(i32.const 1) (i64.const 0) (i32.const 1024)", false),
    Call("clock_time_get", "(i32.const 2) (i64.const 0) (i32.const 1024)", true),
    Call("random_get", "(i32.const 1024) (i32.const 8)", false),
    Call("random_get", "(i32.const 1024) (i32.const 0)", true),
    Call("random_get", "(i32.const 1024) (i32.const 65537)", true),
    Call("random_get", "(i32.const -1) (i32.const 8)", true),
    Call("environ_sizes_get", "(i32.const 1024) (i32.const 1028)", true),
    Call("environ_get", "(i32.const 1024) (i32.const 1028)", true),
    Call("environ_get", "(i32.const -1) (i32.const 1028)", true),
    Call("args_sizes_get", "(i32.const 1024) (i32.const 1028)", true),
    Call("args_get", "(i32.const 1024) (i32.const 1028)", true),
    Call("fd_prestat_get", "(i32.const 3) (i32.const 1024)", true),
    Call("fd_prestat_dir_name", "(i32.const 3) (i32.const 1024) (i32.const 8)", true),
];

/// The others.
const LATER: &[Call] = &[
    Call("fd_read", "(i32.const 0) (i32.const 512) (i32.const 1) (i32.const 1024)", true),
    Call("fd_seek", "(i32.const 1) (i64.const 0) (i32.const 0) (i32.const 1024)", true),
    Call("fd_close", "(i32.const 1)", true),
    Call("fd_fdstat_get", "(i32.const 1) (i32.const 1024)", true),
    Call("fd_fdstat_get", "(i32.const 0) (i32.const 1024)", true),
    Call("fd_fdstat_set_flags", "(i32.const 1) (i32.const 0)", true),
    Call("fd_fdstat_set_rights", "(i32.const 1) (i64.const 0) (i64.const 0)", true),
    Call("clock_res_get", "(i32.const 0) (i32.const 1024)", true),
    Call("clock_res_get", "(i32.const 9) (i32.const 1024)", true),
    Call("fd_advise", "(i32.const 1) (i64.const 0) (i64.const 0) (i32.const 0)", true),
    Call("fd_allocate", "(i32.const 1) (i64.const 0) (i64.const 0)", true),
    Call("fd_datasync", "(i32.const 1)", true),
    Call("fd_filestat_get", "(i32.const 1) (i32.const 1024)", true),
    Call("fd_filestat_set_size", "(i32.const 1) (i64.const 0)", true),
    Call("fd_filestat_set_times", "(i32.const 1) (i64.const 0) (i64.const 0) (i32.const 0)", true),
    Call("fd_pread", "(i32.const 1) (i32.const 512) (i32.const 1) (i64.const 0) (i32.const 1024)", true),
    Call("fd_pwrite", "(i32.const 1) (i32.const 512) (i32.const 1) (i64.const 0) (i32.const 1024)", true),
    Call("fd_readdir", "(i32.const 1) (i32.const 1024) (i32.const 8) (i64.const 0) (i32.const 1032)", true),
    Call("fd_renumber", "(i32.const 1) (i32.const 2)", true),
    Call("fd_sync", "(i32.const 1)", true),
    Call("fd_tell", "(i32.const 1) (i32.const 1024)", true),
    Call("fd_seek", "(i32.const 3) (i64.const 0) (i32.const 0) (i32.const 1024)", true),
    Call("fd_close", "(i32.const 3)", true),
    Call("fd_fdstat_set_rights", "(i32.const 3) (i64.const 0) (i64.const 0)", true),
    Call("fd_advise", "(i32.const 3) (i64.const 0) (i64.const 0) (i32.const 0)", true),
    Call("fd_allocate", "(i32.const 3) (i64.const 0) (i64.const 0)", true),
    Call("fd_datasync", "(i32.const 3)", true),
    Call("fd_filestat_set_size", "(i32.const 3) (i64.const 0)", true),
    Call("fd_filestat_set_times", "(i32.const 3) (i64.const 0) (i64.const 0) (i32.const 0)", true),
    Call("fd_pwrite", "(i32.const 2) (i32.const 520) (i32.const 1) (i64.const 0) (i32.const 1024)", true),
    Call("fd_pwrite", "(i32.const 3) (i32.const 512) (i32.const 1) (i64.const 0) (i32.const 1024)", true),
    Call("fd_readdir", "(i32.const 3) (i32.const 1024) (i32.const 8) (i64.const 0) (i32.const -1)", true),
    Call("fd_sync", "(i32.const 3)", true),
    Call("fd_tell", "(i32.const 3) (i32.const 1024)", true),
    Call("fd_tell", "(i32.const 0) (i32.const 1024)", true),
    Call("sock_send", "(i32.const 3) (i32.const 512) (i32.const 1) (i32.const 0) (i32.const -1)", true),
    Call("path_create_directory", "(i32.const 3) (i32.const 0) (i32.const 1)", true),
    Call("path_filestat_get", "(i32.const 3) (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 1024)", true),
    Call(
        "path_filestat_set_times",
        "(i32.const 3) (i32.const 0) (i32.const 0) (i32.const 1) (i64.const 0) (i64.const 0) (i32.const 0)",
        true,
    ),
    Call("path_link", "(i32.const 3) (i32.const 0) (i32.const 1) (i32.const 3) (i32.const 0) (i32.const 1)", true),
    Call(
        "path_open",
        "(i32.const 3) (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 0) (i64.const 0) (i64.const 0) (i32.const 0) (i32.const 1024)",
        true,
    ),
    Call(
        "path_readlink",
        "(i32.const 3) (i32.const 0) (i32.const 1) (i32.const 1024) (i32.const 8) (i32.const 1032)",
        true,
    ),
    Call("path_remove_directory", "(i32.const 3) (i32.const 0) (i32.const 1)", true),
    Call("path_rename", "(i32.const 3) (i32.const 0) (i32.const 1) (i32.const 3) (i32.const 0) (i32.const 1)", true),
    Call("path_symlink", "(i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1)", true),
    Call("path_unlink_file", "(i32.const 3) (i32.const 0) (i32.const 1)", true),
    Call("sock_accept", "(i32.const 3) (i32.const 0) (i32.const 1024)", true),
    Call(
        "sock_recv",
        "(i32.const 3) (i32.const 512) (i32.const 1) (i32.const 0) (i32.const 1024) (i32.const 1028)",
        true,
    ),
    Call("sock_send", "(i32.const 3) (i32.const 512) (i32.const 1) (i32.const 0) (i32.const 1024)", true),
    Call("sock_shutdown", "(i32.const 3) (i32.const 0)", true),
    Call("sched_yield", "", true),
    Call("poll_oneoff", "(i32.const 1024) (i32.const 1032) (i32.const 1) (i32.const 1040)", true),
];

/// What the module logs on Envoy, each line once.
pub(crate) fn on_envoy() -> Result<String> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("wasi.wasm");
    std::fs::write(&path, module()?)?;
    let plugin = json!({
        "name": "wasi",
        "vm_config": {
            "runtime": "envoy.wasm.runtime.v8",
            "code": {"local": {"filename": path.display().to_string()}},
            "environment_variables": {"key_values": {"A": "b"}},
        },
    });
    let service = json!({
        "name": "wasi",
        "typed_config": {"@type": "type.googleapis.com/envoy.extensions.wasm.v3.WasmService", "config": plugin},
    });
    let envoy = Envoy::from_value(json!({"bootstrap_extensions": [service], "static_resources": {}})).concurrency(1);
    let envoy = envoy.start()?;
    let log = envoy.wait_for_log(LAST, Duration::from_secs(10))?;
    Ok(once(log.lines().filter_map(|line| {
        let (head, text) = line.split_once("] wasm log wasi: ").or_else(|| line.split_once("] wasm log: "))?;
        let level = head.split(['[', ']']).filter(|field| !field.is_empty()).nth(2)?;
        Some(format!("{level}: {text}"))
    })))
}

/// What it logs on the embedded host.
pub(crate) fn on_embedded() -> Result<String> {
    let host = Host::builder().module(module()?).name("wasi").environment("A", "b").build()?;
    let levels = ["trace", "debug", "info", "warning", "error", "critical"];
    // What Envoy says itself of a call does not stand among the lines of the plugin.
    let own = host.log().into_iter().filter(|line| !line.text.starts_with("wasi_unstable "));
    let lines = own.map(|line| {
        let text = line.text.lines().next().unwrap_or_default().to_owned();
        format!("{}: {text}", levels[line.level as usize])
    });
    Ok(once(lines))
}

/// The last line of a VM that has started.
const LAST: &str = "that is all";

/// Each line once: several VMs say the same.
fn once(lines: impl Iterator<Item = String>) -> String {
    let mut seen = BTreeSet::new();
    lines.filter(|line| seen.insert(line.clone())).map(|line| line + "\n").collect()
}

fn module() -> Result<Vec<u8>> {
    let mut names = BTreeSet::new();
    let mut text =
        String::from("(module (import \"env\" \"proxy_log\" (func $log (param i32 i32 i32) (result i32)))\n");
    for Call(name, arguments, _) in AT_START.iter().chain(LATER).filter(|Call(name, ..)| names.insert(*name)) {
        let types: String = arguments
            .split('(')
            .skip(1)
            .filter_map(|argument| argument.split('.').next())
            .map(|ty| format!("{ty} "))
            .collect();
        let _ =
            writeln!(text, r#"(import "wasi_snapshot_preview1" "{name}" (func ${name} (param {types}) (result i32)))"#);
    }
    let mut labels = String::new();
    let [start, later] = [("start", AT_START), ("later", LATER)].map(|(phase, calls)| body(phase, calls, &mut labels));
    // Two vectors: "one\n" and "two\n"; one beyond the memory; one of nothing that points there.
    let _ = write!(
        text,
        r#"(memory (export "memory") 4)
        (func (export "proxy_abi_version_0_2_1"))
        (func (export "malloc") (param i32) (result i32) (i32.const 2048))
        (data (i32.const 480) "one\ntwo\n")
        (data (i32.const 512) "\e0\01\00\00\04\00\00\00\e4\01\00\00\04\00\00\00\00\00\00\ff\04\00\00\00\00\00\00\ff\00\00\00\00")
        (data (i32.const 2000) "0123456789abcdef")
        (data (i32.const 4096) "{labels}{LAST}")
        (func $clear (memory.fill {RESULT} (i32.const {UNTOUCHED}) (i32.const {RESULT_LENGTH})))
        (func $digit (param $at i32) (param $value i32)
          (i32.store8 (local.get $at) (i32.load8_u (i32.add (i32.const 2000) (local.get $value)))))
        (func $tell (param $from i32) (param $length i32) (param $number i32) (param $bytes i32) (local $at i32)
          (memory.copy (i32.const 3000) (local.get $from) (local.get $length))
          (local.set $at (i32.add (i32.const 3000) (local.get $length)))
          (call $digit (local.get $at) (i32.div_u (local.get $number) (i32.const 10)))
          (call $digit (i32.add (local.get $at) (i32.const 1)) (i32.rem_u (local.get $number) (i32.const 10)))
          (i32.store8 (i32.add (local.get $at) (i32.const 2)) (i32.const 32))
          (local.set $at (i32.add (local.get $at) (i32.const 3)))
          (block $done (loop $again
            (br_if $done (i32.eqz (local.get $bytes)))
            (call $digit (local.get $at) (i32.shr_u (i32.load8_u
              (i32.sub (i32.const {end}) (local.get $bytes))) (i32.const 4)))
            (call $digit (i32.add (local.get $at) (i32.const 1)) (i32.and (i32.load8_u
              (i32.sub (i32.const {end}) (local.get $bytes))) (i32.const 15)))
            (local.set $at (i32.add (local.get $at) (i32.const 2)))
            (local.set $bytes (i32.sub (local.get $bytes) (i32.const 1)))
            (br $again)))
          (drop (call $log (i32.const 2) (i32.const 3000) (i32.sub (local.get $at) (i32.const 3000)))))
        (func (export "_initialize") {start})
        (func (export "proxy_on_vm_start") (param i32 i32) (result i32) {later}
          (drop (call $log (i32.const 2) (i32.const {last}) (i32.const {last_length}))) (i32.const 1)))"#,
        end = 1024 + RESULT_LENGTH,
        last = 4096 + labels.len(),
        last_length = LAST.len(),
    );
    Ok(wat::parse_str(text)?)
}

/// The calls of a function, each with the line that it logs; the beginnings of the lines go to `labels`.
fn body(phase: &str, calls: &[Call], labels: &mut String) -> String {
    let mut body = String::new();
    for Call(name, arguments, steady) in calls {
        let numbers: Vec<_> = arguments.split(['(', ')', ' ']).filter(|part| part.parse::<i64>().is_ok()).collect();
        let label = format!("{phase} {name}({}) -> ", numbers.join(", "));
        let (at, length) = (4096 + labels.len(), label.len());
        let bytes = if *steady { RESULT_LENGTH } else { 0 };
        let _ = writeln!(
            body,
            "(call $clear) (call $tell (i32.const {at}) (i32.const {length}) (call ${name} {arguments}) (i32.const {bytes}))"
        );
        labels.push_str(&label);
    }
    body
}
