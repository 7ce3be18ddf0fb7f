//! A rate limit service as it is in production: Limitador, with Redis behind it. Both are processes of their own.

use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use palisade_testbed::Process;
use serde_json::Value;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(30);

/// Redis, on a socket of its own, keeping nothing.
pub(crate) struct Redis {
    _process: Process,
    folder: TempDir,
}

/// Limitador, which can be killed and come back at the same address.
pub(crate) struct Limitador {
    process: Process,
    addr: SocketAddr,
    redis: Redis,
    limits: Value,
}

impl Redis {
    fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("palisade-redis-").tempdir().unwrap();
        let socket = folder.path().join("redis.sock");
        let arguments = [
            ("--port", "0"),
            ("--unixsocket", socket.to_str().unwrap()),
            ("--dir", folder.path().to_str().unwrap()),
            ("--save", ""),
            ("--appendonly", "no"),
        ];
        let arguments = arguments.iter().flat_map(|(name, value)| [(*name).to_owned(), (*value).to_owned()]).collect();
        let mut process =
            Process::start(Path::new("redis-server"), arguments, folder.path().join("redis.log")).unwrap();
        let deadline = Instant::now() + PATIENCE;
        while UnixStream::connect(&socket).is_err() {
            let ended = process.exit_status();
            assert!(ended.is_none() && Instant::now() < deadline, "{ended:?}: {}", process.log());
            thread::sleep(Duration::from_millis(5));
        }
        Self { _process: process, folder }
    }

    fn url(&self) -> String {
        format!("unix://{}", self.folder.path().join("redis.sock").display())
    }
}

impl Limitador {
    /// Starts it with these limits, as Limitador writes them.
    pub(crate) fn start(limits: &Value) -> Self {
        let redis = Redis::start();
        let (process, addr) = serve(&redis, limits, SocketAddr::from(([127, 0, 0, 1], 0)));
        Self { process, addr, redis, limits: limits.clone() }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Ends it at once; Redis stays.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
    }

    /// Starts it again where it was.
    pub(crate) fn restart(&mut self) {
        (self.process, _) = serve(&self.redis, &self.limits, self.addr);
    }
}

fn serve(redis: &Redis, limits: &Value, listen: SocketAddr) -> (Process, SocketAddr) {
    let binary = Path::new(env!("CARGO_BIN_EXE_palisade-rls"));
    let arguments = [("--listen", listen.to_string()), ("--redis", redis.url()), ("--limits", limits.to_string())];
    let arguments = arguments.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect();
    let mut process = Process::start(binary, arguments, redis.folder.path().join("rls.log")).unwrap();
    let addr = process.wait_for_line("listening on ", PATIENCE).unwrap();
    (process, addr.parse().unwrap())
}
