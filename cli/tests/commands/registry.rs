//! Registries to push to: Debian's own, and one that answers as the test says.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::{fs, thread};

use tempfile::TempDir;

pub(crate) const USER: &str = "ada";
pub(crate) const PASSWORD: &str = "open sesame";

/// USER with PASSWORD.
const HTPASSWD: &str = "ada:$2b$04$YKsO8hzPLAFBU1DuRVL9HOHf8HxmCROV68c63KlcuQXISQwHlFXAu\n";

/// Debian's `docker-registry`, on a free port of this machine.
pub(crate) struct Registry {
    process: Child,
    pub(crate) address: String,
    directory: TempDir,
}

/// What it asks of its clients.
#[derive(Clone, Copy, Default)]
pub(crate) struct Door {
    pub(crate) wants_password: bool,
    pub(crate) speaks_tls: bool,
}

impl Registry {
    pub(crate) fn open() -> Self {
        Self::start(Door::default())
    }

    pub(crate) fn start(door: Door) -> Self {
        let directory = TempDir::new().unwrap();
        let path = |name: &str| directory.path().join(name).display().to_string();
        let mut config = format!(
            "version: 0.1\nlog: {{level: info}}\nstorage:\n  filesystem: {{rootdirectory: {}}}\n  delete: {{enabled: true}}\n",
            path("data")
        );
        if door.wants_password {
            fs::write(path("htpasswd"), HTPASSWD).unwrap();
            config += &format!("auth: {{htpasswd: {{realm: test, path: {}}}}}\n", path("htpasswd"));
        }
        config += "http:\n  addr: 127.0.0.1:0\n  secret: of the test\n";
        if door.speaks_tls {
            let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
            fs::write(path("cert.pem"), own.cert.pem()).unwrap();
            fs::write(path("key.pem"), own.signing_key.serialize_pem()).unwrap();
            config += &format!("  tls: {{certificate: {}, key: {}}}\n", path("cert.pem"), path("key.pem"));
        }
        fs::write(path("config.yml"), config).unwrap();
        let mut process = Command::new("docker-registry")
            .args(["serve", &path("config.yml")])
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("docker-registry is needed: apt-get install docker-registry");
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let port = lines.by_ref().find_map(|line| {
            let line = line.unwrap();
            let (_, address) = line.split_once("listening on 127.0.0.1:")?;
            Some(address.chars().take_while(char::is_ascii_digit).collect::<String>())
        });
        thread::spawn(move || lines.for_each(drop));
        let host = if door.speaks_tls { "localhost" } else { "127.0.0.1" };
        Self { process, address: format!("{host}:{}", port.expect("docker-registry did not start")), directory }
    }

    /// An image in it.
    pub(crate) fn image(&self, name: &str) -> String {
        format!("{}/acme/{name}", self.address)
    }

    /// The certificate that it shows, by which it is known.
    pub(crate) fn certificate(&self) -> String {
        self.directory.path().join("cert.pem").display().to_string()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// A server that answers each request, of which it sees the head, as a function says.
pub(crate) struct Script {
    pub(crate) address: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Script {
    pub(crate) fn start(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let script = Self { address: listener.local_addr().unwrap().to_string(), heads: Arc::default() };
        let (answer, heads) = (Arc::new(answer), Arc::clone(&script.heads));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (answer, heads) = (Arc::clone(&answer), Arc::clone(&heads));
                thread::spawn(move || serve(stream.unwrap(), &*answer, &heads));
            }
        });
        script
    }

    /// The heads of the requests so far, in lower case.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

fn serve(mut stream: TcpStream, answer: &dyn Fn(&str) -> Vec<u8>, heads: &Mutex<Vec<String>>) {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).unwrap_or_default() == 0 {
            return;
        }
        head.extend(byte);
    }
    let head = String::from_utf8(head).unwrap();
    heads.lock().unwrap().push(head.to_lowercase());
    // A client that has read enough hangs up.
    drop(stream.write_all(&answer(&head)));
}

/// An answer with a body.
pub(crate) fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}
