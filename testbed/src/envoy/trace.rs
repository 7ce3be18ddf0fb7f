//! The trace of a module: every call between it and the host, which Envoy's log has with `("wasm", "trace")`.

/// The callback in which a host function that returns data asks the module for memory.
pub const ALLOCATION: &str = "proxy_on_memory_allocate";

/// The callbacks and host functions in a log, by name and in order.
pub fn calls(log: &str) -> impl Iterator<Item = &str> {
    log.lines().filter_map(|line| {
        let call = ["[host->vm] ", "[vm->host] env.", "[vm->host] wasi_snapshot_preview1."]
            .iter()
            .find_map(|direction| line.split_once(direction))?;
        call.1.split('(').next()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_counted_once_and_its_return_is_none() {
        let log = "\
[2026-01-01][1][trace][wasm] [source/a.cc:1] [host->vm] proxy_on_request_headers(2, 9, 1)
[2026-01-01][1][trace][wasm] [source/a.cc:1] [vm->host] env.proxy_get_header_map_pairs(0, 7, 8)
[2026-01-01][1][trace][wasm] [source/a.cc:1] [host->vm] proxy_on_memory_allocate(100)
[2026-01-01][1][trace][wasm] [source/a.cc:1] [host<-vm] proxy_on_memory_allocate return: 1000
[2026-01-01][1][trace][wasm] [source/a.cc:1] [vm<-host] env.proxy_get_header_map_pairs return: 0
";
        let expected = ["proxy_on_request_headers", "proxy_get_header_map_pairs", ALLOCATION];
        assert_eq!(calls(log).collect::<Vec<_>>(), expected);
    }
}
