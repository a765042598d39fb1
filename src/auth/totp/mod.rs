//! An authenticator app as the second factor (TOTP, RFC 6238).

pub mod code;

use self::code::{SEED_BYTES, STEP, same};
use super::{
    factor::{self, Verdict},
    notice, recovery,
};
use crate::{
    db::{Reader, Row, Writer},
    error::{Error, Result},
    secrets::vault,
};

const TABLE: &str = "second_factors";
/// So many wrong codes in one step, and on one day.
const MOST_FAILURES: i64 = 3;
const MOST_PER_DAY: i64 = 100;
const DAY: i64 = 86_400;

/// A person's app, as it is stored.
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

/// Does the person have an app?
pub fn is_on(reader: &Reader<'_>, user: i64) -> Result<bool> {
    reader.exists("SELECT 1 FROM second_factors WHERE id = ?1 AND confirmed_at IS NOT NULL", &[user.into()])
}

/// Since when.
pub fn since(reader: &Reader<'_>, user: i64) -> Result<Option<String>> {
    let since: Option<Option<String>> = reader.one("SELECT confirmed_at FROM second_factors WHERE id = ?1", &[user.into()])?;
    Ok(since.flatten())
}

/// The seed of the app, if it is switched on.
pub(super) fn seed(reader: &Reader<'_>, vault: &vault::Vault, user: i64) -> Result<Option<Vec<u8>>> {
    let known = stored(reader, user)?.filter(|known| known.confirmed);
    known.map(|known| vault.open(&place(user), &known.secret)).transpose()
}

/// A new seed for a person, in place of one that was never confirmed.
///
/// # Errors
/// 409 for whoever has one.
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

/// Switches the app on, if the code shows that it has the seed. Answers the recovery codes, with somebody's first second factor.
///
/// # Errors
/// 409 when there is nothing to confirm; 400 for a wrong code.
pub fn confirm(tx: &mut Writer<'_>, vault: &vault::Vault, user: i64, code: &str) -> Result<Vec<String>> {
    let known = stored(tx, user)?.filter(|known| !known.confirmed);
    let known = known.ok_or_else(|| Error::conflict("2fa_not_set_up", "Set two-factor authentication up first."))?;
    let seed = vault.open(&place(user), &known.secret)?;
    let step = step_of(&seed, code, tx.actor().now.as_second() / STEP, known.last_step)?.ok_or_else(wrong_code)?;
    let codes = recovery::begin(tx, vault, user)?;
    let now = tx.now().to_string();
    tx.update(TABLE, user, vec![("confirmed_at", now.into()), ("last_step", step.into())])?;
    tx.note("users", user, "enable_2fa", None, None)?;
    notice::tell(
        tx,
        user,
        ("Two-factor authentication is on", "From now on, signing in to your account takes a code of your authenticator app."),
        &[],
    )?;
    Ok(codes)
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

/// Looks at a code, and uses it up when it is right. What is wrong is counted: commit that too.
pub(super) fn check(tx: &mut Writer<'_>, vault: &vault::Vault, user: i64, given: &str) -> Result<Verdict> {
    let Some(known) = stored(tx, user)?.filter(|known| known.confirmed) else { return Ok(Verdict::Wrong) };
    let seed = vault.open(&place(user), &known.secret)?;
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

/// Switches the app off. Without another second factor the recovery codes go as well.
pub fn disable(tx: &mut Writer<'_>, user: i64) -> Result<()> {
    forget(tx, user)?;
    let is_last = !factor::is_on(tx, user)?;
    if is_last {
        recovery::forget(tx, user)?;
    }
    tx.note("users", user, "disable_2fa", None, None)?;
    let said = match is_last {
        true => ("Two-factor authentication is off", "Signing in to your account takes your password alone from now on."),
        false => {
            ("Your authenticator app was taken off your account", "Signing in to your account takes one of your passkeys from now on.")
        }
    };
    notice::tell(tx, user, said, &[])
}

/// Takes the app away, as if it had never been there.
pub(super) fn forget(tx: &mut Writer<'_>, user: i64) -> Result<()> {
    tx.clear(TABLE, "id = ?1", &[user.into()]).map(drop)
}
