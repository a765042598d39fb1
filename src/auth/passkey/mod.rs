//! Passkeys (WebAuthn, level 3): keys that people's devices keep and sign with, for this site alone.
//!
//! With the person known to the device, by a finger, a face or a PIN, one signs in by itself: it is both factors. Without, it is the second
//! to a password. Attestation is not asked for: whatever device a person trusts will do.

mod answer;
mod cbor;
pub mod ceremony;
mod cose;
mod data;
pub mod site;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value as Json, json};

pub use self::answer::{Given, New, Shown, verified};
use self::{cose::ALGORITHMS, site::Site};
use super::{factor, notice, recovery};
use crate::{
    db::{Reader, Row, Value, Writer},
    error::{Error, Problems, Result},
    secrets::vault::Vault,
};

/// So many has one person at most.
const MOST: i64 = 20;
/// Milliseconds that a browser lets a person take.
const PATIENCE: u32 = 300_000;

/// A passkey, as its owner sees it.
#[derive(Debug, Clone)]
pub struct Passkey {
    pub id: i64,
    pub name: String,
    pub created_at: String,
    pub last_used_at: Option<String>,
    pub is_synced: bool,
    pub transports: Json,
}

const SHOWN: &str = "SELECT id, name, created_at, last_used_at, is_synced, transports FROM passkeys WHERE user_id = ?1";

fn passkey(row: &Row<'_>) -> Result<Passkey> {
    Ok(Passkey {
        id: row.get(0)?,
        name: row.get(1)?,
        created_at: row.get(2)?,
        last_used_at: row.get(3)?,
        is_synced: row.get(4)?,
        transports: serde_json::from_str(&row.get::<String>(5)?).unwrap_or_default(),
    })
}

/// All of a person's, the oldest first.
pub fn list(reader: &Reader<'_>, user: i64) -> Result<Vec<Passkey>> {
    reader.rows(&format!("{SHOWN} ORDER BY id"), &[user.into()], passkey)
}

/// One of a person's.
///
/// # Errors
/// 404 for none of theirs.
pub fn find(reader: &Reader<'_>, user: i64, id: i64) -> Result<Passkey> {
    reader.row(&format!("{SHOWN} AND id = ?2"), &[user.into(), id.into()], passkey)?.ok_or_else(Error::not_found)
}

/// How many a person has.
pub fn count(reader: &Reader<'_>, user: i64) -> Result<i64> {
    Ok(reader.one("SELECT count(*) FROM passkeys WHERE user_id = ?1", &[user.into()])?.unwrap_or_default())
}

/// A person's, as browsers are told of them.
fn descriptors(reader: &Reader<'_>, user: i64) -> Result<Vec<Json>> {
    reader.rows("SELECT credential_id, transports FROM passkeys WHERE user_id = ?1 ORDER BY id", &[user.into()], |row| {
        let transports: Json = serde_json::from_str(&row.get::<String>(1)?).unwrap_or_default();
        Ok(json!({"type": "public-key", "id": row.get::<String>(0)?, "transports": transports}))
    })
}

/// What devices know a person by: nothing that tells who they are.
fn handle(reader: &Reader<'_>, user: i64) -> Result<Vec<u8>> {
    let uuid: Option<String> = reader.one("SELECT uuid FROM users WHERE id = ?1", &[user.into()])?;
    uuid.map(String::into_bytes).ok_or_else(Error::not_found)
}

/// What a browser makes a new passkey by (`PublicKeyCredentialCreationOptions`, as JSON).
///
/// # Errors
/// 409 for somebody who has as many as there may be.
pub fn creation(reader: &Reader<'_>, user: i64, title: &str, site: &Site, challenge: &str) -> Result<Json> {
    expect_room(reader, user)?;
    let sql = "SELECT coalesce(username, email, phone), coalesce(full_name, username, email, phone) FROM users WHERE id = ?1";
    let names = reader.row(sql, &[user.into()], |row| Ok((row.get::<String>(0)?, row.get::<String>(1)?)))?;
    let (name, shown) = names.ok_or_else(Error::not_found)?;
    let kinds: Vec<Json> = ALGORITHMS.iter().map(|algorithm| json!({"type": "public-key", "alg": algorithm})).collect();
    Ok(json!({
        "rp": {"id": site.rp_id, "name": title},
        "user": {"id": URL_SAFE_NO_PAD.encode(handle(reader, user)?), "name": name, "displayName": shown},
        "challenge": challenge,
        "pubKeyCredParams": kinds,
        "timeout": PATIENCE,
        "excludeCredentials": descriptors(reader, user)?,
        "authenticatorSelection": {"residentKey": "required", "requireResidentKey": true, "userVerification": "required"},
        "attestation": "none",
    }))
}

/// What a browser asks a passkey by (`PublicKeyCredentialRequestOptions`, as JSON): one of this person's, or whichever there is.
pub fn request(reader: &Reader<'_>, user: Option<i64>, site: &Site, challenge: &str, verification: &str) -> Result<Json> {
    let allowed = user.map_or(Ok(vec![]), |user| descriptors(reader, user))?;
    Ok(json!({
        "challenge": challenge, "timeout": PATIENCE, "rpId": site.rp_id, "allowCredentials": allowed, "userVerification": verification,
    }))
}

fn expect_room(reader: &Reader<'_>, user: i64) -> Result<()> {
    let many = || Error::conflict("too_many_passkeys", format!("There are {MOST} passkeys already; remove one first."));
    if count(reader, user)? < MOST { Ok(()) } else { Err(many()) }
}

/// Adds a passkey to an account. Answers its id and, with somebody's first second factor, the recovery codes.
///
/// # Errors
/// 400 for one that is somebody's already; 409 for too many.
pub fn add(tx: &mut Writer<'_>, vault: &Vault, user: i64, name: &str, new: &New) -> Result<(i64, Vec<String>)> {
    expect_room(tx, user)?;
    let credential: Value = new.credential.as_str().into();
    if tx.exists("SELECT 1 FROM passkeys WHERE credential_id = ?1", std::slice::from_ref(&credential))? {
        return Err(Error::field("credential", "This passkey was added before."));
    }
    let codes = recovery::begin(tx, vault, user)?;
    let values = vec![
        ("user_id", user.into()),
        ("name", name.into()),
        ("credential_id", credential),
        ("public_key", new.key.as_str().into()),
        ("sign_count", i64::from(new.count).into()),
        ("can_sync", new.can_sync.into()),
        ("is_synced", new.is_synced.into()),
        ("transports", new.transports.as_str().into()),
    ];
    let id = tx.insert("passkeys", values)?;
    tx.note("users", user, "add_passkey", None, Some(json!({"passkey": name})))?;
    let text = "The passkey \"{name}\" was added to your account: whoever has it can sign in as you. If that was not you, remove it and \
                change your password.";
    notice::tell(tx, user, ("A passkey was added to your account", text), &[("name", name)])?;
    Ok((id, codes))
}

/// Calls a passkey something else.
pub fn rename(tx: &mut Writer<'_>, user: i64, id: i64, name: &str) -> Result<()> {
    let known = find(tx, user, id)?;
    if known.name == name {
        return Ok(());
    }
    tx.each("UPDATE passkeys SET name = ?2 WHERE id = ?1", &[id.into(), name.into()], |_| Ok(()))?;
    tx.note("users", user, "rename_passkey", Some(json!({"passkey": known.name})), Some(json!({"passkey": name})))
}

/// Takes a passkey away. With the last second factor the recovery codes go as well.
pub fn remove(tx: &mut Writer<'_>, user: i64, id: i64) -> Result<()> {
    let known = find(tx, user, id)?;
    tx.clear("passkeys", "id = ?1", &[id.into()])?;
    let is_last = !factor::is_on(tx, user)?;
    if is_last {
        recovery::forget(tx, user)?;
    }
    tx.note("users", user, "remove_passkey", Some(json!({"passkey": known.name})), None)?;
    let text = match is_last {
        true => {
            "The passkey \"{name}\" was removed from your account, and signs in no more. Signing in to your account takes your password \
             alone from now on."
        }
        false => "The passkey \"{name}\" was removed from your account, and signs in no more.",
    };
    notice::tell(tx, user, ("A passkey was removed from your account", text), &[("name", &known.name)])
}

/// Check of the name of a passkey.
///
/// # Errors
/// 400 for none, and one that is too long.
pub fn name_of(given: Option<&str>) -> Result<String> {
    let name = given.unwrap_or_default().trim();
    let wrong = match name.chars().count() {
        0 => "This field is required.",
        1..=100 if !name.chars().any(char::is_control) => return Ok(name.to_owned()),
        1..=100 => "Enter a valid value.",
        _ => "Ensure this field has no more than 100 characters.",
    };
    Err(Error::Invalid(Problems::one("name", wrong)))
}

/// Whose a credential is, if they may sign in: the account and its epoch, as for a password.
pub fn owner(reader: &Reader<'_>, credential: &str) -> Result<Option<(i64, bool, i64)>> {
    let sql = "SELECT u.id, u.is_active, u.token_epoch FROM passkeys AS p JOIN users AS u ON u.id = p.user_id
               WHERE p.credential_id = ?1 AND u.deleted_at IS NULL";
    reader.row(sql, &[credential.into()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
}

/// What is to be said of a passkey that has signed rightly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    Taken,
    /// It was removed meanwhile.
    Gone,
    /// It says that it was used less often than it was: there is a copy of it (WebAuthn, section 6.1.1).
    Copied,
}

/// Uses what a passkey has signed. What is refused is told to its owner: commit that too.
pub fn accept(tx: &mut Writer<'_>, shown: &Shown) -> Result<Use> {
    let known =
        tx.row("SELECT sign_count, name FROM passkeys WHERE id = ?1 AND user_id = ?2", &[shown.id.into(), shown.user.into()], |row| {
            Ok((row.get::<i64>(0)?, row.get::<String>(1)?))
        })?;
    let Some((before, name)) = known else { return Ok(Use::Gone) };
    let count = i64::from(shown.count);
    if (before > 0 || count > 0) && count <= before {
        tx.note("users", shown.user, "copied_passkey", None, Some(json!({"passkey": name, "count": count, "before": before})))?;
        let text = "Somebody tried to sign in to your account with a copy of the passkey \"{name}\", or the device that has it has lost \
                    count. They were refused. Remove the passkey if you cannot explain it.";
        notice::tell(tx, shown.user, ("A passkey of your account may have been copied", text), &[("name", &name)])?;
        return Ok(Use::Copied);
    }
    // Not through `update`: nobody's rights change with it.
    let sql = "UPDATE passkeys SET sign_count = ?2, is_synced = ?3, last_used_at = ?4 WHERE id = ?1";
    tx.each(sql, &[shown.id.into(), count.into(), shown.is_synced.into(), tx.now().to_string().into()], |_| Ok(()))?;
    Ok(Use::Taken)
}
