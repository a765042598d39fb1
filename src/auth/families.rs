//! A person's sign-ins: each is a family of refresh tokens, of which the newest is the live one.

use jiff::SignedDuration;

use super::session::Sessions;
use crate::{
    db::{Reader, Writer},
    error::Result,
    kit::DateTime,
};

/// An access token may outlive its refresh token by so much: its family can still be ended.
const SLACK: SignedDuration = SignedDuration::from_hours(24);

/// One sign-in, as its owner sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct SignIn {
    pub family: String,
    pub user_agent: Option<String>,
    pub ip: Option<String>,
    pub opened_at: String,
    pub last_used_at: String,
    pub expires_at: String,
    pub remember: bool,
}

const LIVE: &str = "user_id = ?1 AND revoked_at IS NULL AND used_at IS NULL AND expires_at > ?2";

/// The live sign-ins of a person, the one used last first.
pub fn list(reader: &Reader<'_>, user: i64, now: DateTime) -> Result<Vec<SignIn>> {
    listed(reader, user, None, now)
}

/// Those of them that are for a business: of a session that went on to another, what it left behind is none.
pub fn list_in(reader: &Reader<'_>, user: i64, business: i64, now: DateTime) -> Result<Vec<SignIn>> {
    listed(reader, user, Some(business), now)
}

/// When a person last signed in to a business, as far as that is remembered.
pub fn last_opened(reader: &Reader<'_>, user: i64, business: i64) -> Result<Option<String>> {
    let sql = "SELECT max(coalesce(opened_at, issued_at)) FROM refresh_tokens WHERE user_id = ?1 AND business_id = ?2";
    Ok(reader.one::<Option<String>>(sql, &[user.into(), business.into()])?.flatten())
}

fn listed(reader: &Reader<'_>, user: i64, business: Option<i64>, now: DateTime) -> Result<Vec<SignIn>> {
    let sql = format!(
        "SELECT family, user_agent, ip, coalesce(opened_at, issued_at), coalesce(last_used_at, issued_at), expires_at, remember
         FROM refresh_tokens AS t WHERE {LIVE} AND (?3 IS NULL OR business_id = ?3
              AND NOT EXISTS (SELECT 1 FROM refresh_tokens AS n WHERE n.family = t.family AND n.id > t.id)) ORDER BY 5 DESC, id DESC"
    );
    reader.rows(&sql, &[user.into(), now.to_string().into(), business.into()], |row| {
        Ok(SignIn {
            family: row.get(0)?,
            user_agent: row.get(1)?,
            ip: row.get(2)?,
            opened_at: row.get(3)?,
            last_used_at: row.get(4)?,
            expires_at: row.get(5)?,
            remember: row.get(6)?,
        })
    })
}

/// The families of a person that anything may still be done with.
pub fn of(tx: &Writer<'_>, user: i64) -> Result<Vec<String>> {
    let since = DateTime(tx.now().0 - SLACK).to_string();
    let sql = "SELECT DISTINCT family FROM refresh_tokens WHERE user_id = ?1 AND revoked_at IS NULL AND expires_at > ?2";
    tx.rows(sql, &[user.into(), since.into()], |row| row.get(0))
}

/// Notes that a family is over.
pub fn mark(tx: &mut Writer<'_>, family: &str, reason: &str) -> Result<()> {
    let sql = "SELECT id FROM refresh_tokens WHERE family = ?1 AND revoked_at IS NULL";
    let live: Vec<i64> = tx.rows(sql, &[family.into()], |row| row.get(0))?;
    for id in live {
        tx.update("refresh_tokens", id, vec![("revoked_at", tx.now().to_string().into()), ("revoke_reason", reason.into())])?;
    }
    Ok(())
}

impl Sessions {
    /// Ends all sessions of a person but one, from the next request on, and answers how many there were.
    pub fn end_all(&self, tx: &mut Writer<'_>, user: i64, except: Option<&str>, reason: &str) -> Result<usize> {
        let mut families = of(tx, user)?;
        families.retain(|family| Some(family.as_str()) != except);
        for family in &families {
            self.revoke_family(tx, family, reason)?;
        }
        Ok(families.len())
    }

    /// Ends one session of a person; `false`: they have no such session.
    pub fn end_one(&self, tx: &mut Writer<'_>, user: i64, family: &str, reason: &str) -> Result<bool> {
        let theirs = of(tx, user)?.iter().any(|known| known == family);
        if theirs {
            self.revoke_family(tx, family, reason)?;
        }
        Ok(theirs)
    }

    /// Makes room for one more session. Those that go were not used for longest: they cannot be renewed, and end with their access token.
    pub(super) fn make_room(&self, tx: &mut Writer<'_>, user: i64) -> Result<()> {
        let live = list(tx, user, tx.now())?;
        for old in live.iter().skip(self.most.saturating_sub(1)) {
            mark(tx, &old.family, "too_many")?;
        }
        Ok(())
    }
}
