//! How the figures of a page are come by, so that nobody waits for very many rows to be counted.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::Value as Json;

use super::{
    call::{Ask, Refusal},
    session::Visit,
};
use crate::engine::{
    Descriptor,
    query::Parameters,
    verbs::{self, Patience},
};

/// Charts are drawn of so many rows at most.
const WITHIN: &str = "100000";
/// So long a figure is counted while a page is made.
const GLIMPSE: Patience = Patience(Duration::from_millis(1));
/// What was counted is as good as now for so long.
pub(super) const FRESH: Duration = Duration::from_secs(60);

/// A look at figures. Those of very many rows are shown as they were counted before, however long ago, or as not known yet: the page says
/// so, and its script asks for them as they are now.
pub(super) struct Glance<'v> {
    pub visit: &'v Visit<'v>,
    is_now: bool,
    is_behind: AtomicBool,
}

/// What was found at a glance.
pub(super) enum Found<T> {
    Known(T),
    /// It will be, when somebody waits for it.
    Unknown,
    /// It is not open to the visitor, or too much.
    Nothing,
}

impl<'v> Glance<'v> {
    /// The parameter that asks for figures as they are now.
    pub const NOW: &'static str = "now";

    /// At what is known, unless the visitor waits for more.
    pub fn of(visit: &'v Visit<'v>) -> Self {
        Self { visit, is_now: visit.asked(Self::NOW).is_some(), is_behind: AtomicBool::new(false) }
    }

    /// At figures as they are now, a minute more or less.
    pub fn now(visit: &'v Visit<'v>) -> Self {
        Self { visit, is_now: true, is_behind: AtomicBool::new(false) }
    }

    /// Are some not shown as they are now?
    pub fn is_behind(&self) -> bool {
        self.is_behind.load(Ordering::Relaxed)
    }

    /// Is what is counted of these records shown as it was a little while ago?
    pub fn is_long(&self, d: &'static Descriptor) -> Result<bool, Refusal> {
        Ok(self.visit.panel.app.db.read(|reader| verbs::is_long(reader, d))?)
    }

    /// What the API counts of a list.
    pub async fn facets(&self, d: &'static Descriptor, parameters: &Parameters, asked: &[(&str, &str)]) -> Result<Found<Json>, Refusal> {
        let path = format!("{}/facets/", d.about.path);
        let nothing = [("fields", ""), ("dates", ""), ("totals", ""), ("within", WITHIN)];
        let nothing = nothing.into_iter().filter(|(name, _)| !asked.iter().any(|(known, _)| known == name));
        let ask = Ask::get(&path).with_all(pairs(parameters)).with_all(nothing).with_all(asked.iter().copied());
        Ok(match self.answer(d, ask, None).await? {
            Found::Known(body) if body["complete"] != true => Found::Nothing,
            found => found,
        })
    }

    /// How many records a list has, and whether there may be more.
    pub async fn count(&self, d: &'static Descriptor, parameters: &Parameters) -> Result<Option<(u64, bool)>, Refusal> {
        let path = format!("{}/", d.about.path);
        self.count_at(d, Ask::get(&path).with_all(pairs(parameters)), Some(GLIMPSE)).await
    }

    /// How many records an operation of their resource answers.
    pub async fn count_of(&self, d: &'static Descriptor, operation: &str) -> Result<Option<(u64, bool)>, Refusal> {
        Glance::now(self.visit).count_at(d, Ask::get(&format!("{}/{operation}", d.about.path)), None).await
    }

    async fn count_at(&self, d: &'static Descriptor, ask: Ask<'_>, patience: Option<Patience>) -> Result<Option<(u64, bool)>, Refusal> {
        let Found::Known(body) = self.answer(d, ask.with("page_size", "1"), patience).await? else { return Ok(None) };
        let count = body.as_array().map(|rows| rows.len() as u64).or_else(|| body["count"].as_u64());
        Ok(count.map(|count| (count, body["is_counted"] == false)))
    }

    /// What the API answers. What can tell how far it has counted is asked to, with this much patience.
    async fn answer(&self, d: &'static Descriptor, mut ask: Ask<'_>, patience: Option<Patience>) -> Result<Found<Json>, Refusal> {
        let (visit, actor) = (self.visit, self.visit.actor()?);
        let key = self.is_long(d)?.then(|| {
            format!(
                "{:?} {} {:?}",
                (actor.user_id, actor.business_id(), actor.role, actor.branch_id, actor.rights().0),
                ask.path,
                ask.query
            )
        });
        if let Some(key) = &key {
            match visit.panel.counts.get(key) {
                Some((known, at)) if self.is_now && at.elapsed() >= FRESH => drop(known),
                Some((known, at)) => {
                    self.is_behind.fetch_or(at.elapsed() >= FRESH, Ordering::Relaxed);
                    return Ok(Found::Known(Json::clone(&known)));
                }
                None if !self.is_now && patience.is_none() => {
                    self.is_behind.store(true, Ordering::Relaxed);
                    return Ok(Found::Unknown);
                }
                None => ask.patience = patience.filter(|_| !self.is_now),
            }
        }
        let answer = visit.ask(ask).await?;
        if answer.status != 200 {
            return Ok(Found::Nothing);
        }
        match key {
            _ if answer.body["is_counted"] == false => self.is_behind.store(true, Ordering::Relaxed),
            Some(key) => visit.panel.counts.insert(key, (Arc::new(answer.body.clone()), Instant::now())),
            None => {}
        }
        Ok(Found::Known(answer.body))
    }
}

/// Parameters as a query takes them.
pub(super) fn pairs(parameters: &Parameters) -> impl Iterator<Item = (&str, &str)> {
    parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()))
}
