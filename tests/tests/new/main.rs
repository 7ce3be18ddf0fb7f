//! `palisade new`: from the program alone, in an empty directory, to a filter whose tests pass.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use palisade_testbed::checkout;
use tempfile::TempDir;

const CARGO: &str = env!("CARGO");

/// The program, and what else a new filter looks for, in a directory that holds nothing of this checkout.
struct Desk {
    folder: TempDir,
    target: PathBuf,
}

impl Desk {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let root = checkout::root().unwrap();
        let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        // As `cargo palisade` builds it.
        let mut build = Command::new(CARGO);
        build.current_dir(&root).args(["build", "--locked", "--quiet", "--package", "palisade"]);
        succeeded(&build.output().unwrap());
        for directory in ["bin", "empty"] {
            fs::create_dir(folder.path().join(directory)).unwrap();
        }
        symlink(target.join("debug/palisade"), folder.path().join("bin/palisade")).unwrap();
        Self { folder, target }
    }

    fn command(&self, program: &str, directory: &str) -> Command {
        let own = self.folder.path().join("bin").into_os_string();
        let path = [own, OsString::from(":"), env::var_os("PATH").unwrap()].into_iter().collect::<OsString>();
        let mut command = Command::new(program);
        // What is compiled is kept for the next time.
        command.current_dir(self.path(directory)).env("CARGO_TARGET_DIR", self.target.join("new")).env("PATH", path);
        command.env("ENVOY", checkout::envoy().unwrap()).env("HURL", env!("CARGO_BIN_EXE_hurl")).env_remove("CARGO");
        command
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

#[track_caller]
fn succeeded(output: &Output) -> String {
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{}\n{told}", String::from_utf8_lossy(&output.stdout));
    told
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

#[test]
fn a_new_filter_passes_its_tests_at_once_on_envoy_too() {
    let desk = Desk::new();
    succeeded(&desk.command("sh", "empty").args(["-c", "umask 027 && palisade new tenant-check"]).output().unwrap());
    let filter = "empty/tenant-check";
    for (path, mode) in [("", 0o750), ("sdk", 0o750), ("README.md", 0o640), ("scripts/test", 0o750)] {
        let metadata = fs::metadata(desk.path(filter).join(path)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, mode, "{path}");
    }
    assert_eq!(fs::read_dir(desk.path("empty")).unwrap().count(), 1, "nothing else is left");
    let root = checkout::root().unwrap().display().to_string();
    for file in files_below(&desk.path(filter)) {
        let text = fs::read_to_string(&file).unwrap();
        assert!(!text.contains(&root), "{} names a path of this machine", file.display());
    }
    let told = succeeded(&desk.command("scripts/test", filter).output().unwrap());
    assert!(told.contains("== suite on Envoy: "), "{told}");
    for made in
        ["modules/tenant_check.wasm", "schemas/tenant_check.json", "sboms/tenant_check.cdx.json", "palisade.lock"]
    {
        assert!(desk.path(filter).join("dist").join(made).is_file(), "{made}");
    }

    // A suite that is not met is noticed.
    let suite = desk.path(filter).join("suite/tenant_check.hurl");
    fs::write(&suite, fs::read_to_string(&suite).unwrap().replace("HTTP 403", "HTTP 200")).unwrap();
    let mut command = desk.command("python3", filter);
    command
        .arg("suite/envoy.py")
        .arg(checkout::envoy().unwrap())
        .args(["dist/envoy/tenant_check.local.yaml", "dist/modules"]);
    command.args([env!("CARGO_BIN_EXE_hurl"), "--variable", "url={url}", "--variable", "admin={admin}"]);
    let output = command.arg("suite/tenant_check.hurl").output().unwrap();
    assert!(!output.status.success() && String::from_utf8_lossy(&output.stderr).contains("tenant_check.hurl"));
}

/// By the lines of its own README.
#[test]
fn a_filter_takes_a_newer_library() {
    let desk = Desk::new();
    succeeded(&desk.command("palisade", "empty").args(["new", "tenant-check"]).output().unwrap());
    let filter = desk.path("empty/tenant-check");
    let read = |path: &str| fs::read_to_string(filter.join(path)).unwrap();
    let (sources, lock, readme) = (read("sdk/src/lib.rs"), read("Cargo.lock"), read("README.md"));
    fs::write(filter.join("sdk/src/lib.rs"), "an older one").unwrap();
    fs::write(filter.join("sdk/src/gone.rs"), "an older one's").unwrap();
    let library = |version| format!("name = \"palisade-sdk\"\nversion = \"{version}\"");
    let older = lock.replace(&library(env!("CARGO_PKG_VERSION")), &library("0.0.1"));
    assert_ne!(older, lock);
    fs::write(filter.join("Cargo.lock"), older).unwrap();
    let lines: Vec<_> = readme.lines().skip_while(|line| !line.starts_with("A newer library")).collect();
    let lines: Vec<_> = lines.iter().filter_map(|line| line.strip_prefix("    ")).collect();
    assert_eq!(lines.len(), 2, "{readme}");
    let mut command = desk.command("sh", "empty/tenant-check");
    succeeded(&command.arg("-ec").arg(lines.join("\n")).env("TMPDIR", desk.path("")).output().unwrap());
    assert_eq!((read("sdk/src/lib.rs"), read("Cargo.lock")), (sources, lock));
    assert!(!filter.join("sdk/src/gone.rs").exists());
}

#[test]
fn what_is_there_already_is_left_as_it_is() {
    let desk = Desk::new();
    fs::create_dir(desk.path("empty/mine")).unwrap();
    let output = desk.command("palisade", "empty").args(["new", "mine"]).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("mine is there already"));
    assert_eq!(files_below(&desk.path("empty")), Vec::<PathBuf>::new());
}
