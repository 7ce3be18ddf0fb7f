//! Envoy with a group's configuration, its upstream and its module server, of which a config with files knows nothing.

use crate::local;
use crate::other_module::OtherModule;
use anyhow::{Context, Result, ensure};
use palisade_testbed::envoy::config::plugin_mut;
use palisade_testbed::{Envoy, Idp, ModuleServer, Upstream, checkout};
use palisade_tests::group::Group;
use palisade_tests::hurl_file::{Protocol, Target};
use serde_json::{Value, json};

/// A running mesh. Envoy's `ingress` listens twice: in clear text, and with TLS for HTTP/2, which libcurl speaks only after
/// it was negotiated.
pub(crate) struct Mesh {
    envoy: Envoy,
    _idp: Option<Idp>,
    _upstream: Upstream,
    _modules: ModuleServer,
    hidden: Vec<String>,
}

const CLEAR: &str = "ingress";
const TLS: &str = "ingress_tls";

impl Mesh {
    pub(crate) fn start(
        Group { suite, configuration, hidden, .. }: &Group,
        module: Option<&OtherModule>,
    ) -> Result<Self> {
        let upstream = Upstream::start()?;
        let built = module.map(OtherModule::built).transpose()?;
        let modules = match built {
            Some(built) => ModuleServer::start(&built.folder)?,
            None => ModuleServer::start(checkout::root()?.join("dist/modules"))?,
        };
        let builder = if local::is_local(&suite.config) {
            local::pinned(&suite.config)?
        } else {
            Envoy::pinned(&suite.config)?.cluster("palisade_modules", modules.addr())?
        };
        let mut builder = builder.cluster("upstream", upstream.addr())?;
        let idp = suite.idp.as_ref().map(|_| Idp::start()).transpose()?;
        if let (Some(idp), Some(keys)) = (&idp, &suite.idp) {
            idp.keys(keys);
            builder = builder.cluster("idp", idp.addr())?;
        }
        if !suite.environment.is_empty() {
            builder = builder.edit(|bootstrap| {
                let plugin = plugin_mut(bootstrap, &suite.plugin).context("the config has no such plugin")?;
                plugin["vm_config"]["environment_variables"] = json!({"key_values": suite.environment});
                Ok(())
            })?;
        }
        if let Some(configuration) = configuration {
            builder = builder.plugin_configuration(&suite.plugin, configuration)?;
        }
        if let Some(built) = built {
            builder = builder.edit(|bootstrap| built.load(bootstrap, &suite.plugin))?;
            if built.is_fused {
                // Each worker compiles it for seconds.
                builder = builder.concurrency(1);
            }
        }
        let envoy = builder.edit(add_tls_listener)?.start()?;
        if let Some(built) = built {
            ensure!(modules.fetches(&built.file()) > 0, "Envoy did not fetch {}", built.file());
        }
        Ok(Self { envoy, _idp: idp, _upstream: upstream, _modules: modules, hidden: hidden.clone() })
    }

    pub(crate) fn target(&self, protocol: Protocol) -> Result<Target> {
        let url = match protocol {
            Protocol::Http1 => format!("http://{}", self.envoy.addr(CLEAR)?),
            Protocol::Http2 => format!("https://{}", self.envoy.addr(TLS)?),
        };
        let admin = Some(format!("http://{}", self.envoy.admin_addr()));
        Ok(Target { url, admin, hidden: self.hidden.clone() })
    }
}

/// Adds a copy of the listener that differs in its transport only.
fn add_tls_listener(bootstrap: &mut Value) -> Result<()> {
    let socket = tls()?;
    let listeners = bootstrap["static_resources"]["listeners"].as_array_mut().context("no static listeners")?;
    let clear = listeners.iter().find(|listener| listener["name"] == CLEAR);
    let mut listener = clear.with_context(|| format!("no listener is named {CLEAR:?}"))?.clone();
    listener["name"] = json!(TLS);
    for chain in listener["filter_chains"].as_array_mut().into_iter().flatten() {
        chain["transport_socket"] = socket.clone();
    }
    listeners.push(listener);
    Ok(())
}

fn tls() -> Result<Value> {
    let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    Ok(json!({
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": {
                "alpn_protocols": ["h2"],
                "tls_certificates": [{
                    "certificate_chain": {"inline_string": certificate.cert.pem()},
                    "private_key": {"inline_string": certificate.signing_key.serialize_pem()},
                }],
            },
        },
    }))
}
