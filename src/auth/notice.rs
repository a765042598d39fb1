//! What people are told of their own account: by e-mail, if they have an address, in the transaction of what happened.

use serde_json::{Map, Value as Json};

use super::device;
use crate::{
    db::Writer,
    error::Result,
    outbox::{self, Channel, Language, Message, template},
};

/// Something that an owner would want to know of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// A refresh token was used twice: one of the two was a thief.
    Reuse,
    /// Somebody signed in on a device that was never seen before.
    NewDevice,
    PasswordChanged,
    /// Codes for signing in go to another number from now on.
    NumberChanged,
    /// Somebody else has shown that a telephone number of the account is theirs.
    NumberTaken,
}

impl Notice {
    #[cfg(test)]
    const ALL: [Self; 5] = [Self::Reuse, Self::NewDevice, Self::PasswordChanged, Self::NumberChanged, Self::NumberTaken];

    fn texts(self) -> (&'static str, &'static str) {
        match self {
            Self::Reuse => (
                "A session of your account was ended",
                "A sign-in of your account was used from two places at once, so somebody may have copied it. It was ended.",
            ),
            Self::NewDevice => ("A new device signed in to your account", "Somebody signed in to your account on a new device."),
            Self::NumberChanged => ("Your telephone number was changed", "The telephone number of your account was changed."),
            Self::NumberTaken => (
                "A telephone number was taken off your account",
                "Somebody has signed in with a code sent to the telephone number of your account, which was never confirmed to be yours. \
                 The number now belongs to an account of its own.",
            ),
            Self::PasswordChanged => ("Your password was changed", "The password of your account was changed."),
        }
    }
}

/// Tells a person in so many words, which are English ones, with values for the names in them.
pub fn tell(tx: &mut Writer<'_>, user: i64, (subject, text): (&str, &str), values: &[(&str, &str)]) -> Result<()> {
    let language = Language::of_user(tx, user)?;
    let said = [("subject", language.say(subject, values)), ("text", language.say(text, values))];
    mail(tx, user, template::MESSAGE, language, &said)
}

/// Tells a person, with when and from where.
pub fn send(tx: &mut Writer<'_>, user: i64, notice: Notice) -> Result<()> {
    let actor = tx.actor();
    let (subject, what) = notice.texts();
    let language = Language::of_user(tx, user)?;
    let agent = actor.agent.as_ref().and_then(|agent| agent.user_agent.as_deref());
    let said: [(&str, String); 5] = [
        ("subject", language.words(subject).into()),
        ("what", language.words(what).into()),
        ("when", actor.now.strftime(language.words("%-d %B %Y, %H:%M UTC")).to_string()),
        ("device", device::in_words(agent, language)),
        ("address", actor.ip.clone().unwrap_or_else(|| language.words("unknown").into())),
    ];
    mail(tx, user, "security_notice", language, &said)
}

/// Writes to whoever has an address, and is still there.
fn mail(tx: &mut Writer<'_>, user: i64, name: &str, language: Language, said: &[(&str, String)]) -> Result<()> {
    let address: Option<Option<String>> = tx.one("SELECT email FROM users WHERE id = ?1 AND deleted_at IS NULL", &[user.into()])?;
    let Some(recipient) = address.flatten() else { return Ok(()) };
    let mut payload: Map<String, Json> = said.iter().map(|(name, text)| ((*name).to_owned(), text.as_str().into())).collect();
    if language != Language::default() {
        payload.insert(template::LANGUAGE.to_owned(), language.code().into());
    }
    let message = Message { channel: Channel::Email, recipient, template: name.into(), payload, key: None, due_at: None };
    outbox::send(tx, message).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_notice_is_said_in_every_language() {
        for notice in Notice::ALL {
            let (subject, text) = notice.texts();
            for words in [subject, text] {
                assert!(Language::ALL.iter().skip(1).all(|language| language.words(words) != words), "{words}");
            }
        }
    }
}
