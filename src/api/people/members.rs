//! What is done with memberships. Whoever loses one is out with their very next request.

use poem::Result;
use poem_openapi::{Object, OpenApi, param::Path};

use super::{business_name, business_of, found, set, tell};
use crate::{
    actor::Role,
    app::App,
    auth::{gate::Caller, proof, session::Sessions},
    db::Writer,
    engine::{body::Input, reply::Reply, verbs},
    error::{self, Error},
    kit::Ref,
    outbox::{self, Language, template},
    resources::accounts::{Membership, MembershipStatus, User},
};

/// Who goes on with the work of somebody who leaves.
#[derive(Object)]
pub struct End {
    /// The member who gets all open work; needed when there is any.
    pub reassign_to: Option<Ref<User>>,
}

pub struct Members(pub App);

#[OpenApi]
impl Members {
    /// Suspend a member
    ///
    /// They have no access until they are activated again. What they did and what is theirs to do stays as it is.
    #[oai(path = "/accounts/memberships/:id/suspend", method = "post")]
    async fn suspend(&self, caller: Caller, id: Path<String>) -> Result<Reply<Membership>> {
        let sessions = self.0.sessions.clone();
        let suspend = move |tx: &mut Writer<'_>| {
            let (id, membership) = found(tx, &id.0)?;
            expect(&membership, &[MembershipStatus::Active])?;
            expect_proof(tx, &membership)?;
            tx.act("suspend");
            set(tx, id, [("status", "suspended".into())])?;
            shut_out(tx, &sessions, membership.user_id, "membership_suspended", SUSPENDED)?;
            Ok(id)
        };
        Ok(verbs::act_on::<Membership>(&caller, suspend).await?)
    }

    /// Give a suspended member access again
    #[oai(path = "/accounts/memberships/:id/activate", method = "post")]
    async fn activate(&self, caller: Caller, id: Path<String>) -> Result<Reply<Membership>> {
        let activate = move |tx: &mut Writer<'_>| {
            let (id, membership) = found(tx, &id.0)?;
            expect(&membership, &[MembershipStatus::Suspended])?;
            tx.act("activate");
            set(tx, id, [("status", "active".into())])?;
            notify(tx, membership.user_id, RESTORED)?;
            Ok(id)
        };
        Ok(verbs::act_on::<Membership>(&caller, activate).await?)
    }

    /// End a membership
    ///
    /// Takes an invitation back, too. Customers and citizens may end their own. Open work is refused with how much there is of what
    /// (`open_work`), unless `reassign_to` says who goes on with it.
    #[oai(path = "/accounts/memberships/:id/end", method = "post")]
    async fn end(&self, caller: Caller, id: Path<String>, body: Input<End>) -> Result<Reply<Membership>> {
        let sessions = self.0.sessions.clone();
        let end = move |tx: &mut Writer<'_>| {
            let (id, membership) =
                if matches!(tx.actor().role, Role::Customer | Role::Citizen) { own(tx, &id.0)? } else { found(tx, &id.0)? };
            let heir = body.get()?.reassign_to.map(|heir| heir.0);
            expect(&membership, &[MembershipStatus::Active, MembershipStatus::Suspended, MembershipStatus::Invited])?;
            expect_proof(tx, &membership)?;
            hand_over(tx, membership.user_id, heir)?;
            tx.act("end");
            set(tx, id, [("status", "ended".into()), ("ended_at", tx.now().to_string().into())])?;
            if membership.status != MembershipStatus::Invited {
                shut_out(tx, &sessions, membership.user_id, "membership_ended", ENDED)?;
            }
            Ok(id)
        };
        Ok(verbs::act_on::<Membership>(&caller, end).await?)
    }
}

fn expect(membership: &Membership, among: &[MembershipStatus]) -> error::Result<()> {
    if among.contains(&membership.status) {
        return Ok(());
    }
    let words = match membership.status {
        MembershipStatus::Invited => "The invitation has not been accepted yet.",
        MembershipStatus::Active => "The membership is active already.",
        MembershipStatus::Suspended => "The membership is suspended already.",
        MembershipStatus::Ended => "The membership has ended. Invite the person again.",
    };
    Err(Error::conflict("invalid_transition", words))
}

/// Whoever takes the rights of an administrator proves who they are.
fn expect_proof(tx: &Writer<'_>, membership: &Membership) -> error::Result<()> {
    if membership.role == Role::Admin { proof::expect_fresh(tx, tx.actor()) } else { Ok(()) }
}

/// The caller's own membership; others' are not there for somebody who manages none.
fn own(tx: &Writer<'_>, key: &str) -> error::Result<(i64, Membership)> {
    let sql = "SELECT id FROM memberships WHERE business_id = ?1 AND user_id = ?2 AND (id = ?3 OR uuid = ?3)";
    let key = key.parse::<i64>().map_or_else(|_| key.to_ascii_lowercase().into(), crate::db::Value::Int);
    let id: Option<i64> = tx.one(sql, &[business_of(tx)?.into(), tx.actor().user_id.into(), key])?;
    let id = id.ok_or_else(|| Error::NotFound("No Membership matches the given query.".into()))?;
    Ok((id, verbs::load::<Membership>(tx, id)?))
}

/// Open work does not stay with somebody who is gone.
fn hand_over(tx: &mut Writer<'_>, user: i64, heir: Option<i64>) -> error::Result<()> {
    let business = business_of(tx)?;
    let counts = verbs::open_work(tx, business, user)?;
    if counts.is_empty() {
        return Ok(());
    }
    let Some(heir) = heir else {
        let detail = "There is open work. Say with reassign_to who goes on with it.".into();
        return Err(Error::Blocked { detail, code: "open_work", counts });
    };
    let sql = "SELECT role FROM memberships WHERE business_id = ?1 AND user_id = ?2 AND status = 'active'";
    let role: Option<String> = tx.one(sql, &[business.into(), heir.into()])?;
    let works = role.as_deref().and_then(Role::parse).is_some_and(Role::is_staff);
    if heir == user || !works {
        return Err(Error::field("reassign_to", "Name an active member who works for the business."));
    }
    verbs::hand_over(tx, business, user, heir)
}

const ENDED: (&str, &str) =
    ("Your access to {business} was ended", "Your access to {business} was ended. Ask whoever runs it if you do not know why.");
const RESTORED: (&str, &str) =
    ("Your access to {business} was restored", "Your access to {business} was restored. Ask whoever runs it if you do not know why.");
const SUSPENDED: (&str, &str) =
    ("Your access to {business} was suspended", "Your access to {business} was suspended. Ask whoever runs it if you do not know why.");

fn shut_out(tx: &mut Writer<'_>, sessions: &Sessions, user: i64, reason: &str, said: (&str, &str)) -> error::Result<()> {
    sessions.end_in(tx, user, business_of(tx)?, reason)?;
    notify(tx, user, said)
}

fn notify(tx: &mut Writer<'_>, user: i64, (subject, text): (&str, &str)) -> error::Result<()> {
    let (name, language) = (business_name(tx, business_of(tx)?)?, Language::of_user(tx, user)?);
    let said = |english| language.say(english, &[("business", &name)]);
    tell(tx, user, template::MESSAGE, outbox::letter(language, said(subject), said(text)))
}
