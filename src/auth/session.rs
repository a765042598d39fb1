//! Sessions: a refresh token and its descendants are one family; rotating, revoking and noticing theft happen per family.
//!
//! What ends sessions: signing out, presenting a used token again (the family); another password, a closed account (all of the person);
//! a suspended membership (those in the business). Another role ends none: rights are read anew with every request.

use std::sync::Arc;

use jiff::SignedDuration;

use super::{
    device, families,
    gate::Gate,
    notice::{self, Notice},
    proof::{self, Means},
    token::{Bad, Claims, random_id},
};
use crate::{
    actor::Actor,
    db::{Reader, Row, Writer},
    error::{Error, Result},
    kit::DateTime,
};

/// How long things last, in seconds.
#[derive(Debug, Clone, Copy)]
pub struct Lives {
    pub access: i64,
    pub refresh: i64,
    /// A refresh token's life with `remember_me`.
    pub remember: i64,
    /// Presenting a used token again within this time answers the same successor: two tabs must not sign each other out.
    pub grace: i64,
}

/// What signing in or refreshing answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    pub access: String,
    /// `None`: the token that was presented stays the one to use.
    pub refresh: Option<String>,
    /// Seconds that the refresh token still lives: the cookie's `Max-Age`.
    pub refresh_life: i64,
    /// The mark of a device that was not known before, for a cookie of its own.
    pub device: Option<String>,
}

/// How a session is opened.
#[derive(Debug, Clone, Copy, Default)]
pub struct Opening {
    /// Refreshing gives a new refresh token and uses the old one up.
    pub rotates: bool,
    pub remember: bool,
    /// Proven by a one-time code alone: a citizen's rights, whatever the account may do.
    pub citizen: bool,
    /// The business to work in, which the account must be a member of; otherwise the first that it is a member of.
    pub business: Option<i64>,
    /// More than a password was proven, and this is what.
    pub proven: Option<Means>,
    /// The account's epoch when its password was compared: changed since, the old password opens nothing.
    pub epoch: Option<i64>,
}

/// Mints, rotates and revokes.
#[derive(Clone)]
pub struct Sessions {
    pub gate: Arc<Gate>,
    pub lives: Lives,
    /// So many sign-ins of one person at once; another ends the one that was used least recently.
    pub most: usize,
}

/// A row of `refresh_tokens`.
struct Stored {
    family: String,
    user: i64,
    business: Option<i64>,
    rotates: bool,
    citizen: bool,
    remember: bool,
    opened_at: String,
    expires_at: String,
    used_at: Option<String>,
    replaced_by: Option<String>,
    revoked: bool,
}

/// Why a refresh token is not taken.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Refusal {
    Invalid,
    Expired,
    Blacklisted,
    Inactive,
}

impl Refusal {
    fn error(self) -> Error {
        match self {
            Self::Invalid => token_error("Token is invalid"),
            Self::Expired => token_error("Token is expired"),
            Self::Blacklisted => token_error("Token is blacklisted"),
            Self::Inactive => Error::unauthenticated("no_active_account", "No active account found for the given token."),
        }
    }
}

fn token_error(detail: &'static str) -> Error {
    Error::unauthenticated("token_not_valid", detail)
}

impl Sessions {
    /// Opens a session for a user.
    pub fn open(&self, tx: &mut Writer<'_>, user: i64, how: Opening) -> Result<Pair> {
        if how.epoch.is_some_and(|epoch| !is_current(tx, user, epoch).unwrap_or(false)) {
            return Err(Error::unauthenticated("no_active_account", "No active account found with the given credentials"));
        }
        let business: Option<i64> = tx.one(
            "SELECT m.business_id FROM memberships AS m JOIN businesses AS b ON b.id = m.business_id AND b.is_active = 1 AND b.deleted_at IS NULL
             WHERE m.user_id = ?1 AND m.status = 'active' AND (?2 IS NULL OR m.business_id = ?2) ORDER BY m.business_id",
            &[user.into(), how.business.into()],
        )?;
        // A superuser passes every business, also without a membership.
        let first = "SELECT b.id FROM businesses AS b, users AS u WHERE u.id = ?1 AND u.is_superuser = 1 AND b.is_active = 1 AND b.deleted_at IS NULL ORDER BY b.id";
        let business = if business.is_some() { business } else { tx.one(first, &[user.into()])? };
        let life = if how.remember { self.lives.remember } else { self.lives.refresh };
        let device = self.greet(tx, user)?;
        self.make_room(tx, user)?;
        let stored = Stored {
            family: random_id(),
            user,
            business,
            rotates: how.rotates,
            citizen: how.citizen,
            remember: how.remember,
            opened_at: tx.now().to_string(),
            expires_at: self.later(tx, life),
            used_at: None,
            replaced_by: None,
            revoked: false,
        };
        let jti = random_id();
        self.store(tx, &stored, &jti)?;
        if let Some(means) = how.proven {
            proof::note(tx, &stored.family, user, means)?;
        }
        // Seen for the person's own list of people, not worth an audit entry of its own.
        tx.touch_seen(user)?;
        Ok(Pair { access: self.access(tx, &stored)?, refresh: Some(self.refresh_token(tx, &stored, &jti)?), refresh_life: life, device })
    }

    /// Tells a person who signs in on a device that was never seen before, and answers the mark for it. A device is known by its mark or,
    /// for programs that keep none, by its address and what it says of itself.
    fn greet(&self, tx: &mut Writer<'_>, user: i64) -> Result<Option<String>> {
        let Some(agent) = tx.actor().agent.clone() else { return Ok(None) };
        let now = tx.actor().now;
        let known = agent.device.as_deref().and_then(|mark| device::known(&self.gate.tokens, mark, now));
        if known.is_some_and(|device| device.user == user) {
            return Ok(None);
        }
        let seen = "SELECT 1 FROM refresh_tokens WHERE user_id = ?1 AND ip IS ?2 AND user_agent IS ?3";
        let args = [user.into(), tx.actor().ip.clone().into(), user_agent(tx.actor()).into()];
        // Nobody needs to be told of the first time.
        let before = tx.exists("SELECT 1 FROM refresh_tokens WHERE user_id = ?1", &[user.into()])?;
        if before && !tx.exists(seen, &args)? {
            tx.note("users", user, "new_device", None, None)?;
            notice::send(tx, user, Notice::NewDevice)?;
        }
        Ok(Some(device::mark(&self.gate.tokens, user, now)))
    }

    /// Gives a session tokens for another business of its person's. Those that it has stay good: they are for the business that they
    /// were made for.
    ///
    /// # Errors
    /// 401 for a session that has ended.
    pub fn switch(&self, tx: &mut Writer<'_>, session: &str, business: i64) -> Result<Pair> {
        let newest = "SELECT jti FROM refresh_tokens WHERE family = ?1 AND revoked_at IS NULL ORDER BY id DESC LIMIT 1";
        let known = tx.one::<String>(newest, &[session.into()])?.map(|jti| stored_by(tx, &jti)).transpose()?.flatten();
        let stored = known.ok_or_else(|| Refusal::Invalid.error())?;
        let jti = random_id();
        let next = Stored { business: Some(business), used_at: None, replaced_by: None, ..stored };
        self.store(tx, &next, &jti)?;
        let life = seconds(&next.expires_at) - tx.actor().now.as_second();
        Ok(Pair { access: self.access(tx, &next)?, refresh: Some(self.refresh_token(tx, &next, &jti)?), refresh_life: life, device: None })
    }

    /// Ends the sessions that somebody has in a business: those that were not switched to another since.
    pub fn end_in(&self, tx: &mut Writer<'_>, user: i64, business: i64, reason: &str) -> Result<()> {
        let sql = "SELECT t.family FROM refresh_tokens AS t WHERE t.user_id = ?1 AND t.business_id = ?2 AND t.revoked_at IS NULL
                     AND NOT EXISTS (SELECT 1 FROM refresh_tokens AS n WHERE n.family = t.family AND n.id > t.id)";
        let families: Vec<String> = tx.rows(sql, &[user.into(), business.into()], |row| row.get(0))?;
        families.iter().try_for_each(|family| self.revoke_family(tx, family, reason))
    }

    fn later(&self, tx: &Writer<'_>, seconds: i64) -> String {
        DateTime(tx.actor().now + SignedDuration::from_secs(seconds)).to_string()
    }

    fn store(&self, tx: &mut Writer<'_>, stored: &Stored, jti: &str) -> Result<()> {
        let values = vec![
            ("jti", jti.into()),
            ("family", stored.family.as_str().into()),
            ("user_id", stored.user.into()),
            ("business_id", stored.business.into()),
            ("rotates", stored.rotates.into()),
            ("scope", if stored.citizen { "citizen" } else { "full" }.into()),
            ("remember", stored.remember.into()),
            ("issued_at", tx.now().to_string().into()),
            ("opened_at", stored.opened_at.as_str().into()),
            ("expires_at", stored.expires_at.as_str().into()),
            ("ip", tx.actor().ip.clone().into()),
            ("user_agent", user_agent(tx.actor()).into()),
        ];
        tx.insert("refresh_tokens", values).map(drop)
    }

    /// A refresh token is a function of its row: minting it again gives the same text.
    fn refresh_token(&self, reader: &Reader<'_>, stored: &Stored, jti: &str) -> Result<String> {
        let issued: String = reader
            .one("SELECT issued_at FROM refresh_tokens WHERE jti = ?1", &[jti.into()])?
            .ok_or_else(|| Error::internal("a refresh token without a row"))?;
        let mut claims = self.claims(reader, stored, "refresh")?;
        claims.jti = jti.to_owned();
        claims.iat = seconds(&issued);
        claims.exp = seconds(&stored.expires_at);
        self.gate.tokens.sign(&claims)
    }

    fn access(&self, tx: &Writer<'_>, stored: &Stored) -> Result<String> {
        let mut claims = self.claims(tx, stored, "access")?;
        claims.iat = tx.actor().now.as_second();
        claims.exp = claims.iat + self.lives.access;
        self.gate.tokens.sign(&claims)
    }

    fn claims(&self, reader: &Reader<'_>, stored: &Stored, kind: &str) -> Result<Claims> {
        let sql = "SELECT u.token_epoch, u.is_superuser, m.role FROM users AS u
                   LEFT JOIN memberships AS m ON m.user_id = u.id AND m.business_id = ?2 AND m.status = 'active' WHERE u.id = ?1";
        let read = |row: &Row<'_>| Ok((row.get::<i64>(0)?, row.get::<bool>(1)?, row.get::<Option<String>>(2)?));
        let found = reader.row(sql, &[stored.user.into(), stored.business.into()], read)?;
        let (epoch, superuser, role) = found.ok_or_else(|| Refusal::Inactive.error())?;
        let role = match role {
            _ if stored.citizen => "citizen".to_owned(),
            _ if superuser => "admin".to_owned(),
            role => role.unwrap_or_else(|| "citizen".to_owned()),
        };
        Ok(Claims {
            token_type: kind.to_owned(),
            exp: 0,
            iat: 0,
            jti: random_id(),
            user_id: stored.user.to_string(),
            biz: stored.business,
            role,
            scope: if stored.citizen { "citizen" } else { "full" }.to_owned(),
            epoch,
            sid: stored.family.clone(),
        })
    }

    /// The claims of a refresh token, its signature checked.
    fn open_token(&self, token: &str, actor: &Actor) -> Result<Claims> {
        let claims = self.gate.tokens.read(token, actor.now).map_err(|bad| match bad {
            Bad::Expired => Refusal::Expired.error(),
            Bad::Invalid | Bad::NoId | Bad::NoUser => Refusal::Invalid.error(),
        })?;
        if claims.token_type == "refresh" { Ok(claims) } else { Err(token_error("Token has wrong type")) }
    }

    /// Exchanges a refresh token. A used one that comes back after the grace was stolen, or its successor was: the family dies.
    pub async fn refresh(&self, actor: Actor, token: &str) -> Result<Pair> {
        let claims = self.open_token(token, &actor)?;
        let sessions = self.clone();
        // A refusal is an answer, not an error: the revocation that comes with it must be committed.
        let outcome = self.gate.db.write(Arc::new(actor), move |tx| sessions.exchange(tx, &claims)).await?;
        outcome.map_err(Refusal::error)
    }

    fn exchange(&self, tx: &mut Writer<'_>, claims: &Claims) -> Result<Result<Pair, Refusal>> {
        let Some(stored) = stored_by(tx, &claims.jti)? else { return Ok(Err(Refusal::Invalid)) };
        if stored.revoked {
            return Ok(Err(Refusal::Blacklisted));
        }
        if !is_current(tx, stored.user, claims.epoch)? {
            return Ok(Err(Refusal::Inactive));
        }
        let now = tx.now().to_string();
        if stored.expires_at <= now {
            return Ok(Err(Refusal::Expired));
        }
        let left = |stored: &Stored| seconds(&stored.expires_at) - seconds(&now);
        if !stored.rotates {
            let id: Option<i64> = tx.one("SELECT id FROM refresh_tokens WHERE jti = ?1", &[claims.jti.as_str().into()])?;
            tx.update("refresh_tokens", id.unwrap_or_default(), vec![("last_used_at", now.as_str().into())])?;
            return Ok(Ok(Pair { access: self.access(tx, &stored)?, refresh: None, refresh_life: left(&stored), device: None }));
        }
        let successor = match (&stored.used_at, &stored.replaced_by) {
            (None, _) => self.rotate(tx, &stored, &claims.jti)?,
            (Some(used), Some(successor)) if seconds(&now) - seconds(used) <= self.lives.grace => successor.clone(),
            _ => {
                self.revoke_family(tx, &stored.family, "reuse")?;
                tx.note("users", stored.user, "token_reuse", None, None)?;
                notice::send(tx, stored.user, Notice::Reuse)?;
                return Ok(Err(Refusal::Blacklisted));
            }
        };
        let next = stored_by(tx, &successor)?.ok_or_else(|| Error::internal("a successor without a row"))?;
        let refresh = Some(self.refresh_token(tx, &next, &successor)?);
        Ok(Ok(Pair { access: self.access(tx, &next)?, refresh, refresh_life: left(&next), device: None }))
    }

    /// A later token of the same session for one that is not exchanged, once half of its life is over, and the seconds that it lives: who
    /// works every day stays signed in. The token itself stays good as long as it was to be.
    pub async fn prolong(&self, actor: Actor, token: &str) -> Result<Option<(String, i64)>> {
        let claims = self.open_token(token, &actor)?;
        let sessions = self.clone();
        self.gate.db.write(Arc::new(actor), move |tx| sessions.prolonged(tx, &claims)).await
    }

    fn prolonged(&self, tx: &mut Writer<'_>, claims: &Claims) -> Result<Option<(String, i64)>> {
        let now = tx.now().to_string();
        let known = stored_by(tx, &claims.jti)?.filter(|stored| !stored.revoked && !stored.rotates && stored.expires_at > now);
        let Some(stored) = known else { return Ok(None) };
        let left = |stored: &Stored| seconds(&stored.expires_at) - seconds(&now);
        let life = if stored.remember { self.lives.remember } else { self.lives.refresh };
        if left(&stored) * 2 > life {
            return Ok(None);
        }
        // Two tabs get the same.
        let successor = match &stored.replaced_by {
            Some(successor) => successor.clone(),
            None => self.rotate(tx, &stored, &claims.jti)?,
        };
        let Some(next) = stored_by(tx, &successor)?.filter(|next| !next.revoked && left(next) > 0) else { return Ok(None) };
        Ok(Some((self.refresh_token(tx, &next, &successor)?, left(&next))))
    }

    /// Uses a token up and answers the id of its successor.
    fn rotate(&self, tx: &mut Writer<'_>, stored: &Stored, jti: &str) -> Result<String> {
        let life = if stored.remember { self.lives.remember } else { self.lives.refresh };
        let successor = random_id();
        let (family, opened_at) = (stored.family.clone(), stored.opened_at.clone());
        let next = Stored { family, opened_at, expires_at: self.later(tx, life), used_at: None, replaced_by: None, ..*stored };
        self.store(tx, &next, &successor)?;
        let id: Option<i64> = tx.one("SELECT id FROM refresh_tokens WHERE jti = ?1", &[jti.into()])?;
        let id = id.ok_or_else(|| Error::internal("a token without a row"))?;
        tx.update("refresh_tokens", id, vec![("used_at", tx.now().to_string().into()), ("replaced_by", successor.as_str().into())])?;
        Ok(successor)
    }

    /// Ends a session: its refresh tokens, and its access tokens from the next request on.
    pub fn revoke_family(&self, tx: &mut Writer<'_>, family: &str, reason: &str) -> Result<()> {
        families::mark(tx, family, reason)?;
        let (gate, family) = (self.gate.clone(), family.to_owned());
        tx.after_commit(move || gate.revoked.insert(family, ()));
        Ok(())
    }

    /// Signs out: ends the session that a refresh token belongs to.
    ///
    /// # Errors
    /// 401 when the token is none of ours or its session was ended before.
    pub async fn blacklist(&self, actor: Actor, token: &str) -> Result<()> {
        let claims = self.open_token(token, &actor)?;
        let sessions = self.clone();
        let work = move |tx: &mut Writer<'_>| match stored_by(tx, &claims.jti)? {
            None => Err(Refusal::Invalid.error()),
            Some(stored) if stored.revoked => Err(Refusal::Blacklisted.error()),
            Some(stored) => sessions.revoke_family(tx, &stored.family, "logout"),
        };
        self.gate.db.write(Arc::new(actor), work).await
    }

    /// Ends a session by its id.
    pub async fn end(&self, actor: Actor, family: String) -> Result<()> {
        let sessions = self.clone();
        self.gate.db.write(Arc::new(actor), move |tx| sessions.revoke_family(tx, &family, "logout")).await
    }

    /// Is a token, of either kind, good?
    ///
    /// # Errors
    /// 401 in SimpleJWT's words; 400 for a refresh token that was revoked or used up.
    pub fn verify(&self, token: &str, actor: &Actor) -> Result<()> {
        let claims = self.gate.tokens.read(token, actor.now).map_err(|bad| match bad {
            Bad::Expired => Refusal::Expired.error(),
            Bad::Invalid | Bad::NoId | Bad::NoUser => Refusal::Invalid.error(),
        })?;
        let known = self.gate.db.read(|reader| stored_by(reader, &claims.jti))?;
        let revoked = self.gate.revoked.contains_key(&claims.sid) || known.is_some_and(|stored| stored.revoked || stored.used_at.is_some());
        if revoked {
            return Err(Error::whole("Token is blacklisted"));
        }
        let user: i64 = claims.user_id.parse().map_err(|_| Refusal::Invalid.error())?;
        if self.gate.db.read(|reader| is_current(reader, user, claims.epoch))? { Ok(()) } else { Err(Refusal::Invalid.error()) }
    }
}

fn stored_by(reader: &Reader<'_>, jti: &str) -> Result<Option<Stored>> {
    let sql = "SELECT family, user_id, business_id, rotates, scope, remember, expires_at, used_at, replaced_by, revoked_at,
                      coalesce(opened_at, issued_at) FROM refresh_tokens WHERE jti = ?1";
    reader.row(sql, &[jti.into()], |row| {
        Ok(Stored {
            family: row.get(0)?,
            user: row.get(1)?,
            business: row.get(2)?,
            rotates: row.get(3)?,
            citizen: row.get::<String>(4)? == "citizen",
            remember: row.get(5)?,
            expires_at: row.get(6)?,
            used_at: row.get(7)?,
            replaced_by: row.get(8)?,
            revoked: row.get::<Option<String>>(9)?.is_some(),
            opened_at: row.get(10)?,
        })
    })
}

/// Is the account active, and are its tokens of this epoch still good?
fn is_current(reader: &Reader<'_>, user: i64, epoch: i64) -> Result<bool> {
    let sql = "SELECT 1 FROM users WHERE id = ?1 AND is_active = 1 AND deleted_at IS NULL AND token_epoch = ?2";
    reader.exists(sql, &[user.into(), epoch.into()])
}

/// What the caller's browser says of itself, as far as it is stored.
fn user_agent(actor: &Actor) -> Option<String> {
    Some(actor.agent.as_ref()?.user_agent.as_ref()?.chars().take(255).collect())
}

/// A stored time in seconds since 1970.
fn seconds(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().map_or(0, |at| at.as_second())
}
