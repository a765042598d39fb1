//! The keys of the seals. They are in the database, sealed by the vault: a rotation of its key takes them along, and each that was
//! replaced stays, so that what it sealed can be looked at for ever.

use hmac::{Hmac, KeyInit};
use sha2::Sha256;

use super::Audit;
use crate::{
    actor::Actor,
    db::Writer,
    error::{Error, Result},
    secrets::vault::{Vault, context},
};

const KEY_BYTES: usize = 32;

impl Audit {
    /// A key with its number, ready for use.
    pub(super) fn key(&self, number: i64) -> Result<Hmac<Sha256>> {
        let sealed: Option<String> =
            self.0.db.read(|reader| reader.one("SELECT key_enc FROM audit_keys WHERE id = ?1", &[number.into()]))?;
        let sealed = sealed.ok_or_else(|| Error::internal(format!("There is no key {number} of the audit log.")))?;
        let key = self.0.vault.open(&place(number), &sealed)?;
        Hmac::new_from_slice(&key).map_err(Error::internal)
    }

    /// The key that seals are made with. Where there is none, or the newest does not open, there is a new one: what comes is to be
    /// sealed, whatever was before.
    pub(super) fn current_key(&self, actor: &Actor) -> Result<(i64, Hmac<Sha256>)> {
        let newest: Option<i64> = self.0.db.read(|reader| reader.one("SELECT max(id) FROM audit_keys", &[]).map(Option::flatten))?;
        if let Some(number) = newest {
            match self.key(number) {
                Ok(key) => return Ok((number, key)),
                Err(error) => tracing::error!(%error, "the key of the audit log does not open; it goes on with a new one"),
            }
        }
        let number = self.rotate(actor.clone())?;
        Ok((number, self.key(number)?))
    }

    /// Seals with a new key from now on, and answers its number. What was sealed before is still looked at with the key it was sealed
    /// with.
    ///
    /// # Errors
    /// When the system has no random bytes, or the disk refuses.
    pub fn rotate(&self, actor: Actor) -> Result<i64> {
        let mut key = [0; KEY_BYTES];
        getrandom::fill(&mut key).map_err(|error| Error::internal(format!("No random bytes for a key: {error}.")))?;
        let vault = self.0.vault.clone();
        let number = self.0.db.write_blocking(std::sync::Arc::new(actor), move |tx| store(tx, &vault, &key))?;
        tracing::info!(target: "security", event = "key", name = "audit", done = "made", number);
        Ok(number)
    }
}

/// Sealed in the transaction that stores it, so that a rotation of the vault finds it.
fn store(tx: &mut Writer<'_>, vault: &Vault, key: &[u8]) -> Result<i64> {
    let number = tx.one("SELECT 1 + coalesce(max(id), 0) FROM audit_keys", &[])?.unwrap_or(1);
    let sealed = vault.seal(&place(number), key)?;
    tx.insert("audit_keys", vec![("id", number.into()), ("made_at", tx.now().to_string().into()), ("key_enc", sealed.into())])
}

/// What a key is bound to: moved to another row, it does not open.
fn place(number: i64) -> String {
    context("audit_keys", number, "key_enc")
}
