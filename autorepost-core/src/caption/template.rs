//! Templates: words with placeholders.

use std::collections::BTreeMap;

use crate::{Error, Result};

/// What a placeholder stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Variable {
    Caption,
    Text,
    Title,
    Hashtags,
    Url,
    Author,
    Date,
}

impl Variable {
    pub const ALL: [Self; 7] =
        [Self::Caption, Self::Text, Self::Title, Self::Hashtags, Self::Url, Self::Author, Self::Date];

    const fn name(self) -> &'static str {
        match self {
            Self::Caption => "caption",
            Self::Text => "text",
            Self::Title => "title",
            Self::Hashtags => "hashtags",
            Self::Url => "url",
            Self::Author => "author",
            Self::Date => "date",
        }
    }
}

enum Part {
    Words(String),
    Variable(Variable),
}

/// A parsed template.
pub(super) struct Template(Vec<Part>);

impl Template {
    /// Parses a template; `name` says in errors which one it is.
    pub fn parse(name: &str, template: &str) -> Result<Self> {
        let bad = |at: usize, why: &str| {
            let known: Vec<_> = Variable::ALL.iter().map(|variable| format!("{{{}}}", variable.name())).collect();
            let known = known.join(" ");
            Error::invalid(
                "parse template",
                format!("the template of the {name} has {why} at character {}: known are {known}", at + 1),
            )
        };
        let (mut parts, mut words) = (Vec::new(), String::new());
        let chars: Vec<char> = template.chars().collect();
        let mut at = 0;
        while at < chars.len() {
            match (chars[at], chars.get(at + 1)) {
                ('{', Some('{')) | ('}', Some('}')) => {
                    words.push(chars[at]);
                    at += 2;
                }
                ('{', _) => {
                    let end = chars[at..].iter().position(|c| *c == '}');
                    let end = at + end.ok_or_else(|| bad(at, "a { that is never closed (write {{ for a brace)"))?;
                    let placeholder: String = chars[at + 1..end].iter().collect();
                    let variable = Variable::ALL
                        .into_iter()
                        .find(|variable| variable.name() == placeholder)
                        .ok_or_else(|| bad(at, &format!("the unknown placeholder {{{placeholder}}}")))?;
                    parts.push(Part::Words(std::mem::take(&mut words)));
                    parts.push(Part::Variable(variable));
                    at = end + 1;
                }
                ('}', _) => return Err(bad(at, "a } without its { (write }} for a brace)")),
                (other, _) => {
                    words.push(other);
                    at += 1;
                }
            }
        }
        parts.push(Part::Words(words));
        Ok(Self(parts))
    }

    /// How many placeholders it has.
    pub fn placeholders(&self) -> usize {
        self.0.iter().filter(|part| matches!(part, Part::Variable(_))).count()
    }

    pub fn uses(&self, variable: Variable) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Variable(other) if *other == variable))
    }

    /// Fills in the values. `moved` are the hashtags that stand on a line of their own behind `{caption}`.
    pub fn render(&self, values: &BTreeMap<Variable, String>, moved: &str) -> String {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Words(words) => text.push_str(words),
                Part::Variable(variable) => {
                    text.push_str(values.get(variable).map_or("", String::as_str));
                    if *variable == Variable::Caption && !moved.is_empty() {
                        text.push_str("\n\n");
                        text.push_str(moved);
                    }
                }
            }
        }
        text
    }
}
