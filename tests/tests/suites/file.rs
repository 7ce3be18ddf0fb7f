//! One Hurl file over one protocol.

use std::path::Path;
use std::time::Duration;
use std::{fmt, fs};

use anyhow::{Context, Result, bail, ensure};
use hurl::http::{HttpVersion, RequestedHttpVersion};
use hurl::runner::{self, HurlResult, RunnerOptionsBuilder, Value, VariableSet};
use hurl::util::logger::LoggerOptionsBuilder;
use hurl::util::path::ContextDir;
use hurl_core::error::DisplaySourceError;
use hurl_core::input::Input;

use crate::mesh::Mesh;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// In clear text.
    Http1,
    /// Over TLS.
    Http2,
}

const TIMEOUT: Duration = Duration::from_secs(20);

/// Runs the file; where it fails, Hurl shows the lines on standard error.
pub(crate) fn run(mesh: &Mesh, path: &Path, protocol: Protocol) -> Result<()> {
    let content = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let (url, requested) = match protocol {
        Protocol::Http1 => (mesh.clear_url()?, RequestedHttpVersion::Http11),
        Protocol::Http2 => (mesh.tls_url()?, RequestedHttpVersion::Http2),
    };
    let mut variables = VariableSet::new();
    variables.insert("url".to_owned(), Value::String(url.clone()));
    variables.insert("admin".to_owned(), Value::String(mesh.admin_url()));
    let folder = path.parent().unwrap_or(path);
    let options = RunnerOptionsBuilder::new()
        .http_version(requested)
        .insecure(true)
        .path_as_is(true)
        .timeout(TIMEOUT)
        .context_dir(&ContextDir::new(folder, folder))
        .build();
    let logger = LoggerOptionsBuilder::new().build();
    let outcome = runner::run(&content, Some(&Input::from(path)), &options, &variables, &logger);
    let result = match outcome {
        Ok(result) => result,
        Err(error) => bail!("{} is no Hurl file: {error}", path.display()),
    };
    ensure!(result.success, "{}", failures(&result, path));
    spoke(&result, &url, protocol)
}

fn failures(result: &HurlResult, path: &Path) -> String {
    let errors = result.errors().into_iter().map(|(error, _)| {
        let line = error.source_info().start.line;
        format!("{}:{line}: {}", path.display(), error.description())
    });
    errors.collect::<Vec<_>>().join("\n")
}

/// Whether what went to Envoy's listener really was of this protocol.
fn spoke(result: &HurlResult, url: &str, protocol: Protocol) -> Result<()> {
    let expected = match protocol {
        Protocol::Http1 => HttpVersion::Http11,
        Protocol::Http2 => HttpVersion::Http2,
    };
    for call in result.entries.iter().flat_map(|entry| &entry.calls) {
        let to_listener = call.request.url.to_string().starts_with(url);
        let version = call.response.version;
        ensure!(!to_listener || version == expected, "{} was answered over {version}", call.request.url);
    }
    Ok(())
}

impl fmt::Display for Protocol {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Http1 => "http1",
            Self::Http2 => "http2",
        })
    }
}
