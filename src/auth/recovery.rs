//! Recovery codes: each is good once in the place of a second factor that is not at hand. They come with the first one that somebody has.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{
    factor::{self, Verdict},
    notice,
    totp::{self, code::base32},
};
use crate::{
    db::{Reader, Value, Writer},
    error::{Error, Result},
    kit::hex::hex,
    secrets::vault::{self, Vault},
};

const TABLE: &str = "recovery_codes";
const KEYS: &str = "recovery_keys";
/// So many are given out at once, each of so many bytes: 80 bits.
const CODES: usize = 10;
const CODE_BYTES: usize = 10;
/// The bytes that they are hashed under.
const KEY_BYTES: usize = 32;

/// How many were not used yet.
pub fn left(reader: &Reader<'_>, user: i64) -> Result<i64> {
    Ok(reader.one("SELECT count(*) FROM recovery_codes WHERE user_id = ?1 AND used_at IS NULL", &[user.into()])?.unwrap_or_default())
}

/// The codes of somebody who is about to have their first second factor; none for who has another, whose codes stay good. Call it before
/// the factor is there.
pub fn begin(tx: &mut Writer<'_>, vault: &Vault, user: i64) -> Result<Vec<String>> {
    if !factor::is_on(tx, user)? {
        return give(tx, vault, user);
    }
    // Codes that hang on the app's seed live on without the app.
    if !tx.exists("SELECT 1 FROM recovery_keys WHERE id = ?1", &[user.into()])?
        && let Some(seed) = totp::seed(tx, vault, user)?
    {
        keep_key(tx, vault, user, &seed)?;
    }
    Ok(vec![])
}

/// New codes in place of all before.
///
/// # Errors
/// 409 without a second factor.
pub fn renew(tx: &mut Writer<'_>, vault: &Vault, user: i64) -> Result<Vec<String>> {
    if !factor::is_on(tx, user)? {
        return Err(Error::conflict("2fa_not_set_up", "Set two-factor authentication up first."));
    }
    tx.note("users", user, "renew_recovery_codes", None, None)?;
    give(tx, vault, user)
}

fn give(tx: &mut Writer<'_>, vault: &Vault, user: i64) -> Result<Vec<String>> {
    forget(tx, user)?;
    let key: [u8; KEY_BYTES] = random()?;
    keep_key(tx, vault, user, &key)?;
    let mut codes = vec![];
    for _ in 0..CODES {
        let code = base32(&random::<CODE_BYTES>()?).to_lowercase();
        tx.insert(TABLE, vec![("user_id", user.into()), ("code_hash", hash_of(&key, &code)?.into())])?;
        codes.push(code.as_bytes().chunks(4).map(String::from_utf8_lossy).collect::<Vec<_>>().join("-"));
    }
    Ok(codes)
}

fn random<const LENGTH: usize>() -> Result<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    getrandom::fill(&mut bytes).map_err(|error| Error::internal(format!("No random bytes for a code: {error}.")))?;
    Ok(bytes)
}

fn place(user: i64) -> String {
    vault::context(KEYS, user, "secret_enc")
}

fn keep_key(tx: &mut Writer<'_>, vault: &Vault, user: i64, key: &[u8]) -> Result<()> {
    tx.insert(KEYS, vec![("id", user.into()), ("secret_enc", vault.seal(&place(user), key)?.into())]).map(drop)
}

/// What the codes of somebody are hashed under.
fn key(tx: &Writer<'_>, vault: &Vault, user: i64) -> Result<Option<Vec<u8>>> {
    match tx.one::<String>("SELECT secret_enc FROM recovery_keys WHERE id = ?1", &[user.into()])? {
        Some(sealed) => vault.open(&place(user), &sealed).map(Some),
        None => totp::seed(tx, vault, user),
    }
}

/// Under a key that the vault keeps: what is stored is worth nothing without its key.
fn hash_of(key: &[u8], code: &str) -> Result<String> {
    let mac = Hmac::<Sha256>::new_from_slice(key).map_err(Error::internal)?;
    Ok(hex(&mac.chain_update(b"recovery code ").chain_update(code).finalize().into_bytes()))
}

/// Looks at a code and uses it up. They need no limit on wrong ones: there are 80 bits to guess. So they work while somebody else has used
/// up the tries.
pub(super) fn check(tx: &mut Writer<'_>, vault: &Vault, user: i64, given: &str) -> Result<Verdict> {
    let Some(key) = key(tx, vault, user)? else { return Ok(Verdict::Wrong) };
    let given: String = given.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    let args: [Value; 3] = [user.into(), hash_of(&key, &given)?.into(), tx.now().to_string().into()];
    let sql = "UPDATE recovery_codes SET used_at = ?3 WHERE user_id = ?1 AND code_hash = ?2 AND used_at IS NULL RETURNING id";
    let used = tx.exists(sql, &args)?;
    tx.note("users", user, if used { "use_recovery_code" } else { "wrong_recovery_code" }, None, None)?;
    if used {
        let text = "One of your recovery codes was used to sign in to your account. If that was not you, change your password.";
        notice::tell(tx, user, ("A recovery code was used", text), &[])?;
    }
    Ok(if used { Verdict::Right } else { Verdict::Wrong })
}

/// Takes them all away.
pub(super) fn forget(tx: &mut Writer<'_>, user: i64) -> Result<()> {
    tx.clear(TABLE, "user_id = ?1", &[user.into()])?;
    tx.clear(KEYS, "id = ?1", &[user.into()])?;
    Ok(())
}
