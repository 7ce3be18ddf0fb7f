//! The script: cases, each a list of host calls by callback.
//!
//! ```text
//! case held
//! at request_headers
//! proxy_get_header_map_value(0, ":path")
//! id = proxy_define_metric(0, "count")
//! proxy_increment_metric($id, 2)
//! return 1
//! ```
//!
//! Arguments are numbers (`7`, `-1`, `MAX` for 4294967295), bytes (`"a\0\xFF"`, `"x" * 70000`), header maps
//! (`{"a": "b"}`, serialised), variables (`$id`: what an earlier call has given back), and places in memory (`@MAX+5`).

mod argument;

use std::collections::BTreeMap;
use std::rc::Rc;

pub use argument::Argument;
use argument::Cursor;
pub(crate) use argument::{quoted, shown_pairs};

/// Cases by name.
#[derive(Debug, Default, Eq, PartialEq)]
pub struct Script {
    cases: BTreeMap<String, Rc<Case>>,
}

/// What is to be done under each callback.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Case {
    sections: BTreeMap<String, Rc<[Step]>>,
}

/// A line of a section.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Step {
    /// A host call.
    Call(Call),
    /// What the callback returns.
    Return(u32),
    /// A trap.
    Trap,
}

/// A host call.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Call {
    /// The line of the script.
    pub text: String,
    /// The variable that takes the first number which the host gives back.
    pub binds: Option<String>,
    /// The function.
    pub function: String,
    /// Its arguments.
    pub arguments: Vec<Argument>,
}

// === impl Script ===

impl Script {
    /// Reads a script.
    ///
    /// # Errors
    ///
    /// The first line that is none of a script's.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut cases: BTreeMap<String, BTreeMap<String, Vec<Step>>> = BTreeMap::new();
        let (mut case, mut context) = (String::new(), String::new());
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            if let Some(name) = line.strip_prefix("case ") {
                name.clone_into(&mut case);
                context.clear();
            } else if let Some(name) = line.strip_prefix("at ") {
                name.clone_into(&mut context);
            } else if case.is_empty() || context.is_empty() {
                return Err(format!("`{line}` stands before the first `case` and `at`"));
            } else {
                let sections = cases.entry(case.clone()).or_default();
                sections.entry(context.clone()).or_default().push(Step::parse(line)?);
            }
        }
        let cases = cases.into_iter().map(|(name, sections)| {
            let sections = sections.into_iter().map(|(context, steps)| (context, steps.into())).collect();
            (name, Rc::new(Case { sections }))
        });
        Ok(Self { cases: cases.collect() })
    }

    /// The case of this name.
    #[must_use]
    pub fn case(&self, name: &str) -> Option<Rc<Case>> {
        self.cases.get(name).cloned()
    }
}

// === impl Case ===

impl Case {
    /// What is to be done under this callback.
    #[must_use]
    pub fn at(&self, context: &str) -> Option<Rc<[Step]>> {
        self.sections.get(context).cloned()
    }
}

// === impl Step ===

impl Step {
    fn parse(line: &str) -> Result<Self, String> {
        match line.strip_prefix("return ") {
            Some(value) => value.parse().map(Self::Return).map_err(|_| format!("`{line}` returns no number")),
            None if line == "trap" => Ok(Self::Trap),
            None => Call::parse(line).map(Self::Call),
        }
    }
}

// === impl Call ===

impl Call {
    /// Reads a line such as `id = proxy_define_metric(0, "a")`.
    ///
    /// # Errors
    ///
    /// What is wrong with the line.
    pub fn parse(line: &str) -> Result<Self, String> {
        let wrong = |what: String| format!("`{line}`: {what}");
        let (binds, call) = match line.split_once(" = ") {
            Some((name, call)) if !name.contains('(') => (Some(name.to_owned()), call),
            _ => (None, line),
        };
        let (function, arguments) = call.split_once('(').ok_or_else(|| wrong("no call".to_owned()))?;
        let mut cursor = Cursor::new(arguments);
        let arguments = cursor.arguments().map_err(wrong)?;
        Ok(Self { text: line.to_owned(), binds, function: function.to_owned(), arguments })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calls_of_a_case_stand_under_their_callback_in_order() {
        let script =
            Script::parse("case a\nat tick\nproxy_done()\n\n  return 3\ntrap\nat log\nid = proxy_x(1)\n").unwrap();
        let case = script.case("a").unwrap();
        let texts: Vec<_> = case.at("log").unwrap().iter().map(|step| format!("{step:?}")).collect();
        assert!(texts[0].contains(r#"binds: Some("id")"#), "{texts:?}");
        assert_eq!(case.at("tick").unwrap()[1..], [Step::Return(3), Step::Trap]);
        assert_eq!((case.at("done"), script.case("b")), (None, None));
    }

    #[test]
    fn a_line_that_is_no_call_is_told() {
        for line in ["proxy_done()", "case a\nproxy_done()", "case a\nat log\nproxy_done", "case a\nat log\nreturn x"] {
            assert!(Script::parse(line).is_err(), "{line}");
        }
    }
}
