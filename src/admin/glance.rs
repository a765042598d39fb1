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
use crate::engine::{Descriptor, query::Parameters, verbs};

/// Figures and charts are made of so many rows at most: as many as the API looks at.
const WITHIN: &str = "250000";
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

impl<T> Found<T> {
    /// What is made of it; nothing, where that cannot be.
    pub fn and_then<U>(self, made: impl FnOnce(T) -> Option<U>) -> Found<U> {
        match self {
            Self::Known(found) => made(found).map_or(Found::Nothing, Found::Known),
            Self::Unknown => Found::Unknown,
            Self::Nothing => Found::Nothing,
        }
    }
}

impl Found<Json> {
    /// What there is to draw, and whether it is known yet.
    pub fn drawn(self) -> Option<(Json, bool)> {
        match self {
            Self::Known(body) => Some((body, true)),
            Self::Unknown => Some((Json::Null, false)),
            Self::Nothing => None,
        }
    }
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
        Ok(self.answer(d, ask).await?.and_then(|body| (body["complete"] == true).then_some(body)))
    }

    /// How many records an operation of their resource answers; that without a name is their list.
    pub async fn count(&self, d: &'static Descriptor, operation: &str, parameters: &Parameters) -> Result<Found<u64>, Refusal> {
        let path = format!("{}/{operation}", d.about.path);
        let ask = Ask::get(&path).with_all(pairs(parameters)).with("page_size", "1");
        let count = |body: Json| body.as_array().map(|rows| rows.len() as u64).or_else(|| body["count"].as_u64());
        Ok(self.answer(d, ask).await?.and_then(count))
    }

    /// What the API answers.
    async fn answer(&self, d: &'static Descriptor, ask: Ask<'_>) -> Result<Found<Json>, Refusal> {
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
            let known = visit.panel.counts.get(key);
            let is_old = known.as_ref().is_none_or(|(_, at)| at.elapsed() >= FRESH);
            if !(is_old && self.is_now) {
                self.is_behind.fetch_or(is_old, Ordering::Relaxed);
                return Ok(known.map_or(Found::Unknown, |(body, _)| Found::Known(Json::clone(&body))));
            }
        }
        let answer = visit.ask(ask).await?;
        if answer.status != 200 {
            return Ok(Found::Nothing);
        }
        if let Some(key) = key {
            visit.panel.counts.insert(key, (Arc::new(answer.body.clone()), Instant::now()));
        }
        Ok(Found::Known(answer.body))
    }
}

/// Parameters as a query takes them.
pub(super) fn pairs(parameters: &Parameters) -> impl Iterator<Item = (&str, &str)> {
    parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()))
}
