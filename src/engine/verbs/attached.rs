//! What is attached to records: whose they are, and where they go when two records become one.

use serde_json::{Value as Json, json};

use super::{missing, reach, write};
use crate::{
    actor::Actor,
    auth::gate::Caller,
    db::{Reader, Row, Writer},
    engine::{
        about::{Options, Resource, Scope},
        access::{LIST, READ, Reach, UPDATE},
        descriptor::{self, Descriptor},
        reply::Reply,
        store::{self, Deleted},
    },
    error::{Error, Result},
};

/// So many tags are told at most.
const MOST_TAGS: usize = 100;

/// Is there a resource at all to which this is attached and that the actor may read?
pub(super) fn has_targets(d: &Descriptor, actor: &Actor) -> bool {
    let Scope::Attached(what) = d.about.scope else { return true };
    descriptor::targets(what).any(|target| target.reach(actor, READ) != Reach::Nothing)
}

/// The id of the record whose comments or files are read. Those who see what is deleted can still read there.
///
/// # Errors
/// As for the record itself: 403 without the right, 404 for a record out of reach.
pub fn target(reader: &Reader<'_>, d: &Descriptor, actor: &Actor, key: &str) -> Result<i64> {
    if !actor.is_manager() {
        return target_for_writing(reader, d, actor, key);
    }
    let reach = reach(d, actor, READ)?;
    store::find_in(reader, d, actor, key, reach, Deleted::With)?.ok_or_else(|| missing(d, key))
}

/// The id of the record that something is to become part of: one that the caller may change, by its resource's own rules as well.
pub fn target_for_change(tx: &Writer<'_>, d: &Descriptor, key: &str) -> Result<i64> {
    let id = write::find_record(tx, d, &tx.actor().clone(), key, UPDATE)?;
    let record = store::record(tx, d, id)?;
    // Whatever else the rules have to say of a record that was stored long ago is of no interest here.
    match (d.check)(tx, Some(id), Some(&record), record.clone(), Options::default()) {
        Err(error @ (Error::Forbidden { .. } | Error::Internal(_) | Error::Unavailable(_))) => Err(error),
        _ => Ok(id),
    }
}

/// The id of the record that is written about: who may read it may do so, but not once it is deleted.
pub fn target_for_writing(reader: &Reader<'_>, d: &Descriptor, actor: &Actor, key: &str) -> Result<i64> {
    write::find_record(reader, d, actor, key, READ)
}

/// Moves what is attached to one record to another, what was deleted included: the first becomes part of the second.
pub fn move_attached<R: Resource>(tx: &mut Writer<'_>, from: i64, into: i64) -> Result<()> {
    let word = descriptor::of::<R>().word();
    for d in descriptor::attached() {
        let sql = format!("SELECT id FROM \"{}\" WHERE business_id = ?1 AND target_type = ?2 AND target_id = ?3", d.about.table);
        let args = [tx.actor().business_id().into(), word.as_str().into(), from.into()];
        for id in tx.rows(&sql, &args, |row| row.get::<i64>(0))? {
            tx.update(d.about.table, id, vec![("target_id", into.into())])?;
        }
    }
    Ok(())
}

/// The tags of the live records that the caller may list, with how many have each; those that begin with `prefix`.
pub async fn tags<S>(caller: &Caller, d: &'static Descriptor, prefix: &str) -> Result<Reply<S>> {
    let actor = caller.actor.clone();
    let reach = reach(d, &actor, LIST)?;
    if prefix.contains('\0') || prefix.chars().count() > 255 {
        return Err(Error::field("q", "Enter at most 255 characters, none of them null."));
    }
    let prefix = prefix.trim().to_lowercase();
    let sql = format!(
        "SELECT tag.value, count(*) AS uses FROM \"{}\" AS t, json_each(t.tags) AS tag \
         WHERE {} AND substr(lower(tag.value), 1, length(?4)) = ?4 GROUP BY tag.value ORDER BY uses DESC, tag.value LIMIT {MOST_TAGS}",
        d.about.table,
        store::scope(d, &actor, reach, Deleted::Without)
    );
    let tag = |row: &Row<'_>| Ok(json!({"tag": row.get::<String>(0)?, "count": row.get::<i64>(1)?}));
    let work = move |reader: &Reader<'_>| reader.rows(&sql, &store::args(&actor, &[prefix.into()]), tag);
    Ok(Reply::json(&Json::Array(caller.scan(work).await?)))
}
