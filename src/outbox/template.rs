//! What messages say: texts with `{names}` in them, the first line being the subject.

use serde_json::{Map, Value as Json};

use super::transport::{Outgoing, Undelivered};
use crate::error::{Error, Result};

/// What every mail looks like.
const LAYOUT: &str = include_str!("texts/layout.html");

/// A text, and which of its names nobody but the receiver may read.
struct Template {
    name: &'static str,
    text: &'static str,
    secret: &'static [&'static str],
}

/// All texts, each a file of `texts/`.
const TEMPLATES: [Template; 9] = [
    Template { name: "email_change", text: include_str!("texts/email_change.txt"), secret: &["link"] },
    Template { name: "email_change_asked", text: include_str!("texts/email_change_asked.txt"), secret: &["address"] },
    Template { name: "email_changed", text: include_str!("texts/email_changed.txt"), secret: &["address"] },
    Template { name: "invitation", text: include_str!("texts/invitation.txt"), secret: &["url"] },
    Template { name: "message", text: include_str!("texts/message.txt"), secret: &[] },
    Template { name: "one_time_code", text: include_str!("texts/one_time_code.txt"), secret: &["code"] },
    Template { name: "password_reset", text: include_str!("texts/password_reset.txt"), secret: &["link"] },
    Template { name: "security_notice", text: include_str!("texts/security_notice.txt"), secret: &[] },
    Template { name: "verify_email", text: include_str!("texts/verify_email.txt"), secret: &["link"] },
];

/// A message as it is sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Text {
    pub subject: String,
    pub body: String,
}

impl Text {
    /// The same as HTML: a paragraph for each, and a link where one is nothing but a URL.
    pub fn html(&self) -> String {
        let paragraph = |text: &str| {
            let shown = escaped(text);
            let is_url = (text.starts_with("https://") || text.starts_with("http://")) && !text.contains(char::is_whitespace);
            if is_url { format!("<p><a href=\"{shown}\">{shown}</a></p>\n") } else { format!("<p>{}</p>\n", shown.replace('\n', "<br>\n")) }
        };
        let body: String =
            self.body.replace('\r', "").split("\n\n").map(str::trim).filter(|text| !text.is_empty()).map(paragraph).collect();
        // The body last: what it says is not read again.
        let (head, rest) = LAYOUT.split_once("{body}").unwrap_or((LAYOUT, ""));
        format!("{}{body}{rest}", head.replace("{subject}", &escaped(&self.subject)))
    }
}

/// Text as it stands in HTML, in attributes too.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

/// What a message says to its receiver.
pub fn text(message: &Outgoing) -> Result<Text, Undelivered> {
    let rendered = render(&message.template, &message.payload);
    rendered.map(|(text, _)| text).map_err(|error| Undelivered::Never(error.to_string()))
}

/// Does a text hold what only its receiver may read: a code, or a link?
pub fn proves(name: &str) -> bool {
    TEMPLATES.iter().any(|template| template.name == name && !template.secret.is_empty())
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
