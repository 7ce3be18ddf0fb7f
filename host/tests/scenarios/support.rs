//! Guests for the tests, put together from callbacks in the text format.

/// The host functions that guests may call: name, parameters.
const IMPORTS: &[(&str, &str)] = &[
    ("proxy_log", "i32 i32 i32"),
    ("proxy_set_tick_period_milliseconds", "i32"),
    ("proxy_set_effective_context", "i32"),
    ("proxy_done", ""),
    ("proxy_continue_stream", "i32"),
    ("proxy_close_stream", "i32"),
    ("proxy_send_local_response", "i32 i32 i32 i32 i32 i32 i32 i32"),
    ("proxy_get_status", "i32 i32 i32"),
    ("proxy_get_buffer_bytes", "i32 i32 i32 i32 i32"),
    ("proxy_set_buffer_bytes", "i32 i32 i32 i32 i32"),
    ("proxy_get_header_map_value", "i32 i32 i32 i32 i32"),
    ("proxy_add_header_map_value", "i32 i32 i32 i32 i32"),
    ("proxy_replace_header_map_value", "i32 i32 i32 i32 i32"),
    ("proxy_remove_header_map_value", "i32 i32 i32"),
    ("proxy_http_call", "i32 i32 i32 i32 i32 i32 i32 i32 i32 i32"),
    ("proxy_get_shared_data", "i32 i32 i32 i32 i32"),
    ("proxy_set_shared_data", "i32 i32 i32 i32 i32"),
    ("proxy_register_shared_queue", "i32 i32 i32"),
    ("proxy_enqueue_shared_queue", "i32 i32 i32"),
    ("proxy_define_metric", "i32 i32 i32 i32"),
    ("proxy_increment_metric", "i32 i64"),
];

/// Callbacks with a result: name, number of parameters.
const ASKED: &[(&str, usize)] = &[
    ("on_vm_start", 2),
    ("on_configure", 2),
    ("on_request_headers", 3),
    ("on_request_body", 3),
    ("on_request_trailers", 2),
    ("on_response_headers", 3),
    ("on_response_body", 3),
    ("on_response_trailers", 2),
    ("on_done", 1),
];

/// Callbacks without one.
const TOLD: &[(&str, usize)] = &[
    ("on_context_create", 2),
    ("on_tick", 1),
    ("on_queue_ready", 2),
    ("on_http_call_response", 5),
    ("on_log", 1),
    ("on_delete", 1),
];

/// A module with these callbacks, each a name and its body. `(call $say (i32.const N))` logs the digit N,
/// `(call $number (..))` a number below 100. Memory from 1024 on is free for results, 4096 on for allocations; `data` is at 256.
pub(crate) fn guest(data: &str, callbacks: &[(&str, &str)]) -> Vec<u8> {
    let mut text = String::from("(module\n");
    for (name, parameters) in IMPORTS {
        text += &format!("(import \"env\" \"{name}\" (func ${name} (param {parameters}) (result i32)))\n");
    }
    text += "(memory (export \"memory\") 16)\n(global $next (mut i32) (i32.const 4096))\n\
        (global $held (mut i32) (i32.const 0))\n\
        (data (i32.const 0) \"0123456789\")\n";
    text += &format!("(data (i32.const 256) \"{data}\")\n");
    text += "(func (export \"proxy_abi_version_0_2_1\"))\n\
        (func (export \"malloc\") (param i32) (result i32)\n\
          (global.get $next) (global.set $next (i32.add (global.get $next) (local.get 0))))\n\
        (func $say (param i32) (drop (call $proxy_log (i32.const 2) (local.get 0) (i32.const 1))))\n\
        (func $number (param i32)\n\
          (i32.store8 (i32.const 100) (i32.add (i32.const 48) (i32.div_u (local.get 0) (i32.const 10))))\n\
          (i32.store8 (i32.const 101) (i32.add (i32.const 48) (i32.rem_u (local.get 0) (i32.const 10))))\n\
          (drop (call $proxy_log (i32.const 2) (i32.const 100) (i32.const 2))))\n";
    for (name, body) in callbacks {
        let asked = ASKED.iter().find(|(own, _)| own == name).map(|(_, count)| (*count, "(result i32)"));
        let told = TOLD.iter().find(|(own, _)| own == name).map(|(_, count)| (*count, ""));
        let (count, result) = asked.or(told).unwrap_or_else(|| panic!("no callback {name}"));
        text += &format!("(func (export \"proxy_{name}\") (param{}) {result} {body})\n", " i32".repeat(count));
    }
    text += ")";
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// What a guest has logged, without the lines of the host.
pub(crate) fn said(host: &palisade_host::Host, worker: usize) -> String {
    let lines = host.log().into_iter().filter(|line| line.worker == worker && line.level == 2);
    lines.map(|line| line.text).collect::<Vec<_>>().join(" ")
}
