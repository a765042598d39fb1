//! Second factors, whichever kind somebody has: an authenticator app, passkeys, and recovery codes for whoever has lost them.
//!
//! Whether one is right is decided by the writer, one sign-in after the other: of a hundred that send the same code at once, one gets in.

use super::{account, notice, passkey, recovery, totp};
use crate::{
    db::{Reader, Writer},
    error::Result,
    secrets::vault::Vault,
};

/// What somebody shows as their second factor.
#[derive(Clone)]
pub enum Proof {
    /// The code of their app.
    Code(String),
    /// One of their recovery codes.
    Recovery(String),
    /// What a passkey has signed; none that is right.
    Passkey(Option<passkey::Shown>),
}

/// What is to be said of a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Right,
    Wrong,
    /// There were too many wrong ones: not before so many seconds.
    Wait(u64),
}

/// Is there a second factor? `u.id` is the person's id, in SQL.
pub const ANY: &str = "EXISTS (SELECT 1 FROM second_factors AS f WHERE f.id = u.id AND f.confirmed_at IS NOT NULL)
                       OR EXISTS (SELECT 1 FROM passkeys AS p WHERE p.user_id = u.id)";

/// Does the person sign in with a second factor?
pub fn is_on(reader: &Reader<'_>, user: i64) -> Result<bool> {
    reader.exists(&format!("SELECT 1 FROM users AS u WHERE u.id = ?1 AND ({ANY})"), &[user.into()])
}

/// What a person can show as one: nothing for who has none.
pub fn methods(reader: &Reader<'_>, user: i64) -> Result<Vec<&'static str>> {
    let all = [
        ("totp", totp::is_on(reader, user)?),
        ("passkey", passkey::count(reader, user)? > 0),
        ("recovery_code", recovery::left(reader, user)? > 0),
    ];
    let known: Vec<&'static str> = all.into_iter().filter(|(_, has)| *has).map(|(name, _)| name).collect();
    Ok(if known == ["recovery_code"] { vec![] } else { known })
}

/// Looks at what somebody shows, and uses it up when it is right. What is wrong is counted: commit that too.
pub fn check(tx: &mut Writer<'_>, vault: &Vault, user: i64, proof: &Proof) -> Result<Verdict> {
    match proof {
        Proof::Code(code) => totp::check(tx, vault, user, code),
        Proof::Recovery(code) => recovery::check(tx, vault, user, code),
        Proof::Passkey(shown) => match shown {
            Some(shown) if shown.user == user && passkey::accept(tx, shown)? == passkey::Use::Taken => Ok(Verdict::Right),
            _ => Ok(Verdict::Wrong),
        },
    }
}

/// Takes all second factors from somebody who has lost them, and ends all their sessions. Answers whether they had one.
pub fn reset(tx: &mut Writer<'_>, user: i64) -> Result<bool> {
    let had = forget(tx, user)?;
    account::sign_out(tx, user, ("reset_2fa", "reset_2fa"), vec![])?;
    let text = "An administrator has taken two-factor authentication from your account, passkeys included, and signed you out everywhere. \
                If you have not asked for that, tell them.";
    notice::tell(tx, user, ("Two-factor authentication was reset", text), &[])?;
    Ok(had)
}

/// Takes all second factors away, as if they had never been there. Answers whether there was one.
pub fn forget(tx: &mut Writer<'_>, user: i64) -> Result<bool> {
    let had = is_on(tx, user)?;
    totp::forget(tx, user)?;
    tx.clear("passkeys", "user_id = ?1", &[user.into()])?;
    recovery::forget(tx, user)?;
    Ok(had)
}
