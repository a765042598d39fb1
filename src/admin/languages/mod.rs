//! The languages of the panel's own words.
//!
//! A text is known by its English words, which stand where they are used: `t("Save")` in a template, `visit.t("Save")` in a page. What
//! is put into it has a name, `t("Add {one}", one=one)`, and where a number stands there is a second text for several,
//! `t("{n} row", "{n} rows", n=count)`, by which a catalogue knows both. Words of a table, which are looked up later, are marked with
//! [`key`]. Forms of dates are texts like others. A test finds them all.
//!
//! What descriptors and the API say, names of resources, fields and choices, help and refusals, is English as well, and known to a
//! catalogue by its `names`. They may lack some: a field that was added is shown by its English name, which is marked as English, so that
//! whatever reads a page aloud knows.
//!
//! English needs no catalogue. Another language is a file beside this one, with a line in [`FILES`].

use std::{collections::HashMap, fmt::Display, sync::LazyLock};

use jiff::civil;
use minijinja::{Environment, Value, value::Kwargs};
use serde::Deserialize;

use super::session::Visit;
use crate::{
    auth::device,
    engine::{
        field::Field,
        table::columns::{heading, heading_of},
    },
    outbox::template::escaped,
};

/// The catalogues, by the codes that browsers ask for.
const FILES: [(&str, &str); 1] = [("fr", include_str!("fr.json"))];
/// The cookie of the language that somebody has chosen.
pub(super) const COOKIE: &str = "studio_language";

/// Around words that are English in a page of another language, until it is written.
const ENGLISH: (char, char) = ('\u{E000}', '\u{E001}');
/// Elements that have no elements in them.
const BARE: [&str; 6] = ["option", "title", "textarea", "text", "desc", "style"];

/// Elements that say what they are about in an attribute, beside a few words.
const EXPLAINED: [&str; 4] = ["a", "button", "dt", "span"];

/// Marks words that are looked up where they are shown.
pub(super) const fn key(english: &'static str) -> &'static str {
    english
}

/// Which of the forms of a text a number takes.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Plural {
    /// One, and all others: `0 rows`, `1 row`, `2 rows`.
    #[default]
    NotOne,
    /// Up to one, and more: `0 ligne`, `1 ligne`, `2 lignes`.
    MoreThanOne,
}

/// A text, or its forms for numbers.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Text {
    One(String),
    Forms(Vec<String>),
}

/// A language, as its file has it.
#[derive(Debug, Deserialize)]
pub(super) struct Language {
    #[serde(skip)]
    pub code: &'static str,
    /// What it calls itself.
    pub name: String,
    #[serde(default)]
    plural: Plural,
    /// Between thousands, and before what is less than one.
    thousands: String,
    decimal: String,
    /// January to December, in full and short; Monday to Sunday.
    months: Vec<String>,
    short_months: Vec<String>,
    days: Vec<String>,
    #[serde(default)]
    texts: HashMap<String, Text>,
    /// Of what descriptors and the API say.
    #[serde(default)]
    names: HashMap<String, String>,
}

static ALL: LazyLock<Vec<Language>> = LazyLock::new(|| {
    let english = Language {
        code: "en",
        name: "English".into(),
        plural: Plural::NotOne,
        thousands: ",".into(),
        decimal: ".".into(),
        months: vec![],
        short_months: vec![],
        days: vec![],
        texts: HashMap::new(),
        names: HashMap::new(),
    };
    let read = |(code, file): (&'static str, &str)| match serde_json::from_str::<Language>(file) {
        Ok(language) => Some(Language { code, ..language }),
        Err(error) => {
            tracing::error!(%error, code, "a language of the panel cannot be read");
            None
        }
    };
    std::iter::once(english).chain(FILES.into_iter().filter_map(read)).collect()
});

/// All of them, English first.
pub(super) fn all() -> &'static [Language] {
    &ALL
}

/// The language of this code: of `fr-CA` that of `fr`.
pub(super) fn of(code: &str) -> Option<&'static Language> {
    let code = code.trim().split(['-', '_']).next().unwrap_or_default();
    all().iter().find(|language| language.code.eq_ignore_ascii_case(code))
}

/// Puts values into the places of a text that have their names.
fn filled(text: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        match after.split_once('}').and_then(|(name, after)| Some((value(name)?, after))) {
            Some((value, after)) => {
                out.push_str(&value);
                rest = after;
            }
            None => {
                out.push('{');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

impl Language {
    /// The words for English ones; `several` are those for several, and `count` says how many there are.
    fn words<'a>(&'a self, one: &'a str, several: Option<&'a str>, count: i64) -> &'a str {
        let form = match self.plural {
            Plural::NotOne => usize::from(count != 1),
            Plural::MoreThanOne => usize::from(count > 1),
        };
        match self.texts.get(several.unwrap_or(one)) {
            Some(Text::One(text)) => text,
            Some(Text::Forms(forms)) => forms.get(form).or(forms.last()).map_or(one, String::as_str),
            None => several.filter(|_| count != 1).unwrap_or(one),
        }
    }

    /// Words of a descriptor or of the API.
    pub fn name(&self, english: &str) -> String {
        self.names.get(english).cloned().unwrap_or_else(|| self.english(english))
    }

    /// Words that there are in English only.
    pub fn english(&self, text: &str) -> String {
        let is_plain = self.code == "en" || text.contains(ENGLISH.0) || !text.contains(char::is_alphabetic);
        if is_plain { text.to_owned() } else { format!("{}{text}{}", ENGLISH.0, ENGLISH.1) }
    }

    /// `1,234,567.80` of an amount.
    pub fn grouped(&self, amount: &str) -> String {
        let (whole, rest) = amount.split_at(amount.find('.').unwrap_or(amount.len()));
        let (sign, digits) = whole.split_at(usize::from(whole.starts_with('-')));
        let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().filter_map(|group| std::str::from_utf8(group).ok()).collect();
        format!("{sign}{}{}", groups.join(&self.thousands), rest.replacen('.', &self.decimal, 1))
    }

    /// A number that was typed as it is written in the language, as the API takes it.
    pub fn number(&self, typed: &str) -> String {
        if self.decimal == "." {
            return typed.to_owned();
        }
        let bare: String = typed.chars().filter(|letter| !letter.is_whitespace() && !self.thousands.contains(*letter)).collect();
        let is_number = bare.chars().all(|letter| letter.is_ascii_digit() || matches!(letter, '-' | '.') || self.decimal.contains(letter));
        if is_number { bare.replacen(&self.decimal, ".", 1) } else { typed.to_owned() }
    }

    /// A date in a form whose English is `form`: `%-d %b %Y`.
    pub fn date(&self, form: &str, at: civil::DateTime) -> String {
        let name = |names: &[String], at: i8| usize::try_from(at - 1).ok().and_then(|at| names.get(at)).cloned();
        let mut form = self.words(form, None, 1).to_owned();
        let named = [
            ("%B", name(&self.months, at.month())),
            ("%b", name(&self.short_months, at.month())),
            ("%A", name(&self.days, at.weekday().to_monday_one_offset())),
        ];
        for (mark, name) in named {
            if let Some(name) = name {
                form = form.replace(mark, &name);
            }
        }
        at.strftime(&form).to_string()
    }
}

/// The templates in a language: `t` gives their words, `language` says which it is.
pub(super) fn speak(pages: &mut Environment<'static>, language: &'static Language) {
    pages.add_global("language", language.code);
    pages.add_function("t", move |one: String, several: Option<String>, given: Kwargs| {
        let given: HashMap<&str, Value> = given.args().filter_map(|name| Some((name, given.get::<Value>(name).ok()?))).collect();
        let count = given.get("n").and_then(Value::as_i64).unwrap_or(1);
        let words = language.words(&one, several.as_deref(), count);
        // With something in it that is HTML already, all of it is.
        let is_html = given.values().any(Value::is_safe);
        let value = |name: &str| {
            let value = given.get(name)?;
            let text = if value.is_none() || value.is_undefined() { String::new() } else { value.to_string() };
            Some(if is_html && !value.is_safe() { escaped(&text) } else { text })
        };
        if is_html { Value::from_safe_string(filled(&escaped(words), value)) } else { Value::from(filled(words, value)) }
    });
}

/// A text without the marks of what is English in it.
pub(super) fn bare(text: &str) -> String {
    text.replace([ENGLISH.0, ENGLISH.1], "")
}

/// A page with elements around what is English in it, where there can be one: an option says it of itself, and what explains something
/// in an attribute is of the element's language, whose own words then say which they are of.
pub(super) fn written(page: String, code: &str) -> String {
    if !page.contains(ENGLISH.0) {
        return page;
    }
    let mut out = String::with_capacity(page.len() + page.len() / 8);
    for (at, part) in page.split('<').enumerate() {
        let (tag, text) = part.split_once('>').filter(|_| at > 0).unwrap_or(("", part));
        let name = tag.split(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default();
        let whole = text.strip_prefix(ENGLISH.0).and_then(|rest| rest.strip_suffix(ENGLISH.1)).is_some_and(|own| !own.contains(ENGLISH.1));
        if at > 0 {
            let explains = EXPLAINED.contains(&name) && tag.contains(ENGLISH.0);
            let lang = if name == "option" && whole || explains { " lang=\"en\"" } else { "" };
            out.push_str(&format!("<{}{lang}>", bare(tag)));
            if explains && !text.trim().is_empty() && !text.contains(ENGLISH.0) {
                out.push_str(&format!("<span lang=\"{code}\">{}</span>", bare(text)));
                continue;
            }
        }
        // A text that was cut short may have lost one of its marks.
        let marks: String = text.chars().filter(|letter| [ENGLISH.0, ENGLISH.1].contains(letter)).collect();
        if BARE.contains(&name) || !marks.replace(&format!("{}{}", ENGLISH.0, ENGLISH.1), "").is_empty() {
            out.push_str(&bare(text));
        } else {
            out.push_str(&text.replace(ENGLISH.0, "<span lang=\"en\">").replace(ENGLISH.1, "</span>"));
        }
    }
    out
}

impl Visit<'_> {
    /// Words of a descriptor or of the API: a title, a choice, a refusal.
    pub fn name(&self, english: &str) -> String {
        self.language.name(english)
    }

    /// What a field is called.
    pub fn heading(&self, field: &Field) -> String {
        self.name(&heading(field))
    }

    /// The same for what is no field.
    pub fn heading_of(&self, name: &str) -> String {
        self.name(&heading_of(name))
    }

    /// What a value of few is called: by itself, where the same word means something else in other places, else as other names.
    pub fn choice(&self, name: &str) -> String {
        self.language.names.get(name).cloned().unwrap_or_else(|| self.heading_of(name))
    }

    /// Words that there are in English only: help, and what is said at length.
    pub fn english(&self, text: &str) -> String {
        self.language.english(&text.replace('`', ""))
    }

    /// The panel's own words in the visitor's language.
    pub fn t(&self, english: &str) -> String {
        self.language.words(english, None, 1).to_owned()
    }

    /// The same with something put in.
    pub fn t_with(&self, english: &str, given: &[(&str, &dyn Display)]) -> String {
        self.put_in(self.language.words(english, None, 1), given)
    }

    /// The same for a number, which is put in as `{n}`.
    pub fn t_count(&self, one: &str, several: &str, count: u64, given: &[(&str, &dyn Display)]) -> String {
        let words = self.language.words(one, Some(several), i64::try_from(count).unwrap_or(i64::MAX));
        self.put_in(words, &given.iter().copied().chain([("n", &count as &dyn Display)]).collect::<Vec<_>>())
    }

    fn put_in(&self, words: &str, given: &[(&str, &dyn Display)]) -> String {
        filled(words, |name| given.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string()))
    }

    /// A date in the visitor's language; the form is a text like others.
    pub fn date(&self, form: &str, at: impl Into<civil::DateTime>) -> String {
        self.language.date(form, at.into())
    }
}

/// The language that was chosen, else the first that the browser asks for and that there is.
pub(super) fn asked(headers: &poem::http::HeaderMap) -> &'static Language {
    let chosen = device::cookies_in(headers, COOKIE).find_map(of);
    let accepted = || {
        let line = headers.get("accept-language")?.to_str().ok()?;
        let weight = |part: &str| part.split_once(";q=").and_then(|(_, weight)| weight.trim().parse::<f32>().ok()).unwrap_or(1.0);
        let mut parts: Vec<(&str, f32)> = line
            .split(',')
            .map(|part| (part.split(';').next().unwrap_or_default(), weight(part)))
            .filter(|(_, weight)| *weight > 0.0)
            .collect();
        parts.sort_by(|a, b| b.1.total_cmp(&a.1));
        parts.into_iter().find_map(|(code, _)| of(code))
    };
    chosen.or_else(accepted).unwrap_or(&all()[0])
}

/// Did the visitor choose one, or does the browser?
pub(super) fn chosen(visit: &Visit<'_>) -> Option<&'static str> {
    device::cookies_in(&visit.headers, COOKIE).find_map(of).map(|language| language.code)
}
