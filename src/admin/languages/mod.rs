//! The languages of the panel's own words.
//!
//! A text is known by its English words, which stand where they are used: `t("Save")` in a template, `visit.t("Save")` in a page. What
//! is put into it has a name, `t("Add {one}", one=one)`, and where a number stands there is a second text for several,
//! `t("{n} row", "{n} rows", n=count)`, by which a catalogue knows both. Words of a table, which are looked up later, are marked with
//! [`key`]. Forms of dates are texts like others. A test finds them all.
//!
//! English needs no catalogue. Another language is a file beside this one, with a line in [`FILES`].

use std::{collections::HashMap, fmt::Display, sync::LazyLock};

use jiff::civil;
use minijinja::{Environment, Value, value::Kwargs};
use serde::Deserialize;

use super::session::Visit;
use crate::{auth::device, outbox::template::escaped};

/// The catalogues, by the codes that browsers ask for.
const FILES: [(&str, &str); 1] = [("fr", include_str!("fr.json"))];
/// The cookie of the language that somebody has chosen.
pub(super) const COOKIE: &str = "studio_language";

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

impl Visit<'_> {
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
