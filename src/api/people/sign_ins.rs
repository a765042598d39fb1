//! How a member of the business gets in: whether they can, where they are signed in, and ending that.

use poem::Result;
use poem_openapi::{Object, OpenApi, param::Path};
use serde_json::json;

use crate::{
    actor::Actor,
    api::identity::sessions::{Ended, Session, shown},
    app::App,
    auth::{factor, families, passkey, proof::Person, throttle},
    db::{Reader, Writer},
    engine::{
        READ, descriptor,
        reply::{NoContent, Reply},
        table::columns::heading_of,
        verbs,
    },
    error::{self, Error},
    kit::DateTime,
    resources::accounts::User,
};

/// Something that somebody has to do.
#[derive(Object)]
pub struct OpenWork {
    /// Where the resource is below `/api/`.
    pub resource: String,
    /// What its records are called.
    pub title: String,
    /// How much of it there is.
    pub count: i64,
}

/// How somebody gets in.
#[derive(Object)]
pub struct PersonAccess {
    /// Whether signing in takes a second factor.
    pub second_factor: bool,
    /// How many passkeys they have.
    pub passkeys: i64,
    /// Until when no attempt to sign in is looked at, because too many were wrong.
    pub locked_until: Option<DateTime>,
    /// When they last signed in to work here.
    pub last_sign_in_at: Option<DateTime>,
    /// What they have left to do here, by kind.
    pub open_work: Vec<OpenWork>,
    /// Where they are signed in to work here, the one that was used last first.
    pub sessions: Vec<Session>,
}

pub struct SignIns(pub App);

#[OpenApi]
impl SignIns {
    /// See how a member gets in
    ///
    /// For administrators: whether the account is locked, whether it has a second factor, what there is left to do, and the sign-ins of
    /// the person in this business. Those in others are nobody's here.
    #[oai(path = "/accounts/users-list/:id/access", method = "get")]
    async fn access(&self, caller: Person, id: Path<String>) -> Result<Reply<PersonAccess>> {
        caller.expect_admin()?;
        let actor = caller.actor.clone();
        let answer = caller.read(|reader| {
            let (user, business) = member(reader, &actor, &id.0)?;
            let now = DateTime(actor.now);
            let found = families::list_in(reader, user, business, now)?;
            let sessions: Vec<_> = found.iter().map(|one| shown(one, actor.session.as_deref())).collect();
            let open_work = verbs::open_work(reader, business, user)?.into_iter().map(|(table, count)| {
                let path = descriptor::by_table(&table).map(|d| d.about.path);
                json!({"resource": path, "title": heading_of(&table), "count": count})
            });
            let open_work: Vec<_> = open_work.collect();
            Ok(json!({
                "second_factor": factor::is_on(reader, user)?,
                "passkeys": passkey::count(reader, user)?,
                "locked_until": throttle::locked_until(reader, user, actor.now)?,
                "last_sign_in_at": families::last_opened(reader, user, business)?,
                "open_work": open_work,
                "sessions": sessions,
            }))
        })?;
        Ok(Reply::json(&answer))
    }

    /// End a sign-in of a member
    ///
    /// For administrators. Its tokens are good for nothing from the next request on.
    #[oai(path = "/accounts/users-list/:id/sessions/:session", method = "delete")]
    async fn end(&self, caller: Person, id: Path<String>, session: Path<String>) -> Result<NoContent> {
        caller.expect_admin()?;
        let (sessions, key, family) = (self.0.sessions.clone(), id.0, session.0);
        let work = move |tx: &mut Writer<'_>| {
            let (user, business) = member(tx, &tx.actor().clone(), &key)?;
            let is_here = families::list_in(tx, user, business, tx.now())?.iter().any(|one| one.family == family);
            if !is_here || !sessions.end_one(tx, user, &family, "ended_by_admin")? {
                return Err(Error::not_found());
            }
            tx.note("users", user, "end_session", None, None)
        };
        caller.write(work).await?;
        Ok(NoContent)
    }

    /// End all sign-ins of a member
    ///
    /// For administrators: those in this business. Of one's own, the one that asks goes on.
    #[oai(path = "/accounts/users-list/:id/end-sessions", method = "post")]
    async fn end_all(&self, caller: Person, id: Path<String>) -> Result<Reply<Ended>> {
        caller.expect_admin()?;
        let (sessions, key) = (self.0.sessions.clone(), id.0);
        let work = move |tx: &mut Writer<'_>| {
            let (user, business) = member(tx, &tx.actor().clone(), &key)?;
            let own = tx.actor().session.clone();
            let mut found = families::list_in(tx, user, business, tx.now())?;
            found.retain(|one| Some(&one.family) != own.as_ref());
            for one in &found {
                sessions.end_one(tx, user, &one.family, "ended_by_admin")?;
            }
            tx.note("users", user, "end_sessions", None, None)?;
            Ok(found.len())
        };
        let answer = |_: &Reader<'_>, _: &Actor, ended| Ok(Reply::json(&json!({"ended": ended})));
        Ok(verbs::act(&caller, work, answer).await?)
    }
}

/// A member of the business where the actor acts, and that.
fn member(reader: &Reader<'_>, actor: &Actor, key: &str) -> error::Result<(i64, i64)> {
    let business = actor.business_id().ok_or_else(Error::forbidden)?;
    Ok((verbs::find::<User>(reader, actor, key, READ)?, business))
}
