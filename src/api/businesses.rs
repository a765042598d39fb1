//! The businesses that somebody belongs to: which there are, how they are set up, and which one they act in.

use poem::{Request, Result};
use poem_openapi::{Object, OpenApi, param::Path, types::ToJSON};
use serde_json::{Value as Json, json};

use super::{
    crud::{header, options},
    identity::keep_in_cookie,
};
use crate::{
    actor::{Actor, Role},
    app::App,
    auth::gate::Caller,
    db::{Reader, Row, Writer},
    engine::{
        READ, Reach,
        body::{Body, Input},
        query::Parameters,
        reply::Reply,
        validate::Mode,
        verbs,
    },
    error::{self, Error},
    kit::Json as AnyJson,
    resources::business::{Business, descriptor},
};

/// What every member may know of a business.
#[derive(Object)]
pub struct BusinessSummary {
    /// Its id.
    pub id: i64,
    /// Its uuid.
    pub uuid: String,
    /// What it is called.
    pub name: String,
    /// Its time zone (IANA).
    pub timezone: String,
    /// The currency of its books.
    pub currency: String,
    /// The id of the file of its logo.
    pub logo: Option<i64>,
    /// What the caller is there.
    pub role: String,
    /// Whether it is the one that the caller acts in.
    pub is_current: bool,
}

/// The businesses of somebody.
#[derive(Object)]
pub struct BusinessList {
    /// How many there are.
    pub count: i64,
    /// Always empty: they come at once.
    pub next: Option<String>,
    /// Always empty.
    pub previous: Option<String>,
    /// The businesses, by name.
    pub results: Vec<BusinessSummary>,
}

/// The business to act in.
#[derive(Object)]
pub struct Switch {
    /// Its id or uuid.
    pub business: AnyJson,
}

/// Tokens for a business.
#[derive(Object)]
pub struct SwitchResponse {
    /// The access token.
    pub access: String,
    /// The refresh token.
    pub refresh: String,
    /// The business.
    pub business: BusinessSummary,
}

/// Closing a business cannot be done by a slip of the finger.
#[derive(Object)]
pub struct Close {
    /// The name of the business, exactly.
    pub name: String,
}

pub struct Businesses(pub App);

#[OpenApi]
impl Businesses {
    /// List the businesses that one belongs to
    #[oai(path = "/businesses", method = "get")]
    async fn list(&self, caller: Caller) -> Result<Reply<BusinessList>> {
        let results = caller.read(|reader| summaries(reader, &caller.actor, None))?;
        let count = i64::try_from(results.len()).unwrap_or(i64::MAX);
        let list = BusinessList { count, next: None, previous: None, results };
        Ok(Reply::json(&list.to_json().unwrap_or_default()))
    }

    /// Create a business
    ///
    /// Whoever creates it is its administrator. For superusers, and for others if the server is set up so.
    #[oai(path = "/businesses", method = "post")]
    async fn create(&self, caller: Caller, body: Body<Business>) -> Result<Reply<AnyJson, 201>> {
        let may = caller.actor.user_id.is_some() && (caller.actor.is_superuser || self.0.config.auth.create_business);
        if !may || caller.actor.by_code {
            return Err(Error::forbidden().into());
        }
        let input = body.0?;
        let create = move |tx: &mut Writer<'_>| verbs::insert_record(tx, descriptor(), input.clone(), Default::default());
        let answer = |reader: &Reader<'_>, actor: &Actor, id| verbs::read_back(reader, descriptor(), &within(actor, id), id);
        Ok(verbs::act(&caller, create, answer).await?)
    }

    /// Read a business
    ///
    /// Whoever runs it sees everything, other members its name, time zone, currency and logo.
    #[oai(path = "/businesses/:id", method = "get")]
    async fn read(&self, caller: Caller, request: &Request, id: Path<String>) -> Result<Reply<AnyJson>> {
        Ok(show(&self.there(caller, request, &id.0)?, request)?)
    }

    /// Change a business
    ///
    /// For its administrators.
    #[oai(path = "/businesses/:id", method = "patch")]
    async fn change(&self, caller: Caller, request: &Request, id: Path<String>, body: Body<Business>) -> Result<Reply<AnyJson>> {
        Ok(set_up(&self.there(caller, request, &id.0)?, request, body).await?)
    }

    /// Act in another business
    ///
    /// Answers tokens for it; the session stays the same one.
    #[oai(path = "/businesses/switch", method = "post")]
    async fn switch(&self, caller: Caller, request: &Request, body: Input<Switch>) -> Result<Reply<SwitchResponse>> {
        let key = match &body.get()?.business.0 {
            Json::Number(number) => number.to_string(),
            Json::String(key) => key.trim().to_owned(),
            _ => return Err(Error::field("business", "Enter the id or the uuid of a business.").into()),
        };
        let caller = self.there(caller, request, &key)?;
        let session = caller.actor.session.clone().ok_or_else(Error::forbidden)?;
        let business = caller.actor.business_id().ok_or_else(Error::not_found)?;
        let sessions = self.0.sessions.clone();
        let pair = caller.write(move |tx| sessions.switch(tx, &session, business)).await?;
        let summary = caller.read(|reader| summaries(reader, &caller.actor, Some(business)))?.into_iter().next();
        let body = json!({"access": pair.access, "refresh": pair.refresh, "business": summary.map(|one| one.to_json())});
        Ok(keep_in_cookie(&self.0, request, Reply::json(&body), &pair))
    }

    /// Close a business
    ///
    /// Nobody gets in any more, from the next request on. For its administrators, who type its name and have signed in, or
    /// confirmed their password, minutes ago.
    #[oai(path = "/businesses/:id/deactivate", method = "post")]
    async fn deactivate(&self, caller: Caller, request: &Request, id: Path<String>, body: Input<Close>) -> Result<Reply<AnyJson>> {
        let caller = self.there(caller, request, &id.0)?;
        if caller.actor.role != Role::Admin {
            return Err(Error::forbidden().into());
        }
        caller.expect_fresh()?;
        let business = caller.actor.business_id().ok_or_else(Error::not_found)?;
        let close = move |tx: &mut Writer<'_>| {
            let typed = &body.get()?.name;
            let name: Option<String> = tx.one("SELECT name FROM businesses WHERE id = ?1", &[business.into()])?;
            if name.as_ref() != Some(typed) {
                return Err(Error::field("name", "This is not the name of the business."));
            }
            tx.act("deactivate");
            tx.update("businesses", business, vec![("is_active", false.into())])
        };
        Ok(verbs::act(&caller, close, |_, _, _| Ok(Reply::json(&json!({"detail": "The business is closed."})))).await?)
    }

    /// Open a closed business again
    ///
    /// For superusers.
    #[oai(path = "/businesses/:id/activate", method = "post")]
    async fn activate(&self, caller: Caller, id: Path<String>) -> Result<Reply<AnyJson>> {
        if !caller.actor.is_superuser {
            return Err(Error::forbidden().into());
        }
        let open = move |tx: &mut Writer<'_>| {
            let sql = "SELECT id FROM businesses WHERE (CAST(id AS TEXT) = ?1 OR uuid = ?1) AND deleted_at IS NULL";
            let business: Option<i64> = tx.one(sql, &[id.0.to_ascii_lowercase().into()])?;
            tx.act("activate");
            tx.update("businesses", business.ok_or_else(Error::not_found)?, vec![("is_active", true.into())])
        };
        Ok(verbs::act(&caller, open, |_, _, _| Ok(Reply::json(&json!({"detail": "The business is open."})))).await?)
    }

    /// Read the settings of the business
    ///
    /// Of the one that the caller acts in.
    #[oai(path = "/business/settings", method = "get")]
    async fn settings(&self, caller: Caller, request: &Request) -> Result<Reply<AnyJson>> {
        Ok(show(&caller, request)?)
    }

    /// Change the settings of the business
    ///
    /// Of the one that the caller acts in; for its administrators.
    #[oai(path = "/business/settings", method = "patch")]
    async fn change_settings(&self, caller: Caller, request: &Request, body: Body<Business>) -> Result<Reply<AnyJson>> {
        Ok(set_up(&caller, request, body).await?)
    }
}

impl Businesses {
    /// The caller as they are in a business.
    fn there(&self, caller: Caller, request: &Request, key: &str) -> error::Result<Caller> {
        let actor = self.0.gate.caller_in(&caller, request, key)?;
        Ok(caller.acting_as(actor))
    }
}

/// Somebody as they are in the business that they have just made.
fn within(actor: &Actor, business: i64) -> Actor {
    actor.in_business(crate::actor::Business::new(business, String::new(), "UTC", None))
}

fn show(caller: &Caller, request: &Request) -> error::Result<Reply<AnyJson>> {
    let id = caller.actor.business_id().ok_or_else(Error::forbidden)?;
    if descriptor().reach(&caller.actor, READ) != Reach::Nothing {
        return verbs::read(caller, descriptor(), &id.to_string(), header(request, "if-none-match"));
    }
    let summary = caller.read(|reader| summaries(reader, &caller.actor, Some(id)))?.into_iter().next().ok_or_else(Error::not_found)?;
    Ok(Reply::json(&summary.to_json().unwrap_or_default()))
}

async fn set_up(caller: &Caller, request: &Request, body: Body<Business>) -> error::Result<Reply<AnyJson>> {
    let id = caller.actor.business_id().ok_or_else(Error::forbidden)?;
    verbs::update(caller, descriptor(), id.to_string(), body.0, Mode::Partial, options(request, &Parameters::new())).await
}

/// The open businesses that somebody belongs to; a superuser belongs to all.
fn summaries(reader: &Reader<'_>, actor: &Actor, only: Option<i64>) -> error::Result<Vec<BusinessSummary>> {
    let sql = "SELECT b.id, b.uuid, b.name, b.timezone, b.currency, b.logo_id, m.role FROM businesses AS b
               LEFT JOIN memberships AS m ON m.business_id = b.id AND m.user_id = ?1 AND m.status = 'active'
               WHERE b.is_active = 1 AND b.deleted_at IS NULL AND (m.id IS NOT NULL OR ?2) AND (?3 IS NULL OR b.id = ?3)
               ORDER BY b.name, b.id LIMIT 1000";
    let current = actor.business_id();
    reader.rows(sql, &[actor.user_id.into(), actor.is_superuser.into(), only.into()], |row: &Row<'_>| {
        let id: i64 = row.get(0)?;
        // A one-time code gives a citizen's rights everywhere.
        let role = if current == Some(id) || actor.is_superuser { actor.role.name().to_owned() } else { row.get(6)? };
        Ok(BusinessSummary {
            id,
            uuid: row.get(1)?,
            name: row.get(2)?,
            timezone: row.get(3)?,
            currency: row.get(4)?,
            logo: row.get(5)?,
            role,
            is_current: current == Some(id),
        })
    })
}
