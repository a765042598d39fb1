//! The languages that messages are written in: that of whoever receives them, if they have an account; otherwise that of the business
//! that writes, or of the first one where it is the server itself.
//!
//! Whole texts are files of `texts/`, in a folder for each language. Sentences that are put into them are known by their English words,
//! and `texts/fr.json` has the French ones; what has none is said in English. Tests find those that are missing.

use std::{collections::HashMap, sync::LazyLock};

use super::{Channel, template};
use crate::{
    db::{Reader, Value},
    error::Result,
};

/// A language that there are texts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    #[default]
    English,
    French,
}

static FRENCH: LazyLock<HashMap<String, String>> =
    LazyLock::new(|| serde_json::from_str(include_str!("texts/fr.json")).expect("the French sentences are JSON: a test reads them"));

impl Language {
    pub const ALL: [Self; 2] = [Self::English, Self::French];

    /// What accounts, businesses and HTML know it by.
    pub fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::French => "fr",
        }
    }

    /// The language of a code, whatever the country: `fr-CA` is French. What there are no texts in is English.
    pub fn of_code(code: &str) -> Self {
        let base = code.split(['-', '_']).next().unwrap_or_default();
        Self::ALL.into_iter().find(|language| language.code().eq_ignore_ascii_case(base)).unwrap_or_default()
    }

    /// A person's.
    pub fn of_user(reader: &Reader<'_>, user: i64) -> Result<Self> {
        let code: Option<String> = reader.one("SELECT language FROM users WHERE id = ?1", &[user.into()])?;
        Ok(code.map_or_else(Self::default, |code| Self::of_code(&code)))
    }

    /// A business's; that of the first where there is none.
    pub fn of_business(reader: &Reader<'_>, business: Option<i64>) -> Result<Self> {
        let sql = "SELECT locale FROM businesses WHERE CASE WHEN ?1 IS NULL THEN is_active = 1 AND deleted_at IS NULL ELSE id = ?1 END
                   ORDER BY id LIMIT 1";
        let code: Option<String> = reader.one(sql, &[business.into()])?;
        Ok(code.map_or_else(Self::default, |code| Self::of_code(&code)))
    }

    /// That of whoever has an address or a number; that of the business that writes to whoever has no account.
    pub fn of_recipient(reader: &Reader<'_>, channel: Channel, recipient: &str, business: Option<i64>) -> Result<Self> {
        let (sql, recipient): (_, Value) = match channel {
            Channel::Email => (
                "SELECT language FROM users WHERE lower(email) = ?1 AND email IS NOT NULL AND deleted_at IS NULL",
                recipient.to_lowercase().into(),
            ),
            Channel::Sms => ("SELECT language FROM users WHERE phone = ?1 AND phone IS NOT NULL AND deleted_at IS NULL", recipient.into()),
            Channel::Webhook => return Ok(Self::default()),
        };
        match reader.one::<String>(sql, &[recipient])? {
            Some(code) => Ok(Self::of_code(&code)),
            None => Self::of_business(reader, business),
        }
    }

    /// An English sentence in this language.
    pub fn words(self, english: &str) -> &str {
        match self {
            Self::English => english,
            Self::French => FRENCH.get(english).map_or(english, String::as_str),
        }
    }

    /// The same, with values in place of the `{names}` in it.
    pub fn say(self, english: &str, values: &[(&str, &str)]) -> String {
        let value = |name: &str| values.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        // A name without a value stays as it is.
        template::filled(self.words(english), &|name| Ok::<_, ()>(value(name).unwrap_or_else(|| format!("{{{name}}}")))).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_countries_and_of_languages_without_texts() {
        for (code, language) in [
            ("en", Language::English),
            ("fr", Language::French),
            ("FR", Language::French),
            ("fr-CA", Language::French),
            ("fr_FR", Language::French),
            ("fro", Language::English),
            ("sw", Language::English),
            ("", Language::English),
        ] {
            assert_eq!(Language::of_code(code), language, "{code}");
        }
    }

    #[test]
    fn sentences_have_the_same_names_in_every_language() {
        let names = |text: &str| {
            let mut names: Vec<String> = text.split('{').skip(1).filter_map(|rest| Some(rest.split_once('}')?.0.to_owned())).collect();
            names.sort();
            names
        };
        assert!(!FRENCH.is_empty());
        for (english, french) in FRENCH.iter() {
            assert_eq!(names(english), names(french), "{english}");
            assert!(!french.trim().is_empty() && french.trim() == french, "{english}");
        }
    }

    /// What the program says no more is not kept; and what is said in other words is missed.
    #[test]
    fn sentences_are_those_of_the_program() {
        fn read(folder: &std::path::Path, all: &mut String) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                match path.extension().and_then(|name| name.to_str()) {
                    None => read(&path, all),
                    Some("rs") => all.push_str(&std::fs::read_to_string(path).unwrap()),
                    Some(_) => {}
                }
            }
        }
        let mut source = String::new();
        read(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut source);
        // A text that goes on in the next line.
        let joined: Vec<&str> = source.split("\\\n").enumerate().map(|(n, part)| if n == 0 { part } else { part.trim_start() }).collect();
        let source = joined.concat();
        for english in FRENCH.keys() {
            assert!(source.contains(&format!("\"{}\"", english.replace('"', "\\\""))), "nobody says {english}");
        }
    }

    #[test]
    fn values_are_put_in_once() {
        let said = |language: Language| {
            language.say("The passkey \"{name}\" was removed from your account, and signs in no more.", &[("name", "{name}")])
        };
        assert_eq!(said(Language::English), "The passkey \"{name}\" was removed from your account, and signs in no more.");
        assert!(said(Language::French).starts_with("La clé d'accès « {name} » a été retirée"));
        assert_eq!(Language::French.say("Nobody has said this: {a} {b}", &[("a", "1")]), "Nobody has said this: 1 {b}");
    }
}
