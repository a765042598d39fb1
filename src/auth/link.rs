//! The links of e-mails: each good once, for one thing, for a while, and only as long as the account is as it was.
//!
//! A link carries `uid`, which account, and `token`, 32 random bytes of which only the SHA-256 is stored: it is found by that, so
//! that how long a refusal takes tells nothing about the tokens that there are.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::SignedDuration;
use serde_json::Value as Json;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    db::{Reader, Row, Writer},
    error::{Error, Result},
    kit::{DateTime, hex::hex},
};

const TOKEN_BYTES: usize = 32;
/// The longest part of a link that is looked at, in bytes.
const LONGEST: usize = 200;

/// What a link does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Says that the address is the account's owner's.
    Verify,
    /// Sets another password.
    Reset,
    /// Makes another address the account's.
    Change,
    /// Joins a business.
    Invite,
}

impl Purpose {
    pub fn name(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Reset => "reset",
            Self::Change => "change",
            Self::Invite => "invite",
        }
    }

    /// How long such a link is good for.
    pub fn life(self) -> SignedDuration {
        match self {
            Self::Verify | Self::Change => SignedDuration::from_hours(3 * 24),
            Self::Reset => SignedDuration::from_hours(1),
            Self::Invite => SignedDuration::from_hours(7 * 24),
        }
    }
}

/// What goes into the URL. No `Debug`: whoever has it can use it.
#[derive(Clone)]
pub struct Link {
    pub uid: String,
    pub token: String,
}

impl Link {
    /// Its URL: a front end's page (with `{uid}` and `{token}` in it), or `path` below `/api/` of this server when there is none.
    pub fn url(&self, public_url: &str, path: &str, front_end: &str) -> String {
        if front_end.is_empty() {
            return format!("{public_url}/api/{path}/?uid={}&token={}", self.uid, self.token);
        }
        front_end.replace("{uid}", &self.uid).replace("{token}", &self.token)
    }
}

/// What a link was issued for.
#[derive(Debug, Clone, PartialEq)]
pub struct Redeemed {
    pub user: i64,
    pub detail: Json,
}

/// Makes a link for an account. Older ones for the same purpose are dead from now on; of invitations only those with the same
/// `detail` (an object), for one may be invited to several businesses.
///
/// # Errors
/// There is no such account, or the system has no random bytes.
pub fn issue(tx: &mut Writer<'_>, user: i64, purpose: Purpose, detail: Json) -> Result<Link> {
    let sql = "SELECT uuid, token_epoch, email FROM users WHERE id = ?1 AND deleted_at IS NULL";
    let read = |row: &Row<'_>| Ok((row.get::<String>(0)?, row.get::<i64>(1)?, row.get::<Option<String>>(2)?));
    let (uuid, epoch, email) = tx.row(sql, &[user.into()], read)?.ok_or_else(Error::not_found)?;
    let uuid = Uuid::parse_str(&uuid).map_err(Error::internal)?;
    store(tx, Some(user), uuid, purpose, &detail, (epoch, email))
}

/// Does the work of `issue` for nobody, so that it takes as long: an address that no account has was asked for.
pub fn issue_to_nobody(tx: &mut Writer<'_>, purpose: Purpose, email: &str) -> Result<Link> {
    store(tx, None, Uuid::nil(), purpose, &Json::Object(serde_json::Map::new()), (0, Some(email.to_owned())))
}

fn store(
    tx: &mut Writer<'_>,
    user: Option<i64>,
    uuid: Uuid,
    purpose: Purpose,
    detail: &Json,
    (epoch, email): (i64, Option<String>),
) -> Result<Link> {
    let detail = detail.to_string();
    let older = "user_id = ?1 AND purpose = ?2 AND used_at IS NULL AND (?2 <> 'invite' OR detail = ?3)";
    tx.clear("email_tokens", older, &[user.into(), purpose.name().into(), detail.as_str().into()])?;
    let mut bytes = [0; TOKEN_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| Error::internal(format!("No random bytes for a link: {error}.")))?;
    let token = URL_SAFE_NO_PAD.encode(bytes);
    let values = vec![
        ("user_id", user.into()),
        ("purpose", purpose.name().into()),
        ("token_hash", hash(&token).into()),
        ("detail", detail.into()),
        ("epoch", epoch.into()),
        ("email", email.into()),
        ("expires_at", DateTime(tx.now().0 + purpose.life()).to_string().into()),
    ];
    tx.insert("email_tokens", values)?;
    Ok(Link { uid: URL_SAFE_NO_PAD.encode(uuid), token })
}

/// Uses a link up. `None` when it is not good: never issued, for something else or somebody else, used, replaced, too old, or issued
/// before the account's password or address was changed.
pub fn redeem(tx: &mut Writer<'_>, uid: &str, token: &str, purpose: Purpose) -> Result<Option<Redeemed>> {
    let Some((id, redeemed)) = find(tx, tx.now(), uid, token, purpose)? else { return Ok(None) };
    // There is one writer: nobody else can have used it since it was read.
    let used = tx.update("email_tokens", id, vec![("used_at", tx.now().to_string().into())])?;
    Ok(used.then_some(redeemed))
}

/// What a link would do, without using it up.
pub fn peek(reader: &Reader<'_>, now: DateTime, uid: &str, token: &str, purpose: Purpose) -> Result<Option<Redeemed>> {
    Ok(find(reader, now, uid, token, purpose)?.map(|(_, redeemed)| redeemed))
}

fn find(reader: &Reader<'_>, now: DateTime, uid: &str, token: &str, purpose: Purpose) -> Result<Option<(i64, Redeemed)>> {
    if uid.len() > LONGEST || token.len() > LONGEST {
        return Ok(None);
    }
    let uuid = URL_SAFE_NO_PAD.decode(uid).ok().and_then(|bytes| Uuid::from_slice(&bytes).ok());
    let Some(uuid) = uuid else { return Ok(None) };
    let sql = "SELECT t.id, t.user_id, t.detail FROM email_tokens AS t JOIN users AS u ON u.id = t.user_id
               WHERE t.token_hash = ?1 AND t.purpose = ?2 AND t.used_at IS NULL AND t.expires_at > ?3
                 AND u.uuid = ?4 AND u.deleted_at IS NULL AND u.token_epoch = t.epoch AND u.email IS t.email";
    let args = [hash(token).into(), purpose.name().into(), now.to_string().into(), uuid.to_string().into()];
    reader.row(sql, &args, |row| {
        let detail = serde_json::from_str(&row.get::<String>(2)?).map_err(Error::internal)?;
        Ok((row.get(0)?, Redeemed { user: row.get(1)?, detail }))
    })
}

fn hash(token: &str) -> String {
    hex(&Sha256::digest(token))
}
