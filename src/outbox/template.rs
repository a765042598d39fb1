//! What messages say: texts with `{names}` in them, the first line being the subject; each in every language that there is.

use serde_json::{Map, Value as Json};

use super::{
    language::Language,
    transport::{Outgoing, Undelivered},
};
use crate::error::{Error, Result};

/// What every mail looks like.
const LAYOUT: &str = include_str!("texts/layout.html");

/// The text whose words are all its sender's.
pub const MESSAGE: &str = "message";
/// What a payload says the language by; English, unless it does.
pub const LANGUAGE: &str = "language";

/// A text, and which of its names nobody but the receiver may read.
struct Template {
    name: &'static str,
    /// In the order of `Language::ALL`.
    texts: [&'static str; Language::ALL.len()],
    secret: &'static [&'static str],
}

impl Template {
    fn text(&self, language: Language) -> &'static str {
        self.texts[language as usize]
    }
}

macro_rules! template {
    ($name:literal, $secret:expr) => {
        Template {
            name: $name,
            texts: [include_str!(concat!("texts/en/", $name, ".txt")), include_str!(concat!("texts/fr/", $name, ".txt"))],
            secret: $secret,
        }
    };
}

/// All texts, each a file of `texts/en/` and one beside it for every other language.
const TEMPLATES: [Template; 9] = [
    template!("email_change", &["link"]),
    template!("email_change_asked", &["address"]),
    template!("email_changed", &["address"]),
    template!("invitation", &["url"]),
    template!("message", &[]),
    template!("one_time_code", &["code"]),
    template!("password_reset", &["link"]),
    template!("security_notice", &[]),
    template!("verify_email", &["link"]),
];

/// A message as it is sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Text {
    pub language: Language,
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
        format!("{}{body}{rest}", head.replace("{language}", self.language.code()).replace("{subject}", &escaped(&self.subject)))
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
    let language = payload.get(LANGUAGE).and_then(Json::as_str).map_or_else(Language::default, Language::of_code);
    let covered = |name: &str| if template.secret.contains(&name) { Some("***".to_owned()) } else { shown(name) };
    Ok((fill(template, language, &shown)?, fill(template, language, &covered)?))
}

fn fill(template: &Template, language: Language, value: &dyn Fn(&str) -> Option<String>) -> Result<Text> {
    let missing = |name: &str| Error::Internal(format!("the template {} needs {name}", template.name));
    let filled = |text: &str| filled(text, &|name| value(name).ok_or_else(|| missing(name)));
    let text = template.text(language);
    let (subject, body) = text.split_once("\n\n").unwrap_or(("", text));
    // A subject is one line, whatever stands in it: the next would be a header.
    let subject = filled(subject)?.split_whitespace().collect::<Vec<_>>().join(" ");
    Ok(Text { language, subject, body: filled(body.trim_end())? })
}

/// Puts values in place of names. What a value says is not read again: a `{name}` in it stays as it is.
pub(super) fn filled<E>(text: &str, value: &dyn Fn(&str) -> Result<String, E>) -> Result<String, E> {
    let mut parts = text.split('{');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once('}').unwrap_or((part, ""));
        out += &value(name)?;
        out += rest;
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The names of a text, each as often as it stands there or not.
    fn names(text: &str) -> BTreeSet<&str> {
        text.split('{').skip(1).filter_map(|rest| Some(rest.split_once('}')?.0)).collect()
    }

    #[test]
    fn every_text_says_the_same_in_every_language() {
        for template in &TEMPLATES {
            let english = template.text(Language::English);
            for language in Language::ALL {
                let (text, named) = (template.text(language), format!("{} in {}", template.name, language.code()));
                assert_eq!(names(text), names(english), "{named}");
                assert!(template.secret.iter().all(|secret| names(text).contains(secret)), "{named}");
                let (subject, body) = text.split_once("\n\n").expect("a subject and a body");
                assert!(!subject.contains('\n') && !body.trim().is_empty() && text.ends_with('\n'), "{named}");
                assert!(language == Language::English || template.name == MESSAGE || text != english, "{named}");
            }
        }
        let mut known: Vec<&str> = TEMPLATES.iter().map(|template| template.name).collect();
        known.dedup();
        assert_eq!(known.len(), TEMPLATES.len());
    }

    #[test]
    fn a_text_is_in_the_language_of_its_payload() {
        let payload = |language: &str| {
            let payload = serde_json::json!({"code": "4711", "minutes": 5, "language": language});
            render("one_time_code", payload.as_object().expect("an object")).expect("a text").0
        };
        assert_eq!(payload("fr").body, "4711 est votre code. Il est valable 5 minutes. Ne le donnez à personne.");
        assert_eq!((payload("fr-CA").subject, payload("sw").subject), ("Votre code".to_owned(), "Your code".to_owned()));
        assert!(payload("fr").html().contains("<html lang=\"fr\">") && payload("en").html().contains("<html lang=\"en\">"));
    }
}
