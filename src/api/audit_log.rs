//! The audit log of the business: who did what to what, and when.

use poem::{Request, Result};
use poem_openapi::{Object, OpenApi, param::Query};
use serde_json::json;

use super::crud::slashed;
use crate::{
    actor::Role,
    auth::gate::Caller,
    engine::{
        Descriptor, descriptor,
        query::{Pages, Parameters, page_size},
        reply::Reply,
        verbs::{self, Audited},
    },
    error::{self, Error, Problems},
    kit::{Date, DateTime, Json as AnyJson},
    resources::business,
};

/// Who did it.
#[derive(Object)]
pub struct AuditActor {
    /// Their id.
    pub id: i64,
    /// The name to sign in with.
    pub username: Option<String>,
    /// The whole name.
    pub full_name: Option<String>,
}

/// A field that was changed.
#[derive(Object)]
pub struct AuditChange {
    /// Its name.
    pub field: String,
    /// What it was.
    pub before: Option<AnyJson>,
    /// What it became.
    pub after: Option<AnyJson>,
}

/// Something that was done.
#[derive(Object)]
pub struct AuditEntry {
    /// Its number: later entries have greater ones.
    pub id: i64,
    /// When it was done.
    pub at: DateTime,
    /// What was done: `leads.update`.
    pub action: String,
    /// Who did it; nothing for the program itself.
    pub actor: Option<AuditActor>,
    /// Where what it was done to is below `/api/`; nothing for what is no resource.
    pub resource: Option<String>,
    /// The table of what it was done to.
    pub table: String,
    /// The id of what it was done to.
    pub target: i64,
    /// What that is called now, if it is there.
    pub name: Option<String>,
    /// The fields that were changed, as far as they are shown at all: no secrets.
    pub changes: Vec<AuditChange>,
    /// The address that it was done from.
    pub ip_address: Option<String>,
    /// The request that it was done by.
    pub request_id: Option<String>,
    /// Whether it is sealed: changed behind the program's back, it would be found out.
    pub sealed: bool,
}

/// Entries of the audit log, the newest first.
#[derive(Object)]
pub struct AuditPage {
    /// Those that come after, which are older.
    pub next: Option<String>,
    /// Nothing: pages are walked one way.
    pub previous: Option<String>,
    /// The entries of this page.
    pub results: Vec<AuditEntry>,
}

/// Reading the audit log.
pub struct AuditLog(pub Pages);

#[OpenApi]
impl AuditLog {
    /// List what was done
    ///
    /// For administrators: what was done in this business, by whomever, newest first. Nobody can change it.
    #[oai(path = "/audit", method = "get")]
    #[allow(clippy::too_many_arguments, reason = "each is a parameter of the operation")]
    async fn list(
        &self,
        caller: Caller,
        request: &Request,
        /// By this person: an id.
        actor: Query<Option<String>>,
        /// To this resource: `field/leads`.
        resource: Query<Option<String>>,
        /// To this record of the resource: an id.
        record: Query<Option<String>>,
        /// This was done: `create`, `update`, `delete`, or an action such as `issue`.
        action: Query<Option<String>>,
        /// Not before this day or time.
        from: Query<Option<String>>,
        /// Until this day, which is part of it, or this time, which is not.
        until: Query<Option<String>>,
        /// Where the page before ended; `next` has it.
        cursor: Query<Option<String>>,
        /// Number of results to return per page.
        page_size: Query<Option<String>>,
    ) -> Result<Reply<AuditPage>> {
        if caller.actor.role != Role::Admin || caller.actor.business.is_none() {
            return Err(Error::forbidden().into());
        }
        let named = [
            ("actor", actor.0),
            ("resource", resource.0),
            ("record", record.0),
            ("action", action.0),
            ("from", from.0),
            ("until", until.0),
            ("cursor", cursor.0),
            ("page_size", page_size.0),
        ];
        let parameters: Parameters = named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
        let wanted = wanted(&caller, &parameters, self.0)?;
        let who = caller.actor.clone();
        let (entries, more) = caller.scan(move |reader| verbs::audited(reader, &who, &wanted, &[business::descriptor()])).await?;
        let last = entries.last().filter(|_| more).map(|entry| entry["id"].to_string());
        let next = last.map(|last| {
            let kept = parameters.iter().filter(|(name, _)| name != "cursor").map(|(name, value)| (name.as_str(), value.as_str()));
            let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(kept).append_pair("cursor", &last).finish();
            format!("{}{}?{query}", caller.origin, slashed(request))
        });
        Ok(Reply::json(&json!({"next": next, "previous": null, "results": entries})))
    }
}

/// A resource that has entries, by its path.
fn resource_at(path: &str) -> Option<&'static Descriptor> {
    let others = [business::descriptor()];
    let mut all = descriptor::all().iter().chain(descriptor::attached()).chain(others);
    all.find(|d| d.about.path == path)
}

fn wanted(caller: &Caller, parameters: &Parameters, pages: Pages) -> error::Result<Audited> {
    let mut problems = Problems::default();
    let text = |name: &str| crate::engine::query::parameter(parameters, name).map(str::trim).filter(|text| !text.is_empty());
    let mut number = |name: &str| {
        let found = text(name).map(str::parse::<i64>);
        if found.as_ref().is_some_and(Result::is_err) {
            problems.add(name, "A valid integer is required.");
        }
        found.and_then(Result::ok)
    };
    let (actor, record, below) = (number("actor"), number("record"), number("cursor"));
    let path = text("resource").map(|path| path.trim_matches('/'));
    let resource = path.and_then(resource_at);
    if let (Some(path), None) = (path, resource) {
        problems.add("resource", format!("Select a valid choice. {path} is not one of the available choices."));
    }
    if record.is_some() && path.is_none() {
        problems.add("record", "Say of which resource.");
    }
    let zone = caller.actor.zone();
    let mut moment = |name: &str, is_end: bool| {
        let text = text(name)?;
        let day = Date::parse(text).filter(|_| is_end).and_then(|day| day.0.tomorrow().ok()).map(|day| Date(day).to_string());
        let found = DateTime::parse(day.as_deref().unwrap_or(text), &zone);
        if found.is_none() {
            problems.add(name, "Enter a valid date or time.");
        }
        found
    };
    let (from, until) = (moment("from", false), moment("until", true));
    problems.or_ok()?;
    let action = text("action").map(str::to_lowercase);
    let size = page_size(parameters, pages);
    Ok(Audited { actor, table: resource.map(|d| d.about.table), record, action, from, until, below, size })
}
