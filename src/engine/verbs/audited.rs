//! What was done in a business, whatever it was done to: the audit log, newest first, page by page from where the page before ended.

use std::collections::{HashMap, hash_map::Entry};

use serde_json::{Value as Json, json};

use super::history::{changes, decimals, object};
use crate::{
    actor::Actor,
    db::{Reader, Row, Value},
    engine::{
        about::Scope,
        descriptor::{self, Descriptor},
        store,
    },
    error::{Error, Result},
    kit::DateTime,
};

/// Which entries are wanted.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// By whom.
    pub actor: Option<i64>,
    /// What it was done to: a table, and the id of a row of it.
    pub table: Option<&'static str>,
    pub record: Option<i64>,
    /// The last part of what was done: `update`.
    pub action: Option<String>,
    /// Not before this, and before that.
    pub from: Option<DateTime>,
    pub until: Option<DateTime>,
    /// Entries with smaller ids: where the page before ended.
    pub below: Option<i64>,
    pub size: u64,
}

/// An entry as it is stored.
struct Stored {
    id: i64,
    at: String,
    action: String,
    by: Option<(i64, Option<String>, Option<String>)>,
    table: String,
    target: i64,
    before: Option<String>,
    after: Option<String>,
    ip: Option<String>,
    request_id: Option<String>,
}

/// The entries of the actor's business, and whether there are more. `others` knows tables that are no resource's.
pub fn audited(reader: &Reader<'_>, actor: &Actor, wanted: &Wanted, others: &[&'static Descriptor]) -> Result<(Vec<Json>, bool)> {
    let business = actor.business_id().ok_or_else(Error::forbidden)?;
    let (mut conditions, mut args): (Vec<String>, Vec<Value>) = (vec!["a.business_id = ?1".into()], vec![business.into()]);
    let mut narrow = |condition: &str, value: Option<Value>| {
        if let Some(value) = value {
            args.push(value);
            conditions.push(condition.replace('?', &format!("?{}", args.len())));
        }
    };
    narrow("a.actor_id = ?", wanted.actor.map(Value::from));
    narrow("a.target_type = ?", wanted.table.map(Value::from));
    narrow("a.target_id = ?", wanted.record.map(Value::from));
    // `update` of `leads.update`; a table's name has no dot.
    narrow("substr(a.action, instr(a.action, '.') + 1) = ?", wanted.action.as_deref().map(Value::from));
    narrow("a.at >= ?", wanted.from.map(|at| at.to_string().into()));
    narrow("a.at < ?", wanted.until.map(|at| at.to_string().into()));
    narrow("a.id < ?", wanted.below.map(Value::from));
    // The rows of one record are found by it, all others by the business: both in the order of the ids.
    let index = if wanted.table.is_some() && wanted.record.is_some() { "audit_log_target_idx" } else { "audit_log_business_idx" };
    let sql = format!(
        "SELECT a.id, a.at, a.action, a.actor_id, u.username, u.full_name, a.target_type, a.target_id, a.before, a.after, a.ip, a.request_id
         FROM audit_log AS a INDEXED BY {index} LEFT JOIN users AS u ON u.id = a.actor_id
         WHERE {} ORDER BY a.id DESC LIMIT {}",
        conditions.join(" AND "),
        wanted.size + 1
    );
    let read = |row: &Row<'_>| {
        let by = row.get::<Option<i64>>(3)?.map(|id| Ok::<_, Error>((id, row.get(4)?, row.get(5)?))).transpose()?;
        Ok(Stored {
            id: row.get(0)?,
            at: row.get(1)?,
            action: row.get(2)?,
            by,
            table: row.get(6)?,
            target: row.get(7)?,
            before: row.get(8)?,
            after: row.get(9)?,
            ip: row.get(10)?,
            request_id: row.get(11)?,
        })
    };
    let mut found = reader.rows(&sql, &args, read)?;
    let more = found.len() as u64 > wanted.size;
    found.truncate(usize::try_from(wanted.size).unwrap_or(usize::MAX));
    let sealed = reader.one::<Option<i64>>("SELECT max(last_id) FROM audit_seals", &[])?.flatten().unwrap_or(0);
    let known = |table: &str| descriptor::by_table(table).or_else(|| others.iter().copied().find(|d| d.about.table == table));
    let names = names(reader, actor, &found, known)?;
    let mut units: HashMap<(&str, i64), u8> = HashMap::new();
    let mut entries = vec![];
    for one in &found {
        let d = known(&one.table);
        let told = match d {
            None => vec![],
            Some(d) => {
                let decimals = match units.entry((d.about.table, one.target)) {
                    Entry::Occupied(known) => *known.get(),
                    Entry::Vacant(new) => *new.insert(decimals(reader, d, actor, one.target)?),
                };
                changes(d, actor, &object(one.before.clone()), &object(one.after.clone()), decimals)
            }
        };
        entries.push(json!({
            "id": one.id,
            "at": one.at,
            "action": one.action,
            "actor": one.by.as_ref().map(|(id, username, full_name)| json!({"id": id, "username": username, "full_name": full_name})),
            "resource": d.map(|d| d.about.path),
            "table": one.table,
            "target": one.target,
            "name": names.get(&(one.table.as_str(), one.target)),
            "changes": told,
            "ip_address": one.ip,
            "request_id": one.request_id,
            "sealed": one.id <= sealed,
        }));
    }
    Ok((entries, more))
}

/// What the records are called, as far as they are there.
fn names<'s>(
    reader: &Reader<'_>,
    actor: &Actor,
    found: &'s [Stored],
    known: impl Fn(&str) -> Option<&'static Descriptor>,
) -> Result<HashMap<(&'s str, i64), String>> {
    let mut wanted: HashMap<&str, Vec<i64>> = HashMap::new();
    for one in found {
        wanted.entry(&one.table).or_default().push(one.target);
    }
    let mut names = HashMap::new();
    for (table, mut ids) in wanted {
        // What is attached to a record has no name of its own.
        let Some(d) = known(table).filter(|d| !matches!(d.about.scope, Scope::Attached(_))) else { continue };
        ids.sort_unstable();
        ids.dedup();
        names.extend(store::labels(reader, d, actor, &ids)?.into_iter().map(|(id, name)| ((table, id), name)));
    }
    Ok(names)
}
