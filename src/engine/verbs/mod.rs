//! What can be done with a resource. Both faces end here, and each write runs in one transaction: access, validation, the
//! resource's own rules, storing, audit, consequences.

mod act;
mod ahead;
mod attached;
mod audited;
mod bulk;
mod export;
mod facets;
mod history;
mod import;
mod offers;
mod paged;
mod read;
mod report;
mod sorts;
mod wanted;
mod work;
mod write;

use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::{Map, Value as Json};

pub use self::{
    act::{act, act_making, act_on},
    attached::{move_attached, tags, target, target_for_change, target_for_writing},
    audited::{Wanted as Audited, audited},
    bulk::{Bulk, MOST_ITEMS, bulk},
    export::{export, template},
    facets::facets,
    history::{Done, Revert, history, lines_of, recent, revert},
    import::{grid, import, imports, interrupt, take_in},
    offers::offers,
    paged::paged,
    read::{ListRequest, Listing, Patience, check_filters, list, matches, read},
    report::report,
    wanted::{addable, countable, main_date},
    work::{hand_over, open_work},
    write::{change_record, create, delete, insert_record, read_back, restore, update},
};
pub use super::store::is_long;
use super::{
    about::{Options, Resource},
    access::{DELETE, LIST, Reach, Verbs},
    descriptor::{self, Descriptor},
    reply::Reply,
    store,
    validate::{self, Mode},
};
use crate::{
    actor::Actor,
    auth::gate::Caller,
    db::{Reader, Writer},
    error::{Error, Result},
};

/// How far the caller may go with a verb at all; what is not granted, or has no business to happen in, is refused.
fn reach(d: &Descriptor, actor: &Actor, verb: Verbs) -> Result<Reach> {
    match d.reach(actor, verb) {
        Reach::Nothing => Err(Error::forbidden()),
        _ if actor.business.is_none() => Err(Error::forbidden()),
        // Who may read nothing that has comments has no business with comments.
        _ if !attached::has_targets(d, actor) => Err(Error::forbidden()),
        reach => Ok(reach),
    }
}

/// Deleted rows are for those who run the business.
fn deleted_reach(d: &Descriptor, actor: &Actor) -> Result<Reach> {
    if actor.is_manager() { reach(d, actor, DELETE) } else { Err(Error::forbidden()) }
}

/// 404: a key of no possible form is not found at all, as in Django's routing.
fn missing(d: &Descriptor, key: &str) -> Error {
    if key.parse::<i64>().is_ok() || validate::is_uuid(key) { d.missing() } else { Error::not_found() }
}

/// The validator of a record: its version, for `If-Match`, and a hash of all that is shown.
fn record_etag(body: &[u8], version: i64) -> String {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    format!("\"{version}-{:016x}\"", hasher.finish())
}

/// The version that an `If-Match` names; `None` for none or `*`.
pub fn if_match(header: Option<&str>) -> Option<i64> {
    let tag = header?.trim().trim_start_matches("W/").trim_matches('"');
    (tag != "*").then(|| tag.split('-').next().and_then(|version| version.parse().ok()).unwrap_or(-1))
}

// ------------------------------------------------------------------------------------------------ for the rooms

/// May the caller do this with any record at all?
pub fn allowed<R: Resource>(actor: &Actor, verb: Verbs) -> Result<()> {
    reach(descriptor::of::<R>(), actor, verb).map(drop)
}

/// The id of the row that a verb is meant for, by id or uuid.
///
/// # Errors
/// 404 when the caller may not even read it, 403 when they may not do this.
pub fn find<R: Resource>(reader: &Reader<'_>, actor: &Actor, key: &str, verb: Verbs) -> Result<i64> {
    write::find_record(reader, descriptor::of::<R>(), actor, key, verb)
}

/// A record by id, as its type.
pub fn load<R: Resource>(reader: &Reader<'_>, id: i64) -> Result<R> {
    descriptor::typed(store::record(reader, descriptor::of::<R>(), id)?)
}

/// Creates a record as the caller, rules and audit included.
pub fn insert<R: Resource>(tx: &mut Writer<'_>, input: Map<String, Json>, options: Options) -> Result<i64> {
    write::insert_record(tx, descriptor::of::<R>(), input, options)
}

/// Changes a record as the caller, rules and audit included.
pub fn change<R: Resource>(tx: &mut Writer<'_>, id: i64, changes: Map<String, Json>, options: Options) -> Result<()> {
    write::change_record(tx, descriptor::of::<R>(), id, changes, Mode::Partial, options)
}

/// Deletes a record as the caller, rules and audit included.
pub fn remove<R: Resource>(tx: &mut Writer<'_>, id: i64) -> Result<()> {
    write::remove_record(tx, descriptor::of::<R>(), id)
}

/// The records that fulfil a condition and that the caller may list, as a bare JSON list.
pub async fn rows<R: Resource, S>(caller: &Caller, condition: &str, order: &str) -> Result<Reply<S>> {
    let d = descriptor::of::<R>();
    let actor = caller.actor.clone();
    let reach = reach(d, &actor, LIST)?;
    let (condition, order) = (descriptor::bind(condition), descriptor::bind(order));
    caller.scan(move |reader| store::array(reader, d, &actor, reach, &condition, &order)).await.map(Reply::bytes)
}
