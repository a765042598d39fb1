//! The change feed: what was written to the audit trail since somebody last looked, as far as they may know of it.
//!
//! The ids of the trail are the ids of the events: they ascend in the order of the commits, so whoever has seen one has seen all before
//! it. Nothing is kept for a reader but the last id; rights and rows are looked at when an event is sent, not when it happened.

use std::collections::HashMap;

use poem_openapi::{Enum, Object, types::ToJSON};

use super::{
    access::{READ, Reach},
    descriptor::{self, Descriptor, Record},
    field::Field,
    query::{Parameters, parameter},
    store::{self, Deleted},
};
use crate::{
    actor::Actor,
    db::{Reader, Row},
    error::{Error, Result},
};

/// Whoever is further behind than this is told to start anew.
pub const MOST_BEHIND: i64 = 10_000;
/// So many entries are looked at in one go.
const STEP: i64 = 500;

/// What happened to a record.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[oai(rename_all = "snake_case", rename = "ChangeVerbEnum")]
pub enum Verb {
    /// It is new.
    Created,
    /// Fields were changed.
    Updated,
    /// It was deleted.
    Deleted,
    /// It was brought back.
    Restored,
    /// Something with a name of its own, such as `leads.lose`, was done.
    Action,
}

impl Verb {
    const ALL: [Self; 5] = [Self::Created, Self::Updated, Self::Deleted, Self::Restored, Self::Action];

    fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Deleted => "deleted",
            Self::Restored => "restored",
            Self::Action => "action",
        }
    }

    /// Of an entry of the trail. An action that makes, deletes or restores a record does so whatever it is called.
    fn of(action: &str, before: Option<&Record>, after: Option<&Record>) -> Self {
        let deleted = |side: Option<&Record>| side.and_then(|side| side.get("deleted_at")).is_some_and(|at| !at.is_null());
        match (before, after) {
            (None, Some(_)) => Self::Created,
            (Some(_), None) => Self::Deleted,
            _ if deleted(after) => Self::Deleted,
            _ if deleted(before) => Self::Restored,
            (Some(_), Some(_)) if action.ends_with(".update") => Self::Updated,
            _ => Self::Action,
        }
    }
}

/// Something that happened to a record: what to read again, not what it now says.
#[derive(Object, Debug)]
pub struct ChangeEvent {
    /// The resource, as in its path: `field/leads`.
    pub resource: String,
    /// The id of what was changed.
    pub id: i64,
    /// Its universal id.
    pub uuid: String,
    /// What was done, as in the history: `leads.update`.
    pub action: String,
    /// What that came to.
    pub verb: Verb,
    /// When, in UTC.
    pub at: String,
    /// Who did it; null for the program itself.
    pub actor: Option<ChangeActor>,
    /// The fields that have another value now, as far as the caller may see them.
    pub fields: Vec<String>,
}

/// Whoever changed something.
#[derive(Object, Debug)]
pub struct ChangeActor {
    /// The id of the person.
    pub id: i64,
}

/// What somebody wants to hear of.
#[derive(Default)]
pub struct Filter {
    /// None named: whatever they may read.
    resources: Vec<&'static Descriptor>,
    id: Option<i64>,
    /// None named: all.
    verbs: Vec<Verb>,
}

impl Filter {
    /// Reads `resource`, `id` and `event`.
    ///
    /// # Errors
    /// 400 for what there is not; 403 for a resource that the caller may not read, or without a business; 404 for a record.
    pub fn parse(reader: &Reader<'_>, actor: &Actor, parameters: &Parameters) -> Result<Self> {
        let list =
            |name| parameter(parameters, name).into_iter().flat_map(|list| list.split(',')).map(str::trim).filter(|one| !one.is_empty());
        let wrong =
            |name: &str, one: &str| Error::field(name, format!("Select a valid choice. {one} is not one of the available choices."));
        let resource = |path: &str| {
            let known = descriptor::all().iter().find(|d| d.about.path == path.trim_matches('/') && actor.has(d.about.path));
            known.ok_or_else(|| wrong("resource", path))
        };
        let verb = |name: &str| Verb::ALL.into_iter().find(|verb| verb.name() == name).ok_or_else(|| wrong("event", name));
        let mut filter = Self {
            resources: list("resource").map(resource).collect::<Result<_>>()?,
            id: None,
            verbs: list("event").map(verb).collect::<Result<_>>()?,
        };
        filter.check(actor)?;
        if let Some(key) = parameter(parameters, "id") {
            let [d] = filter.resources.as_slice() else { return Err(Error::field("id", "Name one resource along with the id.")) };
            let reach = d.reach(actor, READ);
            let found = store::find_in(reader, d, actor, key, reach, Deleted::With)?;
            filter.id = Some(found.ok_or_else(|| d.missing())?);
        }
        Ok(filter)
    }

    /// May this be heard by the caller, as they are now?
    pub fn check(&self, actor: &Actor) -> Result<()> {
        let closed = |d: &&Descriptor| d.reach(actor, READ) == Reach::Nothing;
        if actor.business.is_none() || self.resources.iter().any(closed) { Err(Error::forbidden()) } else { Ok(()) }
    }

    /// The resource of a table, if it is to be heard of.
    fn resource(&self, table: &str) -> Option<&'static Descriptor> {
        let d = descriptor::by_table(table)?;
        (self.resources.is_empty() || self.resources.iter().any(|known| known.about.table == table)).then_some(d)
    }
}

/// What there was to tell.
pub struct News {
    /// As server-sent events.
    pub text: String,
    /// The last entry that was looked at, whether or not it was told.
    pub last: i64,
    /// There are more to look at.
    pub more: bool,
}

/// The newest entry of the audit trail.
pub fn newest(reader: &Reader<'_>) -> Result<i64> {
    Ok(reader.one::<Option<i64>>("SELECT max(id) FROM audit_log", &[])?.flatten().unwrap_or(0))
}

/// What happened after the entry `last`, as far as the actor may know of it and the filter asks for it.
pub fn since(reader: &Reader<'_>, actor: &Actor, filter: &Filter, last: i64) -> Result<News> {
    let newest = newest(reader)?;
    let until = newest.min(last.saturating_add(STEP));
    let mut news = News { text: String::new(), last: until.max(last), more: until < newest };
    let mut seen = Seen { reader, actor, rows: HashMap::new() };
    // By its key and nothing else: what is new is at the end, of all businesses, and is little.
    let sql = "SELECT id, target_type, target_id, action, at, actor_id, before, after FROM audit_log NOT INDEXED \
               WHERE id > ?1 AND id <= ?2 AND (business_id = ?3 OR business_id IS NULL) ORDER BY id";
    reader.each(sql, &[last.into(), until.into(), actor.business_id().into()], |row| {
        if let Some((verb, event)) = told(row, filter, &mut seen)? {
            let (id, verb): (i64, _) = (row.get(0)?, verb.name());
            news.text += &format!("id: {id}\nevent: {verb}\ndata: {}\n\n", event.to_json_string());
        }
        Ok(())
    })?;
    Ok(news)
}

/// An entry as an event; `None` when it is none for this caller.
fn told(row: &Row<'_>, filter: &Filter, seen: &mut Seen<'_, '_>) -> Result<Option<(Verb, ChangeEvent)>> {
    let (table, id): (String, i64) = (row.get(1)?, row.get(2)?);
    let Some(d) = filter.resource(&table).filter(|_| filter.id.is_none_or(|wanted| wanted == id)) else { return Ok(None) };
    let object = |index| Ok(row.get::<Option<String>>(index)?.and_then(|text| serde_json::from_str::<Record>(&text).ok()));
    let (action, before, after): (String, _, _) = (row.get(3)?, object(6)?, object(7)?);
    let verb = Verb::of(&action, before.as_ref(), after.as_ref());
    if !filter.verbs.is_empty() && !filter.verbs.contains(&verb) {
        return Ok(None);
    }
    let Some(uuid) = seen.uuid(d, id)? else { return Ok(None) };
    let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
    let fields = changed(d, seen.actor, &before, &after).map(|field| field.name.to_owned()).collect();
    let actor = row.get::<Option<i64>>(5)?.map(|id| ChangeActor { id });
    let event = ChangeEvent { resource: d.about.path.to_owned(), id, uuid, action, verb, at: row.get(4)?, actor, fields };
    Ok(Some((verb, event)))
}

/// The fields that an entry of the trail speaks of, and that the actor may see.
pub fn changed<'d>(d: &'d Descriptor, actor: &'d Actor, before: &'d Record, after: &'d Record) -> impl Iterator<Item = &'d Field> {
    let shown = d.visible().filter(|field| d.is_open(field.name, actor));
    shown.filter(|field| before.contains_key(field.column) || after.contains_key(field.column))
}

/// The rows that were looked at, each once: deleted ones too, for somebody must hear that they are gone.
struct Seen<'a, 'r> {
    reader: &'a Reader<'r>,
    actor: &'a Actor,
    rows: HashMap<(&'static str, i64), Option<String>>,
}

impl Seen<'_, '_> {
    /// The universal id of a row that the actor may read.
    fn uuid(&mut self, d: &'static Descriptor, id: i64) -> Result<Option<String>> {
        let key = (d.about.table, id);
        if let Some(known) = self.rows.get(&key) {
            return Ok(known.clone());
        }
        let reach = d.reach(self.actor, READ);
        let uuid = if reach == Reach::Nothing { None } else { store::uuid_in(self.reader, d, self.actor, id, reach)? };
        self.rows.insert(key, uuid.clone());
        Ok(uuid)
    }
}
