//! A house to work in: templates, and a dist directory with two small modules.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use palisade::catalog;
use palisade::lock::{Lock, Module};
use palisade::pin::{self, Images};
use palisade::wasm::Interface;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// A directory with `envoy/`, and `dist/` with modules and their lock: `probe` and `trace_sampler`, where it is not said.
pub(crate) struct House {
    directory: TempDir,
}

impl House {
    pub(crate) fn new() -> Self {
        let house = Self::of(&[("probe".to_owned(), MODULE.to_owned()), ("trace_sampler".to_owned(), variant(1))]);
        house.write("envoy/probe.yaml", TEMPLATE);
        house
    }

    /// With the templates that ship, and a module of the name of each that they load.
    pub(crate) fn shipped() -> Self {
        let reads_environment = |text: String| text.replacen("proxy_log\"", "environ_get\"", 1);
        let modules = catalog::FILTERS.iter().zip(1..);
        let modules: Vec<_> =
            modules.map(|(filter, number)| (filter.module(), reads_environment(variant(number)))).collect();
        let house = Self::of(&modules);
        for template in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../envoy")).unwrap() {
            let template = template.unwrap();
            let name = template.file_name().into_string().unwrap();
            if name.ends_with(".yaml") {
                house.write(&format!("envoy/{name}"), fs::read(template.path()).unwrap());
            }
        }
        house
    }

    fn of(modules: &[(String, String)]) -> Self {
        let house = Self { directory: TempDir::new().unwrap() };
        let modules: Vec<_> = modules.iter().map(|(name, text)| house.module(name, text)).collect();
        house.write("dist/palisade.lock", serde_json::to_vec(&Lock::new(modules)).unwrap());
        house.sum();
        house
    }

    /// Writes the sums of what is in `dist/` now.
    pub(crate) fn sum(&self) {
        let modules = self.modules();
        let of_module = |name| [format!("modules/{name}.wasm"), format!("sboms/{name}.cdx.json"), provenance(name)];
        let names = modules.iter().flat_map(|name| of_module(name)).chain(["palisade.lock".to_owned()]);
        let line = |name| Some(format!("{}  {name}\n", sha256(&fs::read(self.path("dist").join(&name)).ok()?)));
        self.write("dist/SHA256SUMS", names.filter_map(line).collect::<String>());
    }

    /// The names of the modules.
    pub(crate) fn modules(&self) -> Vec<String> {
        let lock = Lock::read(&self.path("dist")).unwrap();
        lock.modules().iter().map(|module| module.name.clone()).collect()
    }

    fn module(&self, name: &str, text: &str) -> Module {
        let bytes = wat::parse_str(text).unwrap();
        let interface = Interface::read(&bytes).unwrap();
        let module = Module {
            name: name.into(),
            version: "1.2.3".into(),
            file: format!("modules/{name}.wasm"),
            sha256: sha256(&bytes),
            size: bytes.len(),
            toolchain: "wat".into(),
            exports: interface.exports,
            imports: interface.imports,
            labels: vec!["tier".into()],
        };
        self.write(&format!("dist/{}", module.file), bytes);
        self.write(&format!("dist/{}", provenance(name)), statement(&module.file, &module.sha256).to_string());
        module
    }

    pub(crate) fn render(&self) {
        pin::render(&self.path("envoy"), &self.path("dist"), &Images::new()).unwrap();
    }

    pub(crate) fn check(&self, config: &str) -> anyhow::Result<Vec<pin::Pinned>> {
        self.write("config.yaml", config);
        pin::check(&[self.path("config.yaml")], &self.path("dist"))
    }

    pub(crate) fn refusal(&self, config: &str) -> String {
        self.check(config).unwrap_err().to_string()
    }

    pub(crate) fn sha256(&self) -> String {
        self.sha256_of("probe")
    }

    pub(crate) fn sha256_of(&self, module: &str) -> String {
        Lock::read(&self.path("dist")).unwrap().module(module).unwrap().sha256.clone()
    }

    pub(crate) fn palisade(&self, arguments: &[&str]) -> Output {
        self.palisade_with(arguments, &[])
    }

    pub(crate) fn palisade_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_palisade"));
        command.env_remove("PALISADE_KEY_PASSWORD").envs(environment.iter().copied());
        command.current_dir(self.directory.path()).args(arguments).output().unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).unwrap();
        fs::write(path, content).unwrap();
    }
}

/// Where the statement of a module is.
pub(crate) fn provenance(module: &str) -> String {
    format!("provenance/{module}.intoto.json")
}

/// The least that a statement about a file says.
pub(crate) fn statement(file: &str, sha256: &str) -> Value {
    let mut statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": file, "digest": {"sha256": sha256}}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {"buildType": "https://builds.example/v1", "externalParameters": {}},
            "runDetails": {"builder": {"id": "https://builds.example"}},
        },
    });
    // The bytes are the same, whatever holds the fields.
    statement.sort_all_objects();
    statement
}

/// [`MODULE`] with other bytes.
fn variant(number: usize) -> String {
    MODULE.replace("(memory", &format!("(global i32 (i32.const {number})) (memory"))
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(crate) const MODULE: &str = r#"(module
  (import "env" "proxy_log" (func $log))
  (import "wasi_snapshot_preview1" "random_get" (func $random))
  (memory (export "memory") 1)
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "malloc") (param i32) (result i32) i32.const 0)
  (func (export "proxy_on_context_create"))
  (func (export "proxy_on_request_headers") call $random)
  (func (export "proxy_on_log") call $log))"#;

const TEMPLATE: &str = r#"
http_filters:
- name: probe # why this filter is here
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
    config:
      name: probe
      failure_policy: FAIL_CLOSED
      vm_config: !pin probe
"#;
