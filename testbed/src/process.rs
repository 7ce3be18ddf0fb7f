//! Process: a child that ends with its owner.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{LazyLock, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::server::lock;

/// A child that is stopped when it is dropped, after a panic too; where the process of its owner is killed, the kernel stops it
/// (through `setpriv --pdeathsig`, where that exists).
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
}

const GRACE: Duration = Duration::from_secs(5);

impl Process {
    /// Starts a program, whose output goes to a log of this name.
    pub fn start(binary: &Path, arguments: Vec<String>, log: PathBuf) -> Result<Self> {
        let output = File::create(&log).with_context(|| format!("writing {}", log.display()))?;
        let mut bound = Command::new("setpriv");
        bound.args(["--pdeathsig", "TERM", "--"]).arg(binary);
        let child = match spawn(prepare(bound, &arguments, &output)?) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                spawn(prepare(Command::new(binary), &arguments, &output)?)
            }
            outcome => outcome,
        };
        let child = child.with_context(|| format!("starting {}", binary.display()))?;
        Ok(Self { child, log })
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it did.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// What it has written so far.
    pub fn log(&self) -> String {
        fs::read(&self.log).map(|log| String::from_utf8_lossy(&log).into_owned()).unwrap_or_default()
    }

    /// Waits until the log holds a line that begins so, and gives the rest of the line.
    pub fn wait_for_line(&mut self, start: &str, timeout: Duration) -> Result<String> {
        let deadline = Instant::now() + timeout;
        loop {
            let log = self.log();
            // The last line may still be on its way.
            let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
            if let Some(rest) = whole.lines().find_map(|line| line.strip_prefix(start)) {
                return Ok(rest.to_owned());
            }
            if let Some(status) = self.exit_status() {
                bail!("it ended ({status}):\n{log}");
            }
            ensure!(Instant::now() < deadline, "no line {start:?} after {timeout:?}:\n{log}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends it at once, without a chance to say goodbye.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    fn terminate(&mut self) -> Option<()> {
        let id = Pid::from_raw(i32::try_from(self.child.id()).ok()?)?;
        kill_process(id, Signal::TERM).ok()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.exit_status().is_some() {
            return;
        }
        let deadline = Instant::now() + GRACE;
        if self.terminate().is_some() {
            while Instant::now() < deadline {
                if self.exit_status().is_some() {
                    return;
                }
                thread::sleep(Duration::from_millis(5));
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn prepare(mut command: Command, arguments: &[String], output: &File) -> Result<Command> {
    command.args(arguments).stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output.try_clone()?);
    Ok(command)
}

/// Starts a command from a thread that lives as long as this process: to the kernel, the parent whose death signals the
/// child is the thread that started it, and a test's own thread ends before others are done with a shared Envoy.
fn spawn(command: Command) -> io::Result<Child> {
    type Order = (Command, Sender<io::Result<Child>>);
    static STARTER: LazyLock<Mutex<Sender<Order>>> = LazyLock::new(|| {
        let (orders, inbox) = channel::<Order>();
        thread::spawn(move || {
            for (mut command, reply) in inbox {
                let _ = reply.send(command.spawn());
            }
        });
        Mutex::new(orders)
    });
    let gone = |_| io::Error::other("the thread that starts processes is gone");
    let (reply, outcome) = channel();
    lock(&STARTER).send((command, reply)).map_err(|_| io::Error::other("the thread that starts processes is gone"))?;
    outcome.recv().map_err(gone)?
}
