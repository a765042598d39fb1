//! What is to be counted of a list.

use crate::{
    actor::Actor,
    engine::{
        descriptor::Descriptor,
        field::Kind,
        filter::kind_of,
        query::{Parameters, parameter},
    },
    error::{Error, Problems, Result},
};

/// So many rows are looked at, whatever is asked.
const MOST_ROWS: u64 = 250_000;
/// How long a period is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Year,
    Month,
    Day,
}

impl Unit {
    pub fn parse(text: Option<&str>) -> Result<Self> {
        match text.map(str::trim) {
            None | Some("" | "year") => Ok(Self::Year),
            Some("month") => Ok(Self::Month),
            Some("day") => Ok(Self::Day),
            Some(other) => Err(Error::field("by", format!("\"{other}\" is not a valid choice."))),
        }
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Year => "year",
            Self::Month => "month",
            Self::Day => "day",
        }
    }

    /// The first day of the period that a day is in, and the last.
    pub fn around(self, day: jiff::civil::Date) -> (jiff::civil::Date, jiff::civil::Date) {
        match self {
            Self::Year => (day.first_of_year(), day.last_of_year()),
            Self::Month => (day.first_of_month(), day.last_of_month()),
            Self::Day => (day, day),
        }
    }
}

/// What is asked for.
pub(super) struct Wanted {
    pub fields: Vec<&'static str>,
    pub date: Option<&'static str>,
    pub unit: Unit,
    pub totals: Vec<&'static str>,
    pub within: u64,
}

/// What can be counted of a list: the filters that have few values.
pub fn countable(d: &Descriptor, actor: &Actor) -> Vec<&'static str> {
    let few = |name: &&'static str| {
        matches!(kind_of(d, name), Some(Kind::Choice(_) | Kind::Bool | Kind::Currency | Kind::Reference(_)))
            || matches!(*name, "created_by" | "updated_by")
    };
    d.filters_for(actor).filter(few).collect()
}

/// Amounts that can be added up.
pub fn addable(d: &Descriptor, actor: &Actor) -> Vec<&'static str> {
    let fields = d.visible().filter(|field| field.kind == Kind::Money && field.stored()).map(|field| field.name);
    let computed = d.about.computed.iter().filter(|one| matches!(one.output, crate::engine::Output::Money) && !one.detail);
    fields.chain(computed.map(|one| one.name)).filter(|name| d.is_open(name, actor)).collect()
}

/// The date that a list is gone through by: the one that it is ordered by, else the first that it can be narrowed by.
pub fn main_date(d: &Descriptor, actor: &Actor) -> Option<&'static str> {
    let dates = |kind: Kind| d.about.filter.iter().copied().find(move |name| kind_of(d, name) == Some(kind.clone()));
    let is_date = |name: &&str| matches!(kind_of(d, name), Some(Kind::Date | Kind::DateTime));
    let ordered = d.about.order.first().map(|name| name.trim_start_matches('-'));
    let ordered = ordered.and_then(|name| d.about.filter.iter().copied().find(|known| *known == name)).filter(is_date);
    ordered.or_else(|| dates(Kind::Date)).or_else(|| dates(Kind::DateTime)).filter(|name| d.is_open(name, actor))
}

impl Wanted {
    pub fn of(d: &Descriptor, actor: &Actor, parameters: &Parameters) -> Result<Self> {
        let mut problems = Problems::default();
        let mut several = |name: &str, known: Vec<&'static str>, what: &str| -> Vec<&'static str> {
            let Some(asked) = parameter(parameters, name) else { return known };
            let mut found = vec![];
            for asked in asked.split(',').map(str::trim).filter(|asked| !asked.is_empty()) {
                match known.iter().find(|known| **known == asked) {
                    Some(known) if found.contains(known) => {}
                    Some(known) => found.push(*known),
                    None => problems.add(name, format!("\"{asked}\" {what}")),
                }
            }
            found
        };
        let mut fields = several("fields", countable(d, actor), "is no filter with values that could be counted.");
        if parameter(parameters, "fields").is_none() {
            // What refers to many records has many values: where lists are not narrowed by it usually, they are counted when asked for.
            fields.retain(|name| d.about.filter.contains(name) || !matches!(kind_of(d, name), Some(Kind::Reference(_))));
        }
        let totals = several("totals", addable(d, actor), "is no amount that could be added up.");
        let date = match parameter(parameters, "dates").map(str::trim) {
            None => main_date(d, actor),
            Some("") => None,
            Some(asked) => {
                let is_date = |name: &&str| matches!(kind_of(d, name), Some(Kind::Date | Kind::DateTime));
                let known = d.filters_for(actor).filter(is_date).find(|name| *name == asked);
                if known.is_none() {
                    problems.add("dates", format!("\"{asked}\" is no date that the list can be narrowed by."));
                }
                known
            }
        };
        let within = match parameter(parameters, "within").map(|text| text.trim().parse::<u64>()) {
            None => MOST_ROWS,
            Some(Ok(rows)) => rows.min(MOST_ROWS),
            Some(Err(_)) => {
                problems.add("within", "A valid integer is required.");
                0
            }
        };
        problems.or_ok()?;
        Ok(Self { fields, date, unit: Unit::parse(parameter(parameters, "by"))?, totals, within })
    }
}
