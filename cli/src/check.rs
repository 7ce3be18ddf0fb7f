//! The check of a filter's config: by the code that reads it in the module, and without a proxy.

use std::path::Path;

use anyhow::{Context, Result, anyhow};
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::catalog::Filter;
use crate::file;

/// Reads a filter's config, YAML or JSON, as the filter does. What only a host can tell, such as whether a variable of the
/// environment is set, stays open.
///
/// # Errors
///
/// A file that is neither, or everything that is wrong with the config, each with its path.
pub fn check(filter: &Filter, config: &Path) -> Result<()> {
    let text = file::read_text(config)?;
    let json = json_of(&text).with_context(|| format!("{} is neither JSON nor YAML", config.display()))?;
    (filter.check)(json.as_bytes()).map_err(|errors| {
        let lines: Vec<_> = errors.iter().map(|(path, what)| format!("{path}: {what}")).collect();
        anyhow!("{} is no config of {}:\n  {}", config.display(), filter.name, lines.join("\n  "))
    })
}

/// JSON as it is, so that the filter itself tells what is wrong with it; YAML as the JSON that it stands for. What looks like
/// JSON and is neither is taken for JSON.
fn json_of(text: &str) -> Result<String> {
    if text.trim().is_empty() || serde_json::from_str::<IgnoredAny>(text).is_ok() {
        return Ok(text.to_owned());
    }
    match serde_saphyr::from_str::<Value>(text) {
        Ok(value) => Ok(value.to_string()),
        Err(_) if text.trim_start().starts_with(['{', '[']) => Ok(text.to_owned()),
        Err(error) => Err(error.into()),
    }
}
