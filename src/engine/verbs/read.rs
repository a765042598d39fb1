//! Reading: lists, records, histories.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use hyper::body::Bytes;
use serde_json::Value as Json;

use super::{ahead, deleted_reach, missing, reach, record_etag};
use crate::{
    actor::Actor,
    auth::gate::Caller,
    db::{Kept, Reader},
    engine::{
        access::{LIST, MINIMAL, READ, Reach},
        descriptor::{self, Descriptor, Form},
        listed::{Counted, Effort, List},
        query::{PageNumber, Pages, Parameters, Query, invalid_page, page_link},
        reply::Reply,
        store::{self, Deleted},
    },
    error::{Error, Result},
};

/// A request for a list.
pub struct ListRequest {
    pub parameters: Parameters,
    /// The path, for links to other pages.
    pub path: String,
    pub if_none_match: Option<String>,
    pub pages: Pages,
    pub patience: Option<Patience>,
}

/// How long a request of the program itself lets the rows of a list be counted before it is answered: with a number that is too small then,
/// and `is_counted` saying so.
#[derive(Debug, Clone, Copy)]
pub struct Patience(pub Duration);

/// Which list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Listing {
    Live,
    Deleted,
    Minimal,
}

/// A page of records.
pub async fn list<S>(caller: &Caller, d: &'static Descriptor, request: ListRequest, listing: Listing) -> Result<Reply<S>> {
    let actor = caller.actor.clone();
    let reach = match listing {
        Listing::Deleted => deleted_reach(d, &actor)?,
        Listing::Minimal if d.about.access.reach(&actor, LIST) == Reach::Nothing => reach(d, &actor, MINIMAL)?,
        _ => reach(d, &actor, LIST)?,
    };
    // Before the rows are read: what is kept under this stamp is then never older than it.
    let stamp = caller.db.stamp(d.tables(caller.db.catalog()));
    let etag = list_etag(caller, d, &request, listing, stamp);
    if matches(request.if_none_match.as_deref(), &etag) {
        return Ok(Reply::unchanged(etag));
    }
    let what = format!("{listing:?} {} {:?}", request.path, request.parameters);
    let kept_as = answer_key(caller, d, &what, reach, stamp);
    if let Some(page) = caller.db.answers().get(&kept_as) {
        return Ok(Reply::bytes(page.body).with_etag(etag));
    }
    let query = Query::parse(d, &actor, &request.parameters, request.pages)?;
    let deleted = match listing {
        Listing::Deleted => Deleted::Only,
        _ if query.include_deleted => Deleted::With,
        _ => Deleted::Without,
    };
    let list = Arc::new(List::new(&caller.db, d, actor, query, reach, deleted));
    let page =
        Page { list: list.clone(), listing, url: format!("{}{}", caller.origin, request.path), parameters: request.parameters.clone() };
    let near = caller.db.snapshot(|reader| page.write(reader, Effort::Little, None))?;
    let (body, counted) = match near {
        Some(written) => written,
        None => {
            let patience = request.patience;
            let all = move |reader: &Reader<'_>| page.write(reader, Effort::Any, patience);
            caller.scan(all).await?.ok_or_else(|| Error::internal("a page was not looked for"))?
        }
    };
    if request.patience.is_some() {
        ahead::go_on(caller, d, request, (list, listing), reach, &counted);
    }
    let body = Bytes::from(body);
    if matches!(counted, Counted::All(_)) {
        caller.db.answers().insert(kept_as, Kept { body: body.clone(), etag: etag.clone() });
    }
    Ok(Reply::bytes(body).with_etag(etag))
}

/// Refuses the filters that are wrong, all at once.
pub fn check_filters(reader: &Reader<'_>, actor: &Actor, query: &Query) -> Result<()> {
    let mut problems = query.problems.clone();
    for (parameter, table, key) in &query.references {
        let target = descriptor::by_table(table).ok_or_else(|| Error::internal(format_args!("no resource keeps {table}")))?;
        if store::find(reader, target, actor, key)?.is_none() {
            problems.add(parameter, "Select a valid choice. That choice is not one of the available choices.");
        }
    }
    problems.or_ok()
}

/// A page that was asked for.
struct Page {
    list: Arc<List>,
    listing: Listing,
    /// The address of the list.
    url: String,
    parameters: Parameters,
}

impl Page {
    /// The page as it is answered; `None` if that takes more effort. Within one transaction.
    fn write(&self, reader: &Reader<'_>, effort: Effort, patience: Option<Patience>) -> Result<Option<(Vec<u8>, Counted)>> {
        let Self { list, listing, url, parameters } = self;
        check_filters(reader, list.actor(), list.query())?;
        let (asked, size) = (list.query().page, list.query().size);
        let counted = match (patience, asked) {
            // The last page is known when all are counted.
            (Some(Patience(time)), PageNumber::Number(number)) => list.counted(reader, number.saturating_mul(size), time)?,
            _ => match list.total(reader, effort)? {
                Some(total) => Counted::All(total),
                None => return Ok(None),
            },
        };
        let pages = counted.rows().div_ceil(size).max(1);
        let number = match asked {
            PageNumber::Last => pages,
            PageNumber::Number(number) => number,
        };
        if number > pages {
            return Err(invalid_page());
        }
        let mut out = Vec::with_capacity(32 * 1024);
        open_page(&mut out, counted.rows(), number, pages, url, parameters);
        if !list.write_page(reader, &counted, (number - 1) * size, *listing == Listing::Minimal, effort, &mut out)? {
            return Ok(None);
        }
        let end: &[u8] = if matches!(counted, Counted::All(_)) { b"]}" } else { b"],\"is_counted\":false}" };
        out.extend_from_slice(end);
        Ok(Some((out, counted)))
    }
}

/// Everything of a page before its rows.
pub(super) fn open_page(out: &mut Vec<u8>, total: u64, number: u64, pages: u64, url: &str, parameters: &Parameters) {
    let link = |page: Option<u64>| page.map_or(Json::Null, |page| format!("{url}{}", page_link(parameters, page)).into());
    let next = link((number < pages).then(|| number + 1));
    let previous = link((number > 1).then(|| number - 1));
    out.extend_from_slice(format!("{{\"count\":{total},\"next\":{next},\"previous\":{previous},\"results\":[").as_bytes());
}

/// Everything that an answer depends on. Not its hash, as in the `ETag`: two that met would show one business's rows to another.
pub(super) fn answer_key(caller: &Caller, d: &Descriptor, what: &str, reach: Reach, stamp: u64) -> String {
    let actor = &caller.actor;
    let who = (reach == Reach::Own || d.knows_caller()).then_some(actor.user_id);
    let rights = (actor.role.name(), actor.rights(), actor.branch_id, who);
    // The business as a whole: its zone and currency decide how filters are read.
    format!("{}|{stamp}|{rights:?}|{:?}|{}|{}|{what}", d.about.path, actor.business, actor.today(), caller.origin)
}

/// The validator of a list: changes with every commit to a table it depends on, and with whatever shapes the answer.
fn list_etag(caller: &Caller, d: &Descriptor, request: &ListRequest, listing: Listing, stamp: u64) -> String {
    let actor = &caller.actor;
    let mut hasher = DefaultHasher::new();
    (caller.db.boot(), stamp, d.about.path, listing, &request.parameters, &caller.origin).hash(&mut hasher);
    (actor.user_id, actor.role.name(), actor.rights(), actor.branch_id, actor.today()).hash(&mut hasher);
    (&request.path, format!("{:?}", actor.business)).hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}

/// One record.
pub fn read<S>(caller: &Caller, d: &'static Descriptor, key: &str, if_none_match: Option<&str>) -> Result<Reply<S>> {
    let actor = &caller.actor;
    let reach = reach(d, actor, READ)?;
    let stamp = caller.db.stamp(d.tables(caller.db.catalog()));
    let kept_as = answer_key(caller, d, key, reach, stamp);
    let kept = match caller.db.answers().get(&kept_as) {
        Some(kept) => kept,
        None => {
            let found = caller.db.read(|reader| store::read(reader, d, actor, key, reach, Form::Read, Deleted::Without))?;
            let (body, version) = found.ok_or_else(|| missing(d, key))?;
            let kept = Kept { etag: record_etag(&body, version), body: body.into() };
            caller.db.answers().insert(kept_as, kept.clone());
            kept
        }
    };
    if matches(if_none_match, &kept.etag) { Ok(Reply::unchanged(kept.etag)) } else { Ok(Reply::bytes(kept.body).with_etag(kept.etag)) }
}

/// Does an `If-None-Match` name this validator (RFC 9110, 13.1.2: weak comparison)?
pub fn matches(header: Option<&str>, etag: &str) -> bool {
    header.is_some_and(|list| list.split(',').map(str::trim).any(|one| one == "*" || one.trim_start_matches("W/") == etag))
}
