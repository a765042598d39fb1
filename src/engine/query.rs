//! A list's query parameters: search, filters, ordering and pages, turned into SQL.

use std::ops::Range;

use super::{
    about::{Attachment, Scope},
    descriptor::{Descriptor, bind, targets},
    field::Kind,
    filter::{boolean, filter_of, split},
    search::{self, Way},
};
use crate::{
    actor::Actor,
    db::Value,
    error::{Error, Problems, Result},
};

/// The first parameters of every statement: business, caller and day.
pub const FIXED: usize = 3;
pub const LONGEST_SEARCH: usize = 100;
/// `field__in` looks at so many values, and a query has so many parameters.
pub(super) const MOST_VALUES: usize = 100;
/// Pages that end after so many rows are slow to find, and go to the scanners.
pub(super) const NEAR: u64 = 1000;

/// How pages are cut; see `[api]` in `config.toml`.
#[derive(Debug, Clone, Copy)]
pub struct Pages {
    pub size: u32,
    pub most: u32,
}

/// What a list was asked for.
#[derive(Debug, Default, Clone)]
pub struct Query {
    pub page: PageNumber,
    pub size: u64,
    /// Conditions to be joined by AND.
    pub conditions: Vec<String>,
    /// For `?4`, `?5`, ...
    pub args: Vec<Value>,
    /// Which of the conditions are of which filter.
    pub filtered: Vec<(&'static str, Range<usize>)>,
    pub order: String,
    /// The same from the other end.
    pub backward: String,
    /// In the default order, near its beginning: a few rows of many are found by walking along it.
    pub is_ordered: bool,
    /// What is searched for, folded: each stands in one of the search fields.
    pub terms: Vec<String>,
    /// What narrows the rows to be counted, and those to be listed; says nothing that `conditions` do not say.
    pub count_only: Vec<String>,
    pub page_only: Vec<String>,
    pub include_deleted: bool,
    /// References named by filters, which must exist: parameter, table, id or uuid.
    pub references: Vec<(String, &'static str, String)>,
    /// What is wrong with the filters so far; whether references exist is not known yet.
    pub problems: Problems,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageNumber {
    Number(u64),
    Last,
}

impl Default for PageNumber {
    fn default() -> Self {
        Self::Number(1)
    }
}

/// Query parameters in the order they came.
pub type Parameters = Vec<(String, String)>;

/// The last value of a parameter, as Django takes it.
pub fn parameter<'a>(parameters: &'a Parameters, name: &str) -> Option<&'a str> {
    parameters.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

fn is_empty(value: &str) -> bool {
    value.trim().is_empty()
}

/// Is a flag like `?strict=1` set?
pub fn flag(parameters: &Parameters, name: &str) -> bool {
    parameter(parameters, name).and_then(boolean).unwrap_or(false)
}

impl Query {
    /// Reads the parameters of a list of `d`.
    ///
    /// # Errors
    /// `Invalid page.`; a search that holds a NUL or is too long. Wrong filters are in `problems`.
    pub fn parse(d: &Descriptor, actor: &Actor, parameters: &Parameters, pages: Pages) -> Result<Self> {
        if parameters.len() > MOST_VALUES {
            return Err(Error::Malformed("Too many parameters.".into()));
        }
        let mut query = Self { size: page_size(parameters, pages), page: page_number(parameters)?, ..Self::default() };
        query.include_deleted = actor.is_manager() && flag(parameters, "include_deleted");
        query.order_by(d, parameter(parameters, "ordering").unwrap_or_default());
        query.search(d, actor, parameter(parameters, "search").unwrap_or_default())?;
        for (at, (name, value)) in parameters.iter().enumerate() {
            // Of a parameter that comes twice, the last counts; one without a value asks for nothing, as forms send what is not filled in.
            let asks_for_all = value == "all" && d.about.usual.is_some_and(|(names, _)| names.contains(&name.as_str()));
            if asks_for_all || is_empty(value) || parameters[at + 1..].iter().any(|(later, _)| later == name) {
                continue;
            }
            let before = query.conditions.len();
            if let Err(error) = query.filter(d, actor, name, value) {
                query.problems.add(name, error.detail());
            }
            if let Some(of) = filter_of(d, name).filter(|_| query.conditions.len() > before) {
                query.filtered.push((of, before..query.conditions.len()));
            }
        }
        let is_lifted = |names: &[&str]| {
            let is_all = |(name, value): &(String, String)| value == "all" && names.contains(&name.as_str());
            parameters.iter().any(is_all) || query.filtered.iter().any(|(of, _)| names.contains(of))
        };
        if let Some((names, sql)) = d.about.usual.filter(|(names, _)| !is_lifted(names)) {
            // Each of them would lift it.
            let place = query.conditions.len();
            query.filtered.extend(names.iter().filter_map(|name| Some((filter_of(d, name)?, place..place + 1))));
            query.conditions.push(format!("({})", bind(sql)));
        }
        if let Scope::Attached(what) = d.about.scope {
            query.needs_target(what, parameters);
        }
        Ok(query)
    }

    /// The same without some of its conditions, by their places.
    pub fn without(&self, places: &[usize]) -> Self {
        let kept = self.conditions.iter().enumerate().filter(|(at, _)| !places.contains(at));
        let conditions: Vec<String> = kept.map(|(_, condition)| condition.clone()).collect();
        // Nothing but conditions uses what is bound.
        let args = if conditions.is_empty() { vec![] } else { self.args.clone() };
        Self { conditions, args, filtered: vec![], ..self.clone() }
    }

    /// Narrows a search. What is kept under its total stays the same, whichever way it goes.
    pub fn go(&mut self, way: Way) {
        let (Way::Few(test) | Way::Many(test)) = &way else { return };
        self.count_only.push(test.clone());
        if matches!(way, Way::Few(_)) || !self.is_ordered {
            self.page_only.push(test.clone());
            // The rows are looked up, and then sorted: an index in this order would be walked from end to end.
            self.order.insert(0, '+');
            self.backward.insert(0, '+');
        }
    }

    /// What is attached is listed for one record.
    fn needs_target(&mut self, what: Attachment, parameters: &Parameters) {
        for name in ["target_type", "target_id"] {
            if parameter(parameters, name).is_none_or(is_empty) {
                self.problems.add(name, "This field is required.");
            }
        }
        let word = parameter(parameters, "target_type").unwrap_or_default();
        if !word.is_empty() && !targets(what).any(|d| d.word() == word) {
            self.problems.add("target_type", format!("Select a valid choice. {word} is not one of the available choices."));
        }
    }

    /// Reads filters that are kept for later, each of which must mean something to a list of `d` for this actor.
    pub fn parse_kept(d: &Descriptor, actor: &Actor, parameters: &Parameters) -> Self {
        let mut query = Self::default();
        for (name, value) in parameters.iter().filter(|(_, value)| !is_empty(value)) {
            let before = query.conditions.len();
            let read = if name == "search" { query.search(d, actor, value) } else { query.filter(d, actor, name, value) };
            match read {
                Err(error) => query.problems.add(name, error.detail()),
                Ok(()) if query.conditions.len() == before => {
                    query.problems.add(name, format!("Lists of {} take no such filter.", d.about.path))
                }
                Ok(()) => {}
            }
        }
        query
    }

    fn far(&self) -> bool {
        match self.page {
            PageNumber::Number(page) => page.saturating_mul(self.size) > NEAR,
            PageNumber::Last => true,
        }
    }

    /// Binds a value and answers its place.
    pub(super) fn bind(&mut self, value: impl Into<Value>) -> String {
        self.args.push(value.into());
        format!("?{}", FIXED + self.args.len())
    }

    // ---------------------------------------------------------------- ordering

    fn order_by(&mut self, d: &Descriptor, asked: &str) {
        let allowed = |term: &&str| d.about.order.iter().any(|name| name.trim_start_matches('-') == term.trim_start_matches('-'));
        let mut terms: Vec<&str> = asked.split(',').map(str::trim).filter(allowed).collect();
        let default = d.about.order.first().copied().unwrap_or("id");
        self.is_ordered = (terms.is_empty() || terms == [default]) && !self.far();
        if terms.is_empty() {
            terms.push(default);
        }
        let descending = terms.last().is_some_and(|term| term.starts_with('-'));
        let key = |term: &&str| Some((order_expression(d, term.trim_start_matches('-'))?, term.starts_with('-')));
        let mut keys: Vec<(String, bool)> = terms.iter().filter_map(key).collect();
        // The id settles ties, so that pages do not overlap.
        keys.push(("t.id".to_owned(), descending));
        let joined = |turned: bool| {
            let keys = keys.iter().map(|(sql, descending)| format!("{sql} {}", if *descending == turned { "ASC" } else { "DESC" }));
            keys.collect::<Vec<_>>().join(", ")
        };
        (self.order, self.backward) = (joined(false), joined(true));
    }

    // ---------------------------------------------------------------- search

    fn search(&mut self, d: &Descriptor, actor: &Actor, words: &str) -> Result<()> {
        if words.contains('\0') {
            return Err(Error::field("", "Null characters are not allowed."));
        }
        if words.chars().count() > LONGEST_SEARCH {
            return Err(Error::field("search", format!("Ensure this field has no more than {LONGEST_SEARCH} characters.")));
        }
        let fields = search::fields(d, actor);
        if fields.is_empty() {
            return Ok(());
        }
        for term in search::terms(words) {
            let place = self.bind(term.as_str());
            self.conditions.push(search::condition(&fields, &place));
            self.terms.push(term);
        }
        Ok(())
    }
}

/// Choices are ordered as they are declared (low, medium, high), not by the alphabet.
fn order_expression(d: &Descriptor, name: &str) -> Option<String> {
    let sql = d.expression(name)?;
    let Some(Kind::Choice(names)) = d.field(name).map(|field| &field.kind) else { return Some(sql) };
    let ranks: Vec<String> = names.iter().enumerate().map(|(rank, name)| format!("WHEN '{name}' THEN {rank}")).collect();
    Some(format!("CASE {sql} {} END", ranks.join(" ")))
}

/// Every expression that a list of `d` may be searched, filtered, ordered or named by.
pub fn expressions(d: &Descriptor) -> Vec<String> {
    let searched = d.about.search.iter().filter_map(|name| search::expression(d, name));
    let ordered = d.about.order.iter().filter_map(|name| order_expression(d, name.trim_start_matches('-')));
    // Those that are not named are columns, which are read anyway.
    let filtered = d.about.filter.iter().filter_map(|name| d.expression(name));
    let own = d.about.filter_by.iter().map(|(_, sql)| bind(&sql.replace("= ?", "= NULL")));
    searched.chain(ordered).chain(filtered).chain(own).chain([d.label.clone()]).collect()
}

/// How many records a page has: as asked, within what is allowed.
pub fn page_size(parameters: &Parameters, pages: Pages) -> u64 {
    let asked = parameter(parameters, "page_size").and_then(|size| size.trim().parse::<u64>().ok()).filter(|size| *size > 0);
    asked.unwrap_or(u64::from(pages.size)).min(u64::from(pages.most))
}

pub fn page_number(parameters: &Parameters) -> Result<PageNumber> {
    match parameter(parameters, "page").map(str::trim) {
        None | Some("") => Ok(PageNumber::default()),
        Some("last") => Ok(PageNumber::Last),
        Some(number) => number.parse().ok().filter(|page| *page > 0).map(PageNumber::Number).ok_or_else(invalid_page),
    }
}

pub fn invalid_page() -> Error {
    Error::NotFound("Invalid page.".into())
}

/// The query of a link to another page: parameters by name, `page` left out for the first.
pub fn page_link(parameters: &Parameters, page: u64) -> String {
    let mut kept: Vec<(&str, &str)> =
        parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).filter(|(name, _)| *name != "page").collect();
    let number = page.to_string();
    if page > 1 {
        kept.push(("page", &number));
    }
    kept.sort_by_key(|(name, _)| *name);
    let mut link = String::new();
    for (name, value) in kept {
        link.push(if link.is_empty() { '?' } else { '&' });
        encode(&mut link, name);
        link.push('=');
        encode(&mut link, value);
    }
    link
}

/// The field of a filter with its test: `amount` for `amount__gte`.
pub fn bare_name(parameter: &str) -> &str {
    split(parameter).0
}

/// Percent-encodes as Python's `urlencode` does.
fn encode(out: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-' | b'~' => out.push(char::from(byte)),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
}
