//! The second factor: an authenticator app (TOTP, RFC 6238), and recovery codes for whoever has lost it.
//!
//! Whether a code is right is decided by the writer, one sign-in after the other: of a hundred that send the same code at once, one gets in.

pub mod code;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Map, json};
use sha2::Sha256;

use self::code::{SEED_BYTES, STEP, base32, same};
use super::{account, keys::hex, vault};
use crate::{
    db::{Reader, Row, Value, Writer},
    error::{Error, Result},
    outbox::{self, Channel, Message},
};

const TABLE: &str = "second_factors";
/// So many wrong codes in one step, and on one day.
const MOST_FAILURES: i64 = 3;
const MOST_PER_DAY: i64 = 100;
const DAY: i64 = 86_400;
/// So many recovery codes are given out at once, each of so many bytes: 80 bits.
const CODES: usize = 10;
const CODE_BYTES: usize = 10;

/// What somebody shows as their second factor.
#[derive(Clone)]
pub enum Proof {
    /// The code of their app.
    Code(String),
    /// One of their recovery codes.
    Recovery(String),
}

/// What is to be said of a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Right,
    Wrong,
    /// There were too many wrong ones: not before so many seconds.
    Wait(u64),
}

/// A person's second factor, as it is stored.
struct Stored {
    secret: String,
    confirmed: bool,
    last_step: i64,
    failed_step: i64,
    failures: i64,
    failed_day: i64,
    day_failures: i64,
}

fn stored(reader: &Reader<'_>, user: i64) -> Result<Option<Stored>> {
    let sql =
        "SELECT secret_enc, confirmed_at, last_step, failed_step, failures, failed_day, day_failures FROM second_factors WHERE id = ?1";
    reader.row(sql, &[user.into()], |row: &Row<'_>| {
        Ok(Stored {
            secret: row.get(0)?,
            confirmed: row.get::<Option<String>>(1)?.is_some(),
            last_step: row.get(2)?,
            failed_step: row.get(3)?,
            failures: row.get(4)?,
            failed_day: row.get(5)?,
            day_failures: row.get(6)?,
        })
    })
}

fn place(user: i64) -> String {
    vault::context(TABLE, user, "secret_enc")
}

/// Does the person sign in with a second factor?
pub fn is_on(reader: &Reader<'_>, user: i64) -> Result<bool> {
    reader.exists("SELECT 1 FROM second_factors WHERE id = ?1 AND confirmed_at IS NOT NULL", &[user.into()])
}

/// Since when, and how many recovery codes are left.
pub fn status(reader: &Reader<'_>, user: i64) -> Result<(Option<String>, i64)> {
    let since: Option<Option<String>> = reader.one("SELECT confirmed_at FROM second_factors WHERE id = ?1", &[user.into()])?;
    let left = reader.one("SELECT count(*) FROM recovery_codes WHERE user_id = ?1 AND used_at IS NULL", &[user.into()])?;
    Ok((since.flatten(), left.unwrap_or_default()))
}

/// A new seed for a person, in place of one that was never confirmed.
///
/// # Errors
/// 409 for whoever has a second factor.
pub fn set_up(tx: &mut Writer<'_>, vault: &vault::Vault, user: i64) -> Result<[u8; SEED_BYTES]> {
    let mut seed = [0; SEED_BYTES];
    getrandom::fill(&mut seed).map_err(|error| Error::internal(format!("No random bytes for a seed: {error}.")))?;
    let sealed = vault.seal(&place(user), &seed)?;
    match stored(tx, user)? {
        Some(known) if known.confirmed => return Err(Error::conflict("2fa_enabled", "Two-factor authentication is switched on already.")),
        Some(_) => drop(tx.update(TABLE, user, vec![("secret_enc", sealed.into())])?),
        None => drop(tx.insert(TABLE, vec![("id", user.into()), ("secret_enc", sealed.into())])?),
    }
    Ok(seed)
}

/// Switches the second factor on, if the code shows that the app has the seed. Answers the recovery codes.
///
/// # Errors
/// 409 when there is nothing to confirm; 400 for a wrong code.
pub fn confirm(tx: &mut Writer<'_>, vault: &vault::Vault, user: i64, code: &str) -> Result<Vec<String>> {
    let known = stored(tx, user)?.filter(|known| !known.confirmed);
    let known = known.ok_or_else(|| Error::conflict("2fa_not_set_up", "Set two-factor authentication up first."))?;
    let seed = vault.open(&place(user), &known.secret)?;
    let step = step_of(&seed, code, tx.actor().now.as_second() / STEP, known.last_step)?.ok_or_else(wrong_code)?;
    let now = tx.now().to_string();
    tx.update(TABLE, user, vec![("confirmed_at", now.into()), ("last_step", step.into())])?;
    tx.note("users", user, "enable_2fa", None, None)?;
    tell(tx, user, "Two-factor authentication is on", "From now on, signing in to your account takes a code of your authenticator app.")?;
    give_codes(tx, &seed, user)
}

/// The refusal of a code in a body.
pub fn wrong_code() -> Error {
    Error::field("code", "This code is wrong, or was used before.")
}

/// The step whose code this is: the present one or a neighbour, but none before or at `after`.
fn step_of(seed: &[u8], given: &str, now: i64, after: i64) -> Result<Option<i64>> {
    let given: String = given.split_whitespace().collect();
    let mut found = None;
    for step in now - 1..=now + 1 {
        // All three are compared: the time taken does not tell which it was.
        if same(&code::code(seed, step)?, &given) && step > after {
            found = found.or(Some(step));
        }
    }
    Ok(found)
}

/// Looks at what somebody shows, and uses it up when it is right. What is wrong is counted: commit that too.
pub fn check(tx: &mut Writer<'_>, vault: &vault::Vault, user: i64, proof: &Proof) -> Result<Verdict> {
    let Some(known) = stored(tx, user)?.filter(|known| known.confirmed) else { return Ok(Verdict::Wrong) };
    let seed = vault.open(&place(user), &known.secret)?;
    let given = match proof {
        Proof::Recovery(given) => return use_code(tx, &seed, user, given),
        Proof::Code(given) => given,
    };
    let now = tx.actor().now.as_second();
    let (step, day) = (now / STEP, now / DAY);
    let wait = |period: i64| Ok(Verdict::Wait((period - now.rem_euclid(period)).unsigned_abs()));
    if known.failed_day == day && known.day_failures >= MOST_PER_DAY {
        return wait(DAY);
    }
    if known.failed_step == step && known.failures >= MOST_FAILURES {
        return wait(STEP);
    }
    if let Some(used) = step_of(&seed, given, step, known.last_step)? {
        let sql = "UPDATE second_factors SET last_step = ?2, failures = 0 WHERE id = ?1 AND last_step < ?2 RETURNING id";
        if tx.exists(sql, &[user.into(), used.into()])? {
            return Ok(Verdict::Right);
        }
    }
    // Not through `update`: nobody's rights change with it.
    let sql = "UPDATE second_factors SET failures = CASE WHEN failed_step = ?2 THEN failures + 1 ELSE 1 END, failed_step = ?2,
                      day_failures = CASE WHEN failed_day = ?3 THEN day_failures + 1 ELSE 1 END, failed_day = ?3 WHERE id = ?1";
    tx.each(sql, &[user.into(), step.into(), day.into()], |_| Ok(()))?;
    tx.note("users", user, "wrong_2fa_code", None, None)?;
    Ok(Verdict::Wrong)
}

/// Switches the second factor off.
pub fn disable(tx: &mut Writer<'_>, user: i64) -> Result<()> {
    forget(tx, user)?;
    tx.note("users", user, "disable_2fa", None, None)?;
    tell(tx, user, "Two-factor authentication is off", "Signing in to your account takes your password alone from now on.")
}

/// Takes the second factor from somebody who has lost it, and ends all their sessions. Answers whether they had one.
pub fn reset(tx: &mut Writer<'_>, user: i64) -> Result<bool> {
    let had = forget(tx, user)?;
    account::sign_out(tx, user, ("reset_2fa", "reset_2fa"), vec![])?;
    let text = "An administrator has taken two-factor authentication from your account and signed you out everywhere. \
                If you have not asked for that, tell them.";
    tell(tx, user, "Two-factor authentication was reset", text)?;
    Ok(had)
}

/// Takes the second factor away, as if it had never been there. Answers whether it was on.
pub fn forget(tx: &mut Writer<'_>, user: i64) -> Result<bool> {
    let had = is_on(tx, user)?;
    tx.clear("recovery_codes", "user_id = ?1", &[user.into()])?;
    tx.clear(TABLE, "id = ?1", &[user.into()])?;
    Ok(had)
}

/// New recovery codes in place of all before.
///
/// # Errors
/// 409 without a second factor.
pub fn renew_codes(tx: &mut Writer<'_>, vault: &vault::Vault, user: i64) -> Result<Vec<String>> {
    let known = stored(tx, user)?.filter(|known| known.confirmed);
    let known = known.ok_or_else(|| Error::conflict("2fa_not_set_up", "Set two-factor authentication up first."))?;
    let seed = vault.open(&place(user), &known.secret)?;
    tx.note("users", user, "renew_recovery_codes", None, None)?;
    give_codes(tx, &seed, user)
}

fn give_codes(tx: &mut Writer<'_>, seed: &[u8], user: i64) -> Result<Vec<String>> {
    tx.clear("recovery_codes", "user_id = ?1", &[user.into()])?;
    let mut codes = vec![];
    for _ in 0..CODES {
        let mut bytes = [0; CODE_BYTES];
        getrandom::fill(&mut bytes).map_err(|error| Error::internal(format!("No random bytes for a code: {error}.")))?;
        let code = base32(&bytes).to_lowercase();
        tx.insert("recovery_codes", vec![("user_id", user.into()), ("code_hash", hash_of(seed, &code)?.into())])?;
        codes.push(code.as_bytes().chunks(4).map(String::from_utf8_lossy).collect::<Vec<_>>().join("-"));
    }
    Ok(codes)
}

/// Under the seed, which the vault keeps: what is stored is worth nothing without its key.
fn hash_of(seed: &[u8], code: &str) -> Result<String> {
    let mac = Hmac::<Sha256>::new_from_slice(seed).map_err(Error::internal)?;
    Ok(hex(&mac.chain_update(b"recovery code ").chain_update(code).finalize().into_bytes()))
}

/// Recovery codes need no limit on wrong ones: there are 80 bits to guess. So they work while somebody else has used up the tries.
fn use_code(tx: &mut Writer<'_>, seed: &[u8], user: i64, given: &str) -> Result<Verdict> {
    let given: String = given.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    let args: [Value; 3] = [user.into(), hash_of(seed, &given)?.into(), tx.now().to_string().into()];
    let sql = "UPDATE recovery_codes SET used_at = ?3 WHERE user_id = ?1 AND code_hash = ?2 AND used_at IS NULL RETURNING id";
    let used = tx.exists(sql, &args)?;
    tx.note("users", user, if used { "use_recovery_code" } else { "wrong_recovery_code" }, None, None)?;
    if used {
        let text = "One of your recovery codes was used to sign in to your account. If that was not you, change your password.";
        tell(tx, user, "A recovery code was used", text)?;
    }
    Ok(if used { Verdict::Right } else { Verdict::Wrong })
}

/// Tells the person by e-mail, if they have an address.
fn tell(tx: &mut Writer<'_>, user: i64, subject: &str, text: &str) -> Result<()> {
    let address: Option<Option<String>> = tx.one("SELECT email FROM users WHERE id = ?1", &[user.into()])?;
    let Some(recipient) = address.flatten() else { return Ok(()) };
    let payload = Map::from_iter([("subject".to_owned(), json!(subject)), ("text".to_owned(), json!(text))]);
    let message = Message { channel: Channel::Email, recipient, template: "message".into(), payload, key: None, due_at: None };
    outbox::send(tx, message).map(drop)
}
