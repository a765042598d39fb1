//! Asking people to join, and saying yes.
//!
//! An invitation says nothing of whether there was an account before, and shows nothing of it until the person has said yes. A link is for
//! whoever has the mailbox or the telephone; somebody who is signed in needs none if the address is known to be theirs.

use std::sync::Arc;

use poem::{Request, Result};
use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
    types::{Password, ToJSON},
};
use serde_json::json;

use super::{
    found,
    joining::{self, Joining},
};
use crate::{
    actor::{Actor, Role},
    api::identity::page,
    app::App,
    auth::{
        gate::{Caller, info},
        link::{self, Purpose},
    },
    db::{Reader, Row, Writer},
    engine::{
        body::{FormInput, Input},
        reply::Reply,
        verbs,
    },
    error::{self, Error},
    kit::{DateTime, Email, Ref},
    resources::accounts::{Branch, Membership, MembershipStatus},
};

/// Somebody to ask. By e-mail or by telephone.
#[derive(Object)]
pub struct Invite {
    /// The e-mail address to write to.
    #[oai(validator(max_length = 254))]
    pub email: Option<Email>,
    /// The telephone number to write to, when there is no e-mail address.
    #[oai(validator(max_length = 40))]
    pub phone: Option<String>,
    /// What the person is to be.
    pub role: Role,
    /// What is to widen a member of staff beyond their own work.
    #[oai(default)]
    pub capabilities: Vec<String>,
    /// The branch that a manager's or staff's lists are to be limited to.
    pub branch: Option<Ref<Branch>>,
    /// What the person is called; theirs to change.
    #[oai(validator(max_length = 150))]
    pub full_name: Option<String>,
}

/// The answer to an invitation.
#[derive(Object)]
pub struct Accept {
    /// The `uid` of the link.
    pub uid: String,
    /// The `token` of the link.
    pub token: String,
    /// A password, from those who have none yet, or whose address was never confirmed before.
    pub password: Option<Password>,
    /// What the person is called, if they were not asked before.
    #[oai(validator(max_length = 150))]
    pub full_name: Option<String>,
}

/// An invitation, as whoever is invited sees it.
#[derive(Object)]
pub struct Invitation {
    /// Its id.
    pub id: i64,
    /// Its uuid.
    pub uuid: String,
    /// What the business is called.
    pub business_name: String,
    /// What the person is to be there.
    pub role: String,
    /// When it was made or last changed.
    pub updated_at: String,
}

/// What the link of an invitation is for.
#[derive(Object)]
pub struct InvitationLink {
    /// What the business is called.
    pub business_name: String,
    /// What the person is to be there.
    pub role: String,
    /// Whether accepting it takes a password to be set.
    pub needs_password: bool,
}

/// What has been joined.
#[derive(Object)]
pub struct Joined {
    /// In words.
    pub detail: String,
    /// The id of the business.
    pub business: i64,
    /// What the business is called.
    pub business_name: String,
    /// What the person is there.
    pub role: String,
}

pub struct Invitations(pub App);

#[OpenApi]
impl Invitations {
    /// Invite somebody
    ///
    /// Sends a link, good for seven days. The answer is the same whether the person has an account or not.
    #[oai(path = "/accounts/memberships/invite", method = "post")]
    async fn invite(&self, caller: Caller, body: Input<Invite>) -> Result<Reply<Membership, 201>> {
        let config = self.0.config.clone();
        let invite = verbs::act_making::<Membership>(&caller, move |tx| joining::invite(tx, &body, &config));
        Ok(self.0.pace.keep(invite).await?)
    }

    /// Send an invitation again
    ///
    /// With a new link; the one before is good no more.
    #[oai(path = "/accounts/memberships/:id/resend", method = "post")]
    async fn resend(&self, caller: Caller, id: Path<String>) -> Result<Reply<Membership>> {
        let config = self.0.config.clone();
        let resend = move |tx: &mut Writer<'_>| {
            let (id, membership) = found(tx, &id.0)?;
            if membership.status != MembershipStatus::Invited {
                return Err(Error::conflict("invalid_transition", "There is no open invitation."));
            }
            joining::write_to(tx, id, &config)?;
            tx.note("memberships", id, "resend", None, None)?;
            Ok(id)
        };
        Ok(verbs::act_on::<Membership>(&caller, resend).await?)
    }

    /// One's own invitations
    ///
    /// Those to addresses that are known to be one's own.
    #[oai(path = "/auth/invitations", method = "get")]
    async fn invitations(&self, caller: Caller) -> Result<Reply<Vec<Invitation>>> {
        let user = caller.actor.user_id;
        let mine = |reader: &Reader<'_>| {
            let sql = "SELECT m.id FROM memberships AS m WHERE m.user_id = ?1 AND m.status = 'invited' ORDER BY m.id DESC LIMIT 100";
            let ids: Vec<i64> = reader.rows(sql, &[user.into()], |row| row.get(0))?;
            let open = ids.into_iter().filter_map(|id| Joining::of(reader, id, user?).transpose());
            let open: Vec<Joining> = open.collect::<error::Result<_>>()?;
            open.iter().filter(|joining| joining.is_proven).map(|joining| shown(reader, joining)).collect::<error::Result<Vec<_>>>()
        };
        Ok(Reply::json(&caller.read(mine)?.to_json().unwrap_or_default()))
    }

    /// Accept an invitation
    ///
    /// By whoever is invited and signed in, to an address that is known to be theirs. For others there is the link.
    #[oai(path = "/accounts/memberships/:id/accept", method = "post")]
    async fn accept(&self, caller: Caller, id: Path<String>) -> Result<Reply<Joined>> {
        let user = caller.actor.user_id.ok_or_else(Error::forbidden)?;
        let missing = || Error::NotFound("No Membership matches the given query.".into());
        let joining = caller.read(|reader| {
            let sql = "SELECT id FROM memberships WHERE user_id = ?1 AND status = 'invited' AND (CAST(id AS TEXT) = ?2 OR uuid = ?2)";
            let id: Option<i64> = reader.one(sql, &[user.into(), id.0.to_ascii_lowercase().into()])?;
            Ok(id.map(|id| Joining::of(reader, id, user)).transpose()?.flatten())
        })?;
        let joining = joining.filter(|joining| joining.is_proven).ok_or_else(missing)?;
        let actor = caller.actor.in_business(joining.business.clone());
        let caller = caller.acting_as(actor);
        let id = joining.membership;
        let work = move |tx: &mut Writer<'_>| {
            let joining = Joining::of(tx, id, user)?.filter(|joining| joining.is_proven).ok_or_else(missing)?;
            joining.join(tx)?;
            Ok(joining)
        };
        Ok(verbs::act(&caller, work, |_, _, joining| Ok(joined(&joining))).await?)
    }

    /// Open the link of an invitation
    ///
    /// Says what it is for. A browser gets a page with a button.
    #[oai(path = "/auth/invitations/accept", method = "get")]
    async fn open_link(
        &self,
        request: &Request,
        /// Which account, as the link says.
        uid: Query<Option<String>>,
        /// The link's token.
        token: Query<Option<String>>,
    ) -> Result<Reply<InvitationLink>> {
        const FIELD: &str = "<label for=\"p\">A password, at least 8 characters</label>\
                             <input id=\"p\" name=\"password\" type=\"password\" autocomplete=\"new-password\" minlength=\"8\" maxlength=\"128\" required>";
        let (uid, token) = (uid.0.unwrap_or_default(), token.0.unwrap_or_default());
        let joining = match self.peek(request, &uid, &token) {
            Err(error @ Error::Invalid(_)) if page::wants_page(request) => return Ok(page::refusal(&error.to_string())),
            found => found?,
        };
        let (business_name, role, needs_password) = (&joining.business_name, joining.role.name(), joining.needs_password());
        if page::wants_page(request) {
            let fields = if needs_password { FIELD } else { "" };
            return Ok(page::form(request, &format!("Join {business_name}"), "Join", fields, (&uid, &token)));
        }
        Ok(Reply::json(&json!({"business_name": business_name, "role": role, "needs_password": needs_password})))
    }

    /// Accept an invitation by its link
    ///
    /// Whoever has no password yet, or shows for the first time that the address is theirs, sets one; whatever password the account had
    /// is good no more, nor are its second factor and keys.
    #[oai(path = "/auth/invitations/accept", method = "post")]
    async fn accept_link(&self, request: &Request, body: FormInput<Accept>) -> Result<Reply<Joined>> {
        match self.accept_by_link(request, body.0).await {
            Ok(joining) if page::wants_page(request) => Ok(page::told(request, &welcome(&joining))),
            Ok(joining) => Ok(joined(&joining)),
            Err(error @ Error::Invalid(_)) if page::wants_page(request) => Ok(page::refusal(&error.to_string())),
            Err(error) => Err(error.into()),
        }
    }
}

impl Invitations {
    /// The open invitation that a link is for.
    fn peek(&self, request: &Request, uid: &str, token: &str) -> error::Result<Joining> {
        let now = DateTime(info(request).now);
        let joining = self.0.db.read(|reader| {
            let peeked = link::peek(reader, now, uid, token, Purpose::Invite)?;
            Ok(peeked.map(|good| joining::named(reader, &good)).transpose()?.flatten())
        })?;
        joining.ok_or_else(bad_link)
    }

    async fn accept_by_link(&self, request: &Request, sent: Accept) -> error::Result<Joining> {
        let Accept { uid, token, password, full_name } = sent;
        let info = info(request);
        // Looked at first: only whoever has a good link may have passwords hashed.
        let joining = self.peek(request, &uid, &token)?;
        let hash = match password.filter(|_| joining.needs_password()) {
            Some(password) => {
                let mut problems = error::Problems::default();
                let own = joining.names();
                self.0.check_password(&password.0, &own, None)?.into_iter().for_each(|text| problems.add("password", text));
                problems.or_ok()?;
                Some(self.0.hasher.hash(password.0).await?)
            }
            None => None,
        };
        let mut actor = Actor::system(info.now);
        actor.request_id = info.id;
        actor.ip = info.ip.map(|ip| ip.to_string());
        actor.user_id = joining.account();
        actor.business = Some(Arc::new(joining.business.clone()));
        let work = move |tx: &mut Writer<'_>| {
            // Asked again: somebody else may have used it meanwhile, or the account may have been given a password.
            let good = link::redeem(tx, &uid, &token, Purpose::Invite)?.ok_or_else(bad_link)?;
            let mut joining = joining::named(tx, &good)?.ok_or_else(bad_link)?;
            if joining.needs_password() {
                let hash = hash.as_deref().ok_or_else(|| Error::field("password", "This field is required."))?;
                joining.prove(tx, hash, full_name.as_deref())?;
            }
            joining.join(tx)?;
            Ok(joining)
        };
        self.0.db.write(Arc::new(actor), work).await
    }
}

/// One answer for all that can be wrong with a link.
fn bad_link() -> Error {
    Error::field("token", "The link is not valid, or not any more.")
}

fn welcome(joining: &Joining) -> String {
    format!("You have joined {}.", joining.business_name)
}

fn joined(joining: &Joining) -> Reply<Joined> {
    let name = &joining.business_name;
    let body = json!({
        "detail": welcome(joining),
        "business": joining.business.id,
        "business_name": name,
        "role": joining.role.name(),
    });
    Reply::json(&body)
}

fn shown(reader: &Reader<'_>, joining: &Joining) -> error::Result<Invitation> {
    let read = |row: &Row<'_>| Ok((row.get::<String>(0)?, row.get::<String>(1)?));
    let found = reader.row("SELECT uuid, updated_at FROM memberships WHERE id = ?1", &[joining.membership.into()], read)?;
    let (uuid, updated_at) = found.ok_or_else(Error::not_found)?;
    let (id, business_name) = (joining.membership, joining.business_name.clone());
    Ok(Invitation { id, uuid, business_name, role: joining.role.name().to_owned(), updated_at })
}
