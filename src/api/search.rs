//! One search through everything that the caller may list.

use poem::{Result, web};
use poem_openapi::{Object, OpenApi, param::Query, types::ToJSON};

use crate::{
    auth::gate::Caller,
    db::Reader,
    engine::{
        Descriptor, LIST, Reach,
        query::{LONGEST_SEARCH, Parameters, parameter},
        reply::Reply,
        search::{self, Found, Wanted},
    },
    error::Error,
    kit::words,
    resources,
};

/// So many records of each resource.
const LIMIT: usize = 5;
const MOST: usize = 20;

/// What was found.
#[derive(Object)]
pub struct SearchResults {
    /// What was searched for.
    pub q: String,
    /// What was found, by resource; those in which nothing was found are left out.
    pub results: Vec<SearchGroup>,
}

/// What was found of one resource.
#[derive(Object)]
pub struct SearchGroup {
    /// Where the resource is below `/api/`.
    pub resource: String,
    /// What its records are called.
    pub title: String,
    /// Whether more were found than are shown.
    pub has_more: bool,
    /// The newest records that were found.
    pub hits: Vec<SearchHit>,
}

/// A record that was found.
#[derive(Object)]
pub struct SearchHit {
    /// Its id.
    pub id: i64,
    /// Its uuid.
    pub uuid: String,
    /// What it is called.
    pub label: String,
    /// The text around what was found, as HTML: that stands in `<mark>`, and nothing else is a tag.
    pub snippet: String,
    /// Where it is read.
    pub url: String,
}

pub struct Search;

#[OpenApi]
impl Search {
    /// Search everything
    ///
    /// Finds, of each kind that the caller may list, the newest in which every word of `q` stands somewhere, in capitals or small
    /// letters; `"quoted words"` are looked for as they stand. One or two letters find names with a word that begins with them.
    #[oai(path = "/search", method = "get")]
    async fn search(
        &self,
        caller: Caller,
        parameters: web::Query<Parameters>,
        /// What to search for, at most 100 characters.
        #[oai(name = "q")]
        _q: Query<Option<String>>,
        /// How many of each kind: 5 unless it says otherwise, 20 at most.
        #[oai(name = "limit")]
        _limit: Query<Option<String>>,
        /// Only this kind: `field/leads`.
        #[oai(name = "resource")]
        _resource: Query<Option<String>>,
    ) -> Result<Reply<SearchResults>> {
        let actor = caller.actor.clone();
        if actor.business.is_none() {
            return Err(Error::forbidden().into());
        }
        let only = only(&parameters.0, &caller)?;
        let (q, wanted) = wanted(&parameters.0)?;
        let db = caller.db.clone();
        let work = move |reader: &Reader<'_>| {
            let resources = resources::all().iter().filter(|d| only.is_none_or(|only| only.about.path == d.about.path));
            search::everywhere(reader, db.catalog(), &actor, resources, &wanted)
        };
        let results = caller.scan(work).await?.into_iter().map(group).collect();
        Ok(Reply::json(&SearchResults { q, results }.to_json().unwrap_or_default()))
    }
}

/// The one resource that is to be searched.
fn only(parameters: &Parameters, caller: &Caller) -> crate::error::Result<Option<&'static Descriptor>> {
    let Some(path) = parameter(parameters, "resource").map(|path| path.trim_matches('/')).filter(|path| !path.is_empty()) else {
        return Ok(None);
    };
    let choice = || Error::field("resource", format!("Select a valid choice. {path} is not one of the available choices."));
    let resource = resources::all().iter().find(|d| d.about.path == path && caller.actor.has(path)).ok_or_else(choice)?;
    if resource.reach(&caller.actor, LIST) == Reach::Nothing { Err(Error::forbidden()) } else { Ok(Some(resource)) }
}

fn wanted(parameters: &Parameters) -> crate::error::Result<(String, Wanted)> {
    let q = parameter(parameters, "q").unwrap_or_default().trim();
    if q.contains('\0') {
        return Err(Error::field("q", "Null characters are not allowed."));
    }
    if q.chars().count() > LONGEST_SEARCH {
        return Err(Error::field("q", format!("Ensure this field has no more than {LONGEST_SEARCH} characters.")));
    }
    let terms = search::terms(q);
    if terms.is_empty() {
        return Err(Error::field("q", "This field may not be blank."));
    }
    let limit = parameter(parameters, "limit").and_then(|limit| limit.trim().parse().ok()).filter(|limit| *limit > 0);
    Ok((q.to_owned(), Wanted { terms, limit: limit.unwrap_or(LIMIT).min(MOST) }))
}

fn group(found: Found) -> SearchGroup {
    let about = &found.resource.about;
    let name = words(about.table);
    let title = name[..1].to_uppercase() + &name[1..];
    let hits = found.hits.into_iter().map(|hit| SearchHit {
        url: format!("/api/{}/{}/", about.path, hit.id),
        id: hit.id,
        uuid: hit.uuid,
        label: hit.label,
        snippet: hit.snippet,
    });
    SearchGroup { resource: about.path.to_owned(), title, has_more: found.more, hits: hits.collect() }
}
