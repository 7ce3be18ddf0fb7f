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

/// The protocol between Hurl and Envoy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, which libcurl speaks only over TLS, after it was negotiated.
    Http2,
}

/// The Envoy that a file runs against.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its listener for the protocol: the variable `{{url}}`.
    pub url: String,
    /// Its admin interface, where it can be reached: the variable `{{admin}}`.
    pub admin: Option<String>,
    /// What no response of it may hold.
    pub hidden: Vec<String>,
}

const TIMEOUT: Duration = Duration::from_secs(20);

/// Runs the file; where it fails, Hurl shows the lines on standard error.
///
/// # Errors
///
/// A file that cannot be read, each assertion that does not hold, an answer over another protocol, or one with something that is to
/// be hidden.
pub fn run(path: &Path, protocol: Protocol, target: &Target) -> Result<()> {
    let content = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let requested = match protocol {
        Protocol::Http1 => RequestedHttpVersion::Http11,
        Protocol::Http2 => RequestedHttpVersion::Http2,
    };
    let mut variables = VariableSet::new();
    variables.insert("url".to_owned(), Value::String(target.url.clone()));
    variables.insert("protocol".to_owned(), Value::String(protocol.to_string()));
    if let Some(admin) = &target.admin {
        variables.insert("admin".to_owned(), Value::String(admin.clone()));
    }
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
    hides(&result, target)?;
    spoke(&result, &target.url, protocol)
}

fn failures(result: &HurlResult, path: &Path) -> String {
    let errors = result.errors().into_iter().map(|(error, _)| {
        let line = error.source_info().start.line;
        format!("{}:{line}: {}", path.display(), error.description())
    });
    errors.collect::<Vec<_>>().join("\n")
}

/// Whether nothing that is to be hidden came from Envoy's listener.
fn hides(result: &HurlResult, Target { url, hidden, .. }: &Target) -> Result<()> {
    for call in result.entries.iter().flat_map(|entry| &entry.calls) {
        if !call.request.url.to_string().starts_with(url.as_str()) {
            continue;
        }
        let head: String =
            call.response.headers.iter().map(|header| format!("{}: {}\n", header.name, header.value)).collect();
        let response = format!("{head}\n{}", String::from_utf8_lossy(&call.response.body));
        let shown = hidden.iter().find(|hidden| response.contains(hidden.as_str()));
        ensure!(shown.is_none(), "{} was answered with {shown:?}: {response}", call.request.url);
    }
    Ok(())
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
