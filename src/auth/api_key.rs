//! Keys of machines: a program acts in the name of whoever made its key, as far as its scopes go and its maker's rights at that moment.

use jiff::Timestamp;
use poem::http::Method;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::notice;
use crate::{
    actor::Scopes,
    db::{Reader, Row, Writer},
    error::{Error, Result},
    kit::{DateTime, hex::hex},
};

/// How a key begins: what finds secrets in places where they do not belong looks for it.
const MARK: &str = "sk_";
const KEY_BYTES: usize = 32;
/// The mark and eight digits: for telling keys from each other.
const SHOWN: usize = 11;

/// Paths of no resource that everybody may read: what they are told there depends on what they may read.
const SHARED: [&str; 2] = ["search", "events"];
/// Where people sign in and look after their accounts: no place for programs.
const IDENTITY: [&str; 3] = ["auth", "users", "v1"];

/// Is it a key, by its looks?
pub fn is_one(text: &str) -> bool {
    text.starts_with(MARK)
}

/// Does a request of this method leave everything as it is?
pub fn only_reads(method: &Method) -> bool {
    method == Method::GET || method == Method::HEAD
}

/// One refusal for all: unknown, revoked, too old, or of somebody who is not there any more.
pub fn refused() -> Error {
    Error::unauthenticated("api_key_not_valid", "The API key is not valid.")
}

/// What keys open: known by the resources that there are. Verbs ask for rights after that; this keeps programs away from where they do not.
pub struct Doors(pub Vec<&'static str>);

impl Doors {
    /// May a key with these scopes go there at all?
    pub fn open(&self, scopes: &Scopes, path: &str, only_reads: bool) -> bool {
        let path = path.strip_prefix("/api/").unwrap_or(path).trim_end_matches('/');
        let parts = || path.split('/');
        if IDENTITY.contains(&parts().next().unwrap_or_default()) {
            return false;
        }
        // Its own resource, or one whose rows are attached to others: `field/leads/7/comments`.
        let leads_to = |resource: &str| match path.strip_prefix(resource) {
            Some(rest) => rest.is_empty() || rest.starts_with('/'),
            None => parts().any(|part| part == resource),
        };
        let mut resources = self.0.iter().filter(|resource| leads_to(resource)).peekable();
        if resources.peek().is_some() {
            return resources.any(|resource| scopes.allow(resource, !only_reads));
        }
        // An address in other letters could be any other.
        only_reads && !path.contains('%') && (SHARED.contains(&path) || scopes.allow("*", false))
    }

    /// The first of the scopes' paths that is no resource's.
    pub fn unknown<'s>(&self, scopes: &'s Scopes) -> Option<&'s str> {
        scopes.paths().find(|path| *path != "*" && !self.0.contains(path))
    }
}

/// A key to be made.
#[derive(Clone)]
pub struct NewKey {
    pub business: i64,
    /// Whose rights it has.
    pub user: i64,
    pub name: String,
    /// As they were given.
    pub scopes: Vec<String>,
    pub expires_at: Option<DateTime>,
}

/// Makes a key. Answers its id and itself: it is stored as a hash, and never told again.
pub fn make(tx: &mut Writer<'_>, new: NewKey) -> Result<(i64, String)> {
    let mut bytes = [0; KEY_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| Error::internal(format!("No random bytes for a key: {error}.")))?;
    let key = format!("{MARK}{}", hex(&bytes));
    let values = vec![
        ("business_id", new.business.into()),
        ("user_id", new.user.into()),
        ("name", new.name.as_str().into()),
        ("prefix", key[..SHOWN].into()),
        ("key_hash", hash(&key).into()),
        ("scopes", serde_json::to_string(&new.scopes).map_err(Error::internal)?.into()),
        ("expires_at", new.expires_at.map(|at| at.to_string()).into()),
    ];
    let id = tx.insert("api_keys", values)?;
    tx.note("users", new.user, "make_api_key", None, Some(json!({"api_key": id, "name": new.name})))?;
    let text = "The API key \"{name}\" was made: whoever has it acts in your name, also after you change your password. If that was not you, \
                revoke it.";
    notice::tell(tx, new.user, ("An API key of your account was made", text), &[("name", &new.name)])?;
    Ok((id, key))
}

/// Ends a key, from the next request on. Answers whether it was still good.
pub fn revoke(tx: &mut Writer<'_>, id: i64) -> Result<bool> {
    let owner: Option<i64> = tx.one("SELECT user_id FROM api_keys WHERE id = ?1 AND revoked_at IS NULL", &[id.into()])?;
    let Some(owner) = owner else { return Ok(false) };
    let now = tx.now().to_string();
    tx.step(|tx| {
        tx.act("revoke");
        tx.update("api_keys", id, vec![("revoked_at", now.into())])
    })?;
    tx.note("users", owner, "revoke_api_key", None, Some(json!({"api_key": id})))?;
    Ok(true)
}

/// Ends all keys that act in somebody's name.
pub fn revoke_all(tx: &mut Writer<'_>, user: i64) -> Result<()> {
    let sql = "SELECT id FROM api_keys WHERE user_id = ?1 AND revoked_at IS NULL";
    let live: Vec<i64> = tx.rows(sql, &[user.into()], |row| row.get(0))?;
    live.into_iter().try_for_each(|id| revoke(tx, id).map(drop))
}

/// A key that is good.
pub(super) struct Stored {
    pub id: i64,
    pub business: i64,
    pub user: i64,
    pub scopes: Scopes,
    /// In seconds since 1970.
    pub expires: i64,
    pub used: i64,
}

/// The key that this is, if it is good.
pub(super) fn find(reader: &Reader<'_>, key: &str, now: Timestamp) -> Result<Option<Stored>> {
    let sql = "SELECT id, business_id, user_id, scopes, expires_at, last_used_at FROM api_keys
               WHERE key_hash = ?1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?2)";
    let second = |text: Option<String>| text.and_then(|text| text.parse::<Timestamp>().ok()).map(Timestamp::as_second);
    let read = |row: &Row<'_>| {
        let scopes: Vec<String> = serde_json::from_str(&row.get::<String>(3)?).map_err(Error::internal)?;
        let scopes = Scopes::parse(&scopes).map_err(Error::internal)?;
        let (expires, used) = (second(row.get(4)?).unwrap_or(i64::MAX), second(row.get(5)?).unwrap_or_default());
        Ok(Stored { id: row.get(0)?, business: row.get(1)?, user: row.get(2)?, scopes, expires, used })
    };
    reader.row(sql, &[hash(key).into(), DateTime(now).to_string().into()], read)
}

/// Writes down that a key is used. Not a change of it: no version, no history, and whoever is known by it stays known.
pub(super) fn note_use(tx: &mut Writer<'_>, id: i64) -> Result<()> {
    let now = tx.now().to_string();
    tx.each("UPDATE api_keys SET last_used_at = ?2 WHERE id = ?1", &[id.into(), now.into()], |_| Ok(()))
}

fn hash(key: &str) -> String {
    hex(&Sha256::digest(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(scopes: &[&str], path: &str, only_reads: bool) -> bool {
        let doors = Doors(vec!["field/leads", "field/visits", "comments", "users-list"]);
        let scopes: Vec<String> = scopes.iter().map(|&scope| scope.to_owned()).collect();
        doors.open(&Scopes::parse(&scopes).unwrap(), path, only_reads)
    }

    #[test]
    fn a_key_goes_where_its_scopes_lead() {
        for (scopes, path, reads, writes) in [
            (&["field/leads:read"][..], "/api/field/leads/", true, false),
            (&["field/leads:read"], "/api/field/leads", true, false),
            (&["field/leads:read"], "/api/field/leads/7/", true, false),
            (&["field/leads:write"], "/api/field/leads/7/", false, true),
            (&["field/leads:read"], "/api/field/leads-of-others/", false, false),
            (&["field/leads:read"], "/api/field/visits/", false, false),
            (&["comments:write"], "/api/field/leads/7/comments/", false, true),
            (&["field/leads:write"], "/api/comments/7/", false, false),
            (&["*:read"], "/api/field/visits/", true, false),
            (&["*:write"], "/api/field/visits/", false, true),
            (&["*:read"], "/api/reports/profit/", true, false),
            (&["field/leads:read"], "/api/reports/profit/", false, false),
            (&["*:read", "*:write"], "/api/businesses/invite/", true, false),
            (&["field/leads:read"], "/api/search/", true, false),
            (&["field/leads:read"], "/api/events/", true, false),
            (&["*:write", "*:read"], "/api/auth/api-keys/", false, false),
            (&["*:write", "*:read"], "/api/users/me/", false, false),
            (&["*:write", "*:read"], "/api/v1/accounts/profile/", false, false),
            (&["*:write", "*:read"], "/api/%61uth/api-keys/", false, false),
        ] {
            assert_eq!((open(scopes, path, true), open(scopes, path, false)), (reads, writes), "{scopes:?} at {path}");
        }
    }

    #[test]
    fn scopes_are_a_path_and_a_verb() {
        for text in ["", "read", ":read", "field/leads", "field/leads:", "field/leads:all", "field/leads:READ"] {
            assert_eq!(Scopes::parse(&[text.to_owned()]), Err(text), "{text}");
        }
    }
}
