//! One's own sign-ins: which there are, and the end of one, of all others, of all.

use poem::{Request, Result};
use poem_openapi::{Object, OpenApi, param::Path};
use serde_json::{Value as Json, json};

use super::cookies::{self, Jar};
use crate::{
    actor::Actor,
    app::App,
    auth::{
        device,
        families::{self, SignIn},
        gate::Caller,
    },
    engine::{
        reply::{NoContent, Reply},
        verbs,
    },
    error::Error,
    kit::DateTime,
    outbox::Language,
};

/// One sign-in.
#[derive(Object)]
pub struct Session {
    /// What it is ended by.
    pub id: String,
    /// The browser and the system, in words.
    pub device: String,
    /// What the browser or program said of itself.
    pub user_agent: Option<String>,
    /// The address it was last used from.
    pub ip_address: Option<String>,
    /// When somebody signed in.
    pub created_at: DateTime,
    /// When it was last renewed; an access token is used for 15 minutes in between.
    pub last_used_at: DateTime,
    /// When it ends by itself, unless it is renewed before.
    pub expires_at: DateTime,
    /// Whether it was to be remembered.
    pub remember: bool,
    /// Whether it is the one that asks.
    pub current: bool,
}

/// All sign-ins that are live; there are never many.
#[derive(Object)]
pub struct SessionPage {
    /// How many there are.
    pub count: u32,
    /// Nothing: there is one page.
    pub next: Option<String>,
    /// Nothing: there is one page.
    pub previous: Option<String>,
    /// The one that was used last comes first.
    pub results: Vec<Session>,
}

/// How many sign-ins were ended.
#[derive(Object)]
pub struct Ended {
    /// How many.
    pub ended: u32,
}

/// One path's operations.
pub(super) struct OwnSessions {
    pub app: App,
}

pub fn shown(sign_in: &SignIn, current: Option<&str>) -> Json {
    json!({
        "id": sign_in.family,
        "device": device::in_words(sign_in.user_agent.as_deref(), Language::English),
        "user_agent": sign_in.user_agent,
        "ip_address": sign_in.ip,
        "created_at": sign_in.opened_at,
        "last_used_at": sign_in.last_used_at,
        "expires_at": sign_in.expires_at,
        "remember": sign_in.remember,
        "current": current == Some(sign_in.family.as_str()),
    })
}

/// May they know of this sign-in of theirs?
fn is_for(actor: &Actor, family: &str) -> bool {
    !actor.by_code || actor.session.as_deref() == Some(family)
}

#[OpenApi]
impl OwnSessions {
    /// List one's sign-ins
    ///
    /// A sign-in by a one-time code knows of itself alone, here and below: it proves a telephone, and not whose account it is.
    #[oai(path = "/sessions", method = "get")]
    async fn list(&self, caller: Caller) -> Result<Reply<SessionPage>> {
        let user = caller.actor.user_id.ok_or_else(Error::forbidden)?;
        let mut found = caller.read(|reader| families::list(reader, user, DateTime(caller.actor.now)))?;
        found.retain(|one| is_for(&caller.actor, &one.family));
        let results: Vec<Json> = found.iter().map(|one| shown(one, caller.actor.session.as_deref())).collect();
        Ok(Reply::json(&json!({"count": results.len(), "next": null, "previous": null, "results": results})))
    }

    /// End a sign-in
    ///
    /// Its tokens are good for nothing from the next request on.
    #[oai(path = "/sessions/:id", method = "delete")]
    async fn end(&self, caller: Caller, id: Path<String>) -> Result<NoContent> {
        let user = caller.actor.user_id.ok_or_else(Error::forbidden)?;
        let sessions = self.app.sessions.clone();
        let may = is_for(&caller.actor, &id.0);
        caller.write(move |tx| if may && sessions.end_one(tx, user, &id.0, "ended")? { Ok(()) } else { Err(Error::not_found()) }).await?;
        Ok(NoContent)
    }

    /// End all other sign-ins
    ///
    /// The one that asks goes on.
    #[oai(path = "/sessions/end-others", method = "post")]
    async fn end_others(&self, caller: Caller) -> Result<Reply<Ended>> {
        let user = caller.actor.user_id.ok_or_else(Error::forbidden)?;
        let (sessions, current) = (self.app.sessions.clone(), caller.actor.session.clone());
        let ended = verbs::act(
            &caller,
            move |tx| if tx.actor().by_code { Ok(0) } else { sessions.end_all(tx, user, current.as_deref(), "ended_elsewhere") },
            |_, _, ended| Ok(Reply::json(&json!({"ended": ended}))),
        );
        Ok(ended.await?)
    }

    /// End all sign-ins
    ///
    /// The one that asks, too: as signing out everywhere.
    #[oai(path = "/sessions/end-all", method = "post")]
    async fn end_all(&self, caller: Caller, request: &Request) -> Result<Reply<Ended>> {
        let user = caller.actor.user_id.ok_or_else(Error::forbidden)?;
        let sessions = self.app.sessions.clone();
        let ended = verbs::act(
            &caller,
            move |tx| match tx.actor().session.clone().filter(|_| tx.actor().by_code) {
                Some(own) => sessions.end_one(tx, user, &own, "ended").map(usize::from),
                None => sessions.end_all(tx, user, None, "ended_everywhere"),
            },
            |_, _, ended| Ok(Reply::json(&json!({"ended": ended}))),
        );
        Ok(cookies::forgetting(ended.await?, &Jar::new(&self.app, request)))
    }
}
