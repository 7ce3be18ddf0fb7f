//! A proxy with a guest in the text format, in front of an upstream.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use palisade_serve::{Addresses, Options, Server};
use palisade_testbed::{Request, Response, Upstream, http1};
use tempfile::TempDir;

/// A proxy, its upstream, and the file of its module.
pub(crate) struct Proxy {
    server: Server,
    pub(crate) upstream: Upstream,
    module: PathBuf,
    _folder: TempDir,
}

/// What begins a guest: its ABI, its allocator and `proxy_log`; results go to 1024, allocations behind 4096.
const HEAD: &str = r#"
    (import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_define_metric" (func $define (param i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_increment_metric" (func $count (param i32 i64) (result i32)))
    (import "env" "proxy_grpc_stream" (func $stream (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_grpc_send" (func $send (param i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_grpc_call" (func $ask (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_grpc_cancel" (func $cancel (param i32) (result i32)))
    (import "env" "proxy_set_effective_context" (func $effective (param i32) (result i32)))
    (import "env" "proxy_continue_stream" (func $continue (param i32) (result i32)))
    (import "env" "proxy_get_buffer_bytes" (func $buffer (param i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_set_buffer_bytes" (func $set (param i32 i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 16)
    (global $next (mut i32) (i32.const 4096))
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "malloc") (param i32) (result i32)
      (global.get $next)
      (global.set $next (i32.add (i32.const 4096) (i32.rem_u (i32.add (global.get $next) (local.get 0)) (i32.const 900000)))))
"#;

/// A module with these contents behind what each has.
pub(crate) fn guest(contents: &str) -> Vec<u8> {
    wat::parse_str(format!("(module {HEAD} {contents})")).unwrap()
}

/// A module that does nothing but count in this metric.
pub(crate) fn counting(metric: &str) -> Vec<u8> {
    let length = metric.len();
    guest(&format!(
        r#"(data (i32.const 256) "{metric}")
        (func (export "proxy_on_vm_start") (param i32 i32) (result i32)
          (drop (call $define (i32.const 0) (i32.const 256) (i32.const {length}) (i32.const 1024))) (i32.const 1))
        (func (export "proxy_on_log") (param i32) (drop (call $count (i32.load (i32.const 1024)) (i64.const 1))))"#
    ))
}

impl Proxy {
    /// In front of an upstream of its own.
    pub(crate) fn start(module: &[u8], options: &[&str]) -> Self {
        let upstream = Upstream::start().unwrap();
        let address = upstream.addr();
        Self::before(upstream, address, module, options)
    }

    /// With another upstream than the one that it can be asked about.
    pub(crate) fn before(upstream: Upstream, address: SocketAddr, module: &[u8], options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("guest.wasm");
        std::fs::write(&path, module).unwrap();
        let base = [
            ("--module", path.display().to_string()),
            ("--upstream", format!("http://{address}")),
            ("--listen", "127.0.0.1:0".to_owned()),
            ("--admin", "127.0.0.1:0".to_owned()),
        ];
        let base = base.into_iter().flat_map(|(name, value)| [name.to_owned(), value]);
        let line = base.chain(options.iter().map(|option| (*option).to_owned()));
        let server = Server::start(Options::from_line(line).unwrap()).unwrap();
        Self { server, upstream, module: path, _folder: folder }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addresses().clear
    }

    fn addresses(&self) -> Addresses {
        self.server.addresses()
    }

    pub(crate) fn get(&self) -> Response {
        http1::exchange(self.addr(), &Request::get("/")).unwrap()
    }

    /// What the admin interface says.
    pub(crate) fn admin(&self, path: &str) -> String {
        http1::exchange(self.addresses().admin.unwrap(), &Request::get(path)).unwrap().text()
    }

    /// Puts another module in the place of its own, at once.
    pub(crate) fn replace_module(&self, module: &[u8]) {
        let new = Path::new(&self.module).with_extension("new");
        std::fs::write(&new, module).unwrap();
        std::fs::rename(&new, &self.module).unwrap();
    }
}
