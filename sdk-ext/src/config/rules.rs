//! Rules: the first that matches a request says what a filter does.

use super::{FromConfig, FromFields, Node, Object};
use crate::matching::{Attributes, Matcher, RequestView, Verdict};

/// The fields `rules` and `rule_by_route` of a filter's config.
///
/// `default`, for requests that no rule matches, is the filter's own field: only the filter knows whether it must be
/// there.
///
/// ```
/// use palisade_sdk::config::{self, FromFields, Object, Percent, Rules};
///
/// struct Config {
///     rules: Rules<Sample>,
///     default: Sample,
/// }
///
/// struct Sample(Percent);
///
/// impl FromFields for Config {
///     fn from_fields(object: &mut Object<'_>) -> Option<Self> {
///         let rules = Rules::from_fields(object);
///         let default = object.required("default");
///         Some(Self { rules: rules?, default: default? })
///     }
/// }
///
/// impl FromFields for Sample {
///     fn from_fields(object: &mut Object<'_>) -> Option<Self> {
///         object.required("sample").map(Self)
///     }
/// }
///
/// let config: Config = config::parse(
///     br#"{"rules": [{"name": "health", "match": {"path": {"prefix": "/healthz"}}, "sample": "0%"}],
///          "default": {"sample": "1%"}}"#,
/// )?;
/// assert_eq!(config.rules.iter().next().map(|rule| rule.label()), Some("health"));
/// # Ok::<(), config::ConfigErrors>(())
/// ```
#[derive(Debug, Clone)]
pub struct Rules<T> {
    rules: Vec<Rule<T>>,
    by_route: bool,
}

/// One rule: the fields `name` and `match`, and those of `T` in the same object.
#[derive(Debug, Clone)]
pub struct Rule<T> {
    index: usize,
    label: String,
    is_named: bool,
    matcher: Matcher,
    /// What to do with a request that the rule matches.
    pub action: T,
}

/// What the rules say about one request.
#[derive(Debug)]
pub struct Choice<'r, T> {
    /// The rule, if there is one.
    pub outcome: Outcome<'r, T>,
    /// Whether a rule was passed over because the request has more than one of a header, query parameter or cookie
    /// that its matcher reads.
    pub ambiguous: bool,
}

/// Which rule is in force.
#[derive(Debug)]
pub enum Outcome<'r, T> {
    /// The first rule that matches, or the one that the route names.
    Rule(&'r Rule<T>),
    /// No rule matches.
    Default,
    /// The route or its virtual host names a rule that does not exist.
    UnknownName,
}

// === impl Rules ===

impl<T> Rules<T> {
    /// The rule for a request.
    ///
    /// With `rule_by_route: true`, the metadata of the route, else of its virtual host, may name it:
    /// `filter_metadata: {palisade: {<filter>: "<rule>"}}`.
    ///
    /// # Errors
    ///
    /// When the host refuses to answer.
    pub fn choose<A: Attributes>(&self, filter: &str, request: &RequestView<'_, A>) -> Result<Choice<'_, T>, A::Error> {
        if let Some(outcome) = self.by_route(filter, request)? {
            return Ok(Choice { outcome, ambiguous: false });
        }
        let mut ambiguous = false;
        for rule in &self.rules {
            match rule.matcher.evaluate(request)? {
                Verdict::Match => {
                    return Ok(Choice { outcome: Outcome::Rule(rule), ambiguous });
                }
                Verdict::NoMatch => {}
                Verdict::Ambiguous => ambiguous = true,
            }
        }
        Ok(Choice { outcome: Outcome::Default, ambiguous })
    }

    /// The rules in the order of the config.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Rule<T>> {
        self.rules.iter()
    }

    fn by_route<A: Attributes>(
        &self,
        filter: &str,
        request: &RequestView<'_, A>,
    ) -> Result<Option<Outcome<'_, T>>, A::Error> {
        if !self.by_route {
            return Ok(None);
        }
        Ok(request.named_by_route(filter)?.map(|name| {
            let named = self.rules.iter().find(|rule| rule.name().is_some_and(|known| known.as_bytes() == &*name));
            named.map_or(Outcome::UnknownName, Outcome::Rule)
        }))
    }
}

impl<T: FromFields> FromFields for Rules<T> {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let mut labels = Vec::new();
        let rules = object.optional_with("rules", |node| node.list(|node| Rule::read(node, &mut labels)));
        let by_route = object.optional("rule_by_route");
        Some(Self { rules: rules?.unwrap_or_default(), by_route: by_route?.unwrap_or(false) })
    }
}

// === impl Rule ===

impl<T> Rule<T> {
    /// The place in the list, counted from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The name that the config gives the rule.
    pub fn name(&self) -> Option<&str> {
        self.is_named.then_some(&self.label)
    }

    /// Which requests the rule is about.
    pub fn matcher(&self) -> &Matcher {
        &self.matcher
    }

    /// The name, or `rule_<index>` where there is none; no two rules of a config have the same.
    pub fn label(&self) -> &str {
        &self.label
    }
}

impl<T: FromFields> Rule<T> {
    fn read(node: Node<'_>, labels: &mut Vec<String>) -> Option<Self> {
        node.object(|object| {
            let index = labels.len();
            let name = object.optional_with("name", rule_name);
            let label = name.clone().flatten().unwrap_or_else(|| ["rule_", &index.to_string()].concat());
            let taken = labels.contains(&label);
            if taken {
                object.error_at::<()>("name", &["\"", &label, "\" is already the name of another rule"].concat());
            }
            labels.push(label.clone());
            let matcher = object.optional("match");
            let action = T::from_fields(object);
            let rule = Self {
                index,
                label,
                is_named: name?.is_some(),
                matcher: matcher?.unwrap_or_default(),
                action: action?,
            };
            (!taken).then_some(rule)
        })
    }
}

/// A name that can stand in a metric, in a log line and in a route's metadata.
fn rule_name(node: Node<'_>) -> Option<String> {
    let name = String::from_config(node)?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if name == "default" {
        node.error("\"default\" names what happens where no rule matches; choose another name")
    } else if (1..=64).contains(&name.len()) && name.bytes().all(allowed) {
        Some(name)
    } else {
        node.error("expected a name of 1 to 64 letters, digits, \"_\" or \"-\"")
    }
}

#[cfg(test)]
mod tests;
