//! The check of a filter's config, or of that of a fused module: by the code that reads it in the module, and without a proxy.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use palisade_sdk::config::ConfigErrors;
use palisade_sdk::json;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::catalog::Filter;
use crate::file;
use crate::fuse;
use crate::yaml;

/// Reads a filter's config, YAML or JSON, as the filter does; of several filters, that of the module in which they are fused.
/// What only a host can tell, such as whether a variable of the environment is set, stays open.
///
/// # Errors
///
/// A file that is neither, filters that cannot be fused, or everything that is wrong with the config, each with its path.
pub fn check(filters: &[&Filter], config: &Path) -> Result<()> {
    let text = file::read_text(config)?;
    let json = json_of(config, &text).with_context(|| format!("{} is neither JSON nor YAML", config.display()))?;
    let errors = match filters {
        [filter] => errors_of(filter, json.as_bytes()),
        _ => {
            fuse::ensure_distinct(filters)?;
            errors_of_sections(filters, json.as_bytes())
        }
    };
    let lines: Vec<_> = errors.iter().map(|(path, what)| format!("{path}: {what}")).collect();
    ensure!(lines.is_empty(), "{} is no config of {}:\n  {}", config.display(), names(filters), lines.join("\n  "));
    Ok(())
}

/// Filters as the command line names them.
pub(crate) fn names(filters: &[&Filter]) -> String {
    filters.iter().map(|filter| filter.name).collect::<Vec<_>>().join(",")
}

/// Each with its path.
type Errors = Vec<(String, String)>;

fn errors_of(filter: &Filter, config: &[u8]) -> Errors {
    let errors = (filter.check)(config).err();
    errors.iter().flat_map(ConfigErrors::iter).map(|(path, what)| (path.to_owned(), what.to_owned())).collect()
}

/// The errors in the section of each filter, and in which sections there are.
fn errors_of_sections(filters: &[&Filter], config: &[u8]) -> Errors {
    let of_whole = |what: String| vec![(WHOLE.to_owned(), what)];
    let sections = match json::parse(config) {
        Ok(Value::Object(sections)) => sections,
        Ok(_) => return of_whole("expected an object with a section for each filter".to_owned()),
        Err(error) => return of_whole(format!("not valid JSON: {error}")),
    };
    let mut errors = Errors::new();
    for filter in filters {
        let Some(section) = sections.get(filter.section) else {
            errors.extend(of_whole(format!("missing field {:?}", filter.section)));
            continue;
        };
        let own = errors_of(filter, section.to_string().as_bytes()).into_iter();
        errors.extend(own.map(|(path, what)| {
            (if path == WHOLE { filter.section.to_owned() } else { format!("{}.{path}", filter.section) }, what)
        }));
    }
    let known: Vec<_> = filters.iter().map(|filter| filter.section).collect();
    let unknown = sections.keys().filter(|name| !known.contains(&name.as_str()));
    errors.extend(unknown.map(|name| (name.clone(), format!("unknown field; the filters' are {}", known.join(", ")))));
    errors
}

/// The path of the config as a whole.
const WHOLE: &str = "config";

/// JSON as it is, so that the filter itself tells what is wrong with it; YAML as the JSON that it stands for. A file that is
/// called `.json` is JSON, which the filter reads as it is where it comes as text; of others, what looks like JSON and is
/// neither is taken for JSON.
fn json_of(path: &Path, text: &str) -> Result<String> {
    let is_json = path.extension().is_some_and(|extension| extension == "json");
    if is_json || text.trim().is_empty() || serde_json::from_str::<IgnoredAny>(text).is_ok() {
        return Ok(text.to_owned());
    }
    match yaml::document(text) {
        Ok(value) => Ok(value.to_string()),
        Err(_) if text.trim_start().starts_with(['{', '[']) => Ok(text.to_owned()),
        Err(error) => Err(error),
    }
}
