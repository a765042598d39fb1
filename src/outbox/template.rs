//! What messages say: texts with `{names}` in them, the first line being the subject.

use serde_json::{Map, Value as Json};

use crate::error::{Error, Result};

/// A text, and which of its names nobody but the receiver may read.
struct Template {
    name: &'static str,
    text: &'static str,
    secret: &'static [&'static str],
}

/// All texts, each a file of `texts/`.
const TEMPLATES: [Template; 2] = [
    Template { name: "message", text: include_str!("texts/message.txt"), secret: &[] },
    Template { name: "one_time_code", text: include_str!("texts/one_time_code.txt"), secret: &["code"] },
];

/// A message as it is sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Text {
    pub subject: String,
    pub body: String,
}

/// What a template says of a payload, and the same with its secrets covered, for logs.
///
/// # Errors
/// There is no such template, or the payload lacks a name that it uses.
pub fn render(name: &str, payload: &Map<String, Json>) -> Result<(Text, Text)> {
    let template = TEMPLATES.iter().find(|template| template.name == name);
    let template = template.ok_or_else(|| Error::Internal(format!("there is no template {name}")))?;
    let shown = |name: &str| match payload.get(name) {
        Some(Json::String(text)) => Some(text.clone()),
        Some(Json::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    let covered = |name: &str| if template.secret.contains(&name) { Some("***".to_owned()) } else { shown(name) };
    Ok((fill(template, &shown)?, fill(template, &covered)?))
}

/// Puts values in place of names. What a value says is not read again: a `{name}` in it stays as it is.
fn fill(template: &Template, value: &dyn Fn(&str) -> Option<String>) -> Result<Text> {
    let filled = |text: &str| -> Result<String> {
        let mut parts = text.split('{');
        let mut out = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = part.split_once('}').unwrap_or((part, ""));
            let value = value(name).ok_or_else(|| Error::Internal(format!("the template {} needs {name}", template.name)))?;
            out += &value;
            out += rest;
        }
        Ok(out)
    };
    let (subject, body) = template.text.split_once("\n\n").unwrap_or(("", template.text));
    // A subject is one line, whatever stands in it: the next would be a header.
    let subject = filled(subject)?.split_whitespace().collect::<Vec<_>>().join(" ");
    Ok(Text { subject, body: filled(body.trim_end())? })
}
