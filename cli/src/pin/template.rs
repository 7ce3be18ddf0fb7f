//! A template: an Envoy config with `vm_config: !pin MODULE` where a module is loaded and `stats_tags: !pin labels` in
//! its `stats_config`. `vm_config: !pin MODULE env NAME...` hands these variables of Envoy's own environment on to the module.
//! Everything else, comments included, is kept as it is, but for the lines between `# !pin remote only` and `# !pin end`,
//! which only a config with remote code needs.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use super::stats_tags::stats_tags;
use crate::lock::{Lock, Module};

/// Where a config with local code expects the modules.
pub const MODULE_DIRECTORY: &str = "/etc/palisade/modules";

const DIRECTIVE: &str = "!pin";

/// The releases of Envoy that understand a config: they differ in where a module's capabilities stand.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Releases {
    /// 1.36 to 1.39, which know the list beside `vm_config` only.
    Since1_36,
    /// 1.40 and later, where that place is deprecated: the list is part of `vm_config`.
    Since1_40,
}

impl Releases {
    pub(super) const ALL: [Self; 2] = [Self::Since1_40, Self::Since1_36];

    /// The folder in `dist/` for these configs.
    pub(super) fn directory(self) -> &'static str {
        match self {
            Self::Since1_36 => "envoy-1.36",
            Self::Since1_40 => "envoy",
        }
    }
}

/// How a config obtains its modules.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Variant {
    /// Fetched by Envoy, which checks the hash.
    Remote,
    /// From a file, which Envoy does not check.
    Local,
}

impl Variant {
    pub(super) fn file_name(self, template: &Path) -> String {
        let stem = template.file_stem().unwrap_or_default().to_string_lossy();
        match self {
            Self::Remote => format!("{stem}.yaml"),
            Self::Local => format!("{stem}.local.yaml"),
        }
    }

    fn code(self, module: &Module) -> String {
        let Module { name, sha256, .. } = module;
        match self {
            Self::Remote => format!(
                "\
remote:
  http_uri:
    uri: http://palisade-modules/{file}
    cluster: palisade_modules
    timeout: 10s
  sha256: \"{sha256}\"
  # Envoy starts without the module once these are used up, and answers 503 from then on.
  retry_policy:
    retry_back_off: {{base_interval: 1s, max_interval: 10s}}
    num_retries: 10
",
                file = module.file
            ),
            Self::Local => format!(
                "\
local:
  # Envoy does not check a local file: compare it before Envoy starts,
  #   echo '{sha256}  {MODULE_DIRECTORY}/{name}.wasm' | sha256sum --check
  filename: {MODULE_DIRECTORY}/{name}.wasm
"
            ),
        }
    }
}

/// The config that `template` describes.
pub(super) fn render(template: &str, releases: Releases, variant: Variant, lock: &Lock) -> Result<String> {
    let mut config =
        "# Written by `cargo palisade pin` from the template of this name in envoy/: change that.\n".to_string();
    let mut remote_only = None;
    for (text, number) in template.lines().zip(1..) {
        match Line::read(text).with_context(|| format!("line {number}"))? {
            Line::RemoteOnly => {
                ensure!(remote_only.is_none(), "line {number}: a `# {DIRECTIVE} remote only` within another");
                remote_only = Some(number);
            }
            Line::End => {
                ensure!(remote_only.take().is_some(), "line {number}: `# {DIRECTIVE} end` ends nothing");
            }
            _ if remote_only.is_some() && variant == Variant::Local => {}
            Line::Text => {
                config.push_str(text);
                config.push('\n');
            }
            Line::Module { indent, name, variables } => {
                let module = lock.module(name).with_context(|| unknown_module(number, name, lock))?;
                ensure!(
                    variables.is_empty() || reads_environment(module),
                    "line {number}: `{name}` reads no environment; leave out `env {}`",
                    variables.join(" ")
                );
                push_indented(&mut config, indent, &vm_config(module, &variables, releases, variant));
            }
            Line::Labels { indent } => push_indented(&mut config, indent, &stats_tags(lock)),
        }
    }
    if let Some(number) = remote_only {
        bail!("line {number}: `# {DIRECTIVE} remote only` has no `# {DIRECTIVE} end`");
    }
    Ok(config)
}

enum Line<'a> {
    Text,
    Module { indent: &'a str, name: &'a str, variables: Vec<&'a str> },
    Labels { indent: &'a str },
    RemoteOnly,
    End,
}

impl<'a> Line<'a> {
    fn read(line: &'a str) -> Result<Self> {
        if !line.contains(DIRECTIVE) {
            return Ok(Self::Text);
        }
        let words: Vec<_> = line.split_whitespace().collect();
        match words[..] {
            ["vm_config:", DIRECTIVE, name] => {
                Ok(Self::Module { indent: indent_of(line), name, variables: Vec::new() })
            }
            ["vm_config:", DIRECTIVE, name, "env", ref variables @ ..]
                if variables.iter().all(|name| is_variable(name)) =>
            {
                Ok(Self::Module { indent: indent_of(line), name, variables: variables.to_vec() })
            }
            ["stats_tags:", DIRECTIVE, "labels"] => Ok(Self::Labels { indent: indent_of(line) }),
            ["#", DIRECTIVE, "remote", "only"] => Ok(Self::RemoteOnly),
            ["#", DIRECTIVE, "end"] => Ok(Self::End),
            _ => bail!(
                "`{}` is none of `vm_config: {DIRECTIVE} MODULE`, `vm_config: {DIRECTIVE} MODULE env NAME...`, `stats_tags: {DIRECTIVE} labels`, `# {DIRECTIVE} remote only` and `# {DIRECTIVE} end`",
                line.trim()
            ),
        }
    }
}

fn indent_of(line: &str) -> &str {
    let (indent, _) = line.split_at(line.len().saturating_sub(line.trim_start().len()));
    indent
}

fn unknown_module(line: u32, name: &str, lock: &Lock) -> String {
    let known: Vec<_> = lock.modules().iter().map(|module| module.name.as_str()).collect();
    format!("line {line}: the lock has no module `{name}`, it has {}", known.join(", "))
}

/// The name of an environment variable, which YAML takes as it is.
fn is_variable(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_');
    first && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn reads_environment(module: &Module) -> bool {
    module.host_functions().any(|function| function == "environ_get")
}

/// The field `vm_config` and, beside it or within, the list of capabilities.
fn vm_config(module: &Module, variables: &[&str], releases: Releases, variant: Variant) -> String {
    let mut text = format!(
        "\
vm_config:
  # {name} {version}, {size} bytes
  vm_id: {name}
  runtime: envoy.wasm.runtime.v8
  code:
",
        name = module.name,
        version = module.version,
        size = module.size,
    );
    push_indented(&mut text, "    ", &variant.code(module));
    if !variables.is_empty() {
        push_indented(&mut text, "  ", &environment(variables));
    }
    let indent = match releases {
        Releases::Since1_36 => "",
        Releases::Since1_40 => "  ",
    };
    push_indented(&mut text, indent, &capabilities(module));
    text
}

fn environment(variables: &[&str]) -> String {
    format!(
        "\
environment_variables:
  # from Envoy's own environment; a config that names one which is not set there is refused
  host_env_keys: [{}]
",
        variables.join(", ")
    )
}

fn capabilities(module: &Module) -> String {
    let mut text = "\
capability_restriction_config:
  allowed_capabilities:
    # the host functions that it calls
"
    .to_string();
    push_capabilities(&mut text, module.host_functions());
    text.push_str("    # its callbacks: Envoy does not call one that is missing here, and requests pass unfiltered\n");
    push_capabilities(&mut text, module.callbacks());
    text
}

fn push_capabilities<'a>(text: &mut String, names: impl Iterator<Item = &'a str>) {
    for name in names {
        let _ = writeln!(text, "    {name}: {{}}");
    }
}

fn push_indented(text: &mut String, indent: &str, lines: &str) {
    for line in lines.lines() {
        let _ = writeln!(text, "{indent}{line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::Import;

    #[test]
    fn comments_survive_and_the_module_takes_the_placeholder_s_indent() {
        let config =
            render("a: 1 # why\n    vm_config: !pin probe\n# end\n", Releases::Since1_40, Variant::Remote, &lock())
                .unwrap();
        assert_eq!(
            config,
            "\
# Written by `cargo palisade pin` from the template of this name in envoy/: change that.
a: 1 # why
    vm_config:
      # probe 1.2.3, 7 bytes
      vm_id: probe
      runtime: envoy.wasm.runtime.v8
      code:
        remote:
          http_uri:
            uri: http://palisade-modules/modules/probe.wasm
            cluster: palisade_modules
            timeout: 10s
          sha256: \"00ff\"
          # Envoy starts without the module once these are used up, and answers 503 from then on.
          retry_policy:
            retry_back_off: {base_interval: 1s, max_interval: 10s}
            num_retries: 10
      capability_restriction_config:
        allowed_capabilities:
          # the host functions that it calls
          proxy_log: {}
          # its callbacks: Envoy does not call one that is missing here, and requests pass unfiltered
          proxy_on_log: {}
# end
"
        );
    }

    #[test]
    fn variables_of_the_environment_are_handed_on_by_name() {
        let mut module = lock().modules()[0].clone();
        let import =
            |name: &str| Import { module: "wasi_snapshot_preview1".into(), name: name.into(), callers: Vec::new() };
        module.imports.extend([import("environ_get"), import("environ_sizes_get")]);
        let lock = Lock::new(vec![module]);
        for (releases, variant) in [(Releases::Since1_40, Variant::Remote), (Releases::Since1_36, Variant::Local)] {
            let config = render("  vm_config: !pin probe env A_KEY B2\n", releases, variant, &lock).unwrap();
            assert!(config.contains("\n    environment_variables:\n      # from"), "{config}");
            assert!(config.contains("\n      host_env_keys: [A_KEY, B2]\n"), "{config}");
            assert!(config.contains(" environ_get: {}\n"), "{config}");
            let config = render("  vm_config: !pin probe\n", releases, variant, &lock).unwrap();
            assert!(!config.contains("environment_variables"), "{config}");
        }
    }

    #[test]
    fn variables_for_a_module_that_reads_none_are_refused() {
        assert_eq!(
            refusal("vm_config: !pin probe env A_KEY"),
            "line 1: `probe` reads no environment; leave out `env A_KEY`"
        );
    }

    #[test]
    fn older_releases_have_the_capabilities_beside_the_module() {
        let config = render("  vm_config: !pin probe\n", Releases::Since1_36, Variant::Local, &lock()).unwrap();
        let list =
            "\n  capability_restriction_config:\n    allowed_capabilities:\n      # the host functions that it calls\n";
        assert!(config.contains(list), "{config}");
    }

    #[test]
    fn stats_tags_are_the_labels_of_all_modules() {
        let template = "stats_config:\n  stats_tags: !pin labels\n";
        let config = render(template, Releases::Since1_40, Variant::Local, &lock()).unwrap();
        let (_, config) = config.split_once('\n').unwrap();
        assert_eq!(
            config,
            r"stats_config:
  stats_tags:
  - tag_name: config
    regex: '^wasmcustom\.palisade\..*(;config=([^;]*))'
  - tag_name: tier
    regex: '^wasmcustom\.palisade\..*(;tier=([^;]*))'
"
        );
        let config = render(template, Releases::Since1_40, Variant::Remote, &Lock::new(Vec::new())).unwrap();
        assert!(config.ends_with("stats_config:\n  stats_tags: []\n"), "{config}");
    }

    #[test]
    fn a_local_config_has_no_part_that_is_for_remote_code_only() {
        let template = "a: 1\n# !pin remote only\nb: 2\n# !pin end\nvm_config: !pin probe\n";
        let local = render(template, Releases::Since1_40, Variant::Local, &lock()).unwrap();
        assert!(!local.contains("b: 2") && !local.contains("!pin"), "{local}");
        assert!(local.contains("filename: /etc/palisade/modules/probe.wasm\n"), "{local}");
        assert!(
            render(template, Releases::Since1_40, Variant::Remote, &lock()).unwrap().contains("\nb: 2\nvm_config:\n")
        );
    }

    #[test]
    fn a_placeholder_for_a_module_that_is_not_in_the_lock_is_refused() {
        assert_eq!(refusal("\nvm_config: !pin prob\n"), "line 2: the lock has no module `prob`, it has probe");
    }

    #[test]
    fn a_directive_that_is_not_understood_is_refused() {
        for template in [
            "code: !pin probe",
            "vm_config: !pin",
            "# !pin remote onyl",
            "vm_config: {a: !pin probe}",
            "vm_config: !pin probe A_KEY",
            "vm_config: !pin probe env A-KEY",
            "vm_config: !pin probe env 9",
            "stats_tags: !pin probe",
        ] {
            assert!(refusal(template).contains("is none of `vm_config: !pin MODULE`"), "{template}");
        }
        assert!(refusal("# !pin end").contains("ends nothing"));
        assert!(refusal("a: 1\n# !pin remote only").contains("line 2: `# !pin remote only` has no"));
        assert!(refusal("# !pin remote only\n# !pin remote only").contains("within another"));
    }

    fn refusal(template: &str) -> String {
        format!("{:#}", render(template, Releases::Since1_40, Variant::Remote, &lock()).unwrap_err())
    }

    fn lock() -> Lock {
        Lock::new(vec![Module {
            name: "probe".into(),
            version: "1.2.3".into(),
            file: "modules/probe.wasm".into(),
            sha256: "00ff".into(),
            size: 7,
            toolchain: "rustc".into(),
            exports: vec!["malloc".into(), "proxy_on_log".into()],
            imports: vec![Import { module: "env".into(), name: "proxy_log".into(), callers: vec!["log".into()] }],
            labels: vec!["tier".into(), "config".into()],
        }])
    }
}
