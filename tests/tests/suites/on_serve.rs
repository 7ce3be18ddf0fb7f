//! On `palisade serve`: a group's filter in the embedded host, with the modules, the configuration and the route of the pinned config.

use std::fs;

use anyhow::{Context, Result};
use palisade_serve::{Options, Server};
use palisade_testbed::envoy::config::set_plugin_configuration;
use palisade_testbed::{Idp, Upstream, checkout};
use palisade_tests::group::Group;
use palisade_tests::hurl_file::{Protocol, Target};
use serde_json::Value;
use tempfile::TempDir;

/// A running proxy with its upstream.
pub(crate) struct OnServe {
    server: Server,
    _idp: Option<Idp>,
    _upstream: Upstream,
    _folder: TempDir,
    hidden: Vec<String>,
}

/// The clusters of a pinned config that the proxy has by other names.
const OWN: [&str; 2] = ["upstream", "palisade_modules"];

/// Where the connection manager of the listener is configured.
const MANAGER: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";

impl OnServe {
    pub(crate) fn start(Group { suite, configuration, hidden, .. }: &Group) -> Result<Self> {
        let upstream = Upstream::start()?;
        let idp = suite.idp.as_ref().map(|_| Idp::start()).transpose()?;
        if let (Some(idp), Some(keys)) = (&idp, &suite.idp) {
            idp.keys(keys);
        }
        let path = checkout::pinned_configs()?.join(&suite.config);
        let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let mut pinned: Value = serde_saphyr::from_str(&text).with_context(|| format!("in {}", path.display()))?;
        if let Some(configuration) = configuration {
            set_plugin_configuration(&mut pinned, &suite.plugin, configuration)?;
        }
        let folder = tempfile::tempdir()?;
        let write = |name: &str, content: String| {
            let path = folder.path().join(name);
            fs::write(&path, content).map(|()| path.display().to_string())
        };
        let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        let mut arguments = vec![
            ("--upstream", format!("http://{}", upstream.addr())),
            ("--listen", "127.0.0.1:0".to_owned()),
            ("--tls-listen", "127.0.0.1:0".to_owned()),
            ("--tls-certificate", write("certificate.pem", certificate.cert.pem())?),
            ("--tls-key", write("key.pem", certificate.signing_key.serialize_pem())?),
            ("--admin", "127.0.0.1:0".to_owned()),
            ("--route", route(&pinned)),
        ];
        for plugin in plugins(&pinned) {
            let name = plugin["name"].as_str().context("a plugin has no name")?;
            let code = &plugin["vm_config"]["code"]["remote"];
            let uri = code["http_uri"]["uri"].as_str().context("the plugin has no remote code")?;
            let module = checkout::root()?.join("dist/modules").join(uri.rsplit('/').next().unwrap_or_default());
            let configuration = plugin["configuration"]["value"].to_string();
            arguments.extend([
                ("--module", module.display().to_string()),
                ("--sha256", code["sha256"].as_str().unwrap_or_default().to_owned()),
                ("--config", write(&format!("{name}.json"), configuration)?),
                ("--name", name.to_owned()),
            ]);
        }
        for name in clusters(&pinned) {
            let address = match (&idp, name.as_str()) {
                (Some(idp), "idp") => idp.addr().to_string(),
                // As on Envoy, it has no address.
                _ => "127.0.0.1:1".to_owned(),
            };
            arguments.push(("--cluster", format!("{name}=http://{address}")));
        }
        for (name, value) in &suite.environment {
            arguments.push(("--env", format!("{name}={value}")));
        }
        let mut line: Vec<String> = arguments.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect();
        if plugins(&pinned).any(|plugin| plugin["allow_on_headers_stop_iteration"] == true) {
            line.push("--allow-on-headers-stop-iteration".to_owned());
        }
        if pinned.pointer(MANAGER).is_some_and(|manager| manager["normalize_path"] == true) {
            line.push("--normalize-path".to_owned());
        }
        let server = Server::start(Options::from_line(line)?)?;
        Ok(Self { server, _idp: idp, _upstream: upstream, _folder: folder, hidden: hidden.clone() })
    }

    pub(crate) fn target(&self, protocol: Protocol) -> Result<Target> {
        let addresses = self.server.addresses();
        let url = match protocol {
            Protocol::Http1 => format!("http://{}", addresses.clear),
            Protocol::Http2 => format!("https://{}", addresses.tls.context("no TLS")?),
        };
        let admin = addresses.admin.map(|address| format!("http://{address}"));
        Ok(Target { url, admin, hidden: self.hidden.clone() })
    }
}

/// The `PluginConfig` of each filter, the one next to the client first.
fn plugins(pinned: &Value) -> impl Iterator<Item = &Value> {
    let filters = pinned.pointer(MANAGER).and_then(|manager| manager["http_filters"].as_array());
    let plugins = filters.into_iter().flatten().map(|filter| &filter["typed_config"]["config"]);
    plugins.filter(|plugin| plugin.is_object())
}

fn clusters(pinned: &Value) -> Vec<String> {
    let clusters = pinned["static_resources"]["clusters"].as_array().into_iter().flatten();
    let names = clusters.filter_map(|cluster| cluster["name"].as_str());
    names.filter(|name| !OWN.contains(name)).map(str::to_owned).collect()
}

/// The name of the one route.
fn route(pinned: &Value) -> String {
    let manager = pinned.pointer(MANAGER);
    let route = manager.and_then(|manager| manager.pointer("/route_config/virtual_hosts/0/routes/0/name"));
    route.and_then(Value::as_str).unwrap_or_default().to_owned()
}
