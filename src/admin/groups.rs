//! What belongs together in a form and on the page of a record: as the resource declares it (`About::groups`), else by what fields are.

use serde_json::{Value as Json, json};

use super::{languages::key, session::Visit};
use crate::engine::{
    Descriptor,
    field::{Field, Kind},
};

/// So many fields need no headings.
const FEW: usize = 7;
/// Texts that may be longer are something to write, not to fill in.
const LINE: usize = 255;
const CONTACT: [&str; 10] = ["phone", "email", "contact", "address", "location", "lat", "lon", "city", "country", "website"];
const AMOUNTS: [&str; 9] = ["amount", "discount", "tax", "price", "prices", "currency", "balance", "credit", "charge"];
const DATES: [&str; 8] = ["date", "day", "days", "on", "at", "interval", "frequency", "reminders"];

/// Where a field has its place; in the order in which they stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// What is required, and what lists show: it needs no heading.
    First,
    /// The declared groups, and the places in them.
    Declared(usize, usize),
    Contact,
    Amounts,
    Dates,
    Notes,
    More,
    /// What programs send.
    Technical,
    /// What is worked out.
    Details,
}

impl Place {
    /// In which group it is, without the place in it.
    fn group(self) -> Self {
        if let Self::Declared(group, _) = self { Self::Declared(group, 0) } else { self }
    }

    fn title(self, visit: &Visit<'_>, d: &Descriptor) -> Option<String> {
        Some(visit.t(match self {
            Self::First => return None,
            Self::Declared(group, _) => return d.about.groups.get(group).map(|(title, _)| visit.name(title)),
            Self::Contact => key("Contact"),
            Self::Amounts => key("Amounts"),
            Self::Dates => key("Dates"),
            Self::Notes => key("Notes"),
            Self::More => key("More"),
            Self::Technical => key("Technical"),
            Self::Details => key("Details"),
        }))
    }
}

/// The place that a resource gives a field.
pub(super) fn declared(d: &Descriptor, name: &str) -> Option<Place> {
    let place =
        |(group, (_, names)): (usize, &(_, &[&str]))| names.iter().position(|known| *known == name).map(|at| Place::Declared(group, at));
    d.about.groups.iter().enumerate().find_map(place)
}

/// The place of a field: what is declared, else what its kind and its name say.
pub(super) fn of(d: &Descriptor, field: &Field) -> Place {
    let has = |words: &[&str]| field.name.split('_').any(|part| words.contains(&part));
    let own = match &field.kind {
        _ if d.about.resent == Some(field.name) || ["_ref", "_hash"].iter().any(|end| field.name.ends_with(end)) => Place::Technical,
        Kind::Json => Place::Technical,
        _ if field.required || d.about.list.contains(&field.name) => Place::First,
        Kind::Email => Place::Contact,
        Kind::Money | Kind::Currency => Place::Amounts,
        Kind::Date | Kind::DateTime => Place::Dates,
        Kind::Texts => Place::Notes,
        Kind::Text if field.schema.max_length.is_some_and(|most| most > LINE) => Place::Notes,
        _ if has(&CONTACT) => Place::Contact,
        _ if has(&AMOUNTS) => Place::Amounts,
        _ if has(&DATES) => Place::Dates,
        _ => Place::More,
    };
    declared(d, field.name).unwrap_or(own)
}

/// Things in their groups, each with its title. One alone is no group of its own, and few need none.
pub(super) fn arranged<T>(visit: &Visit<'_>, d: &Descriptor, mut all: Vec<(Place, T)>) -> Vec<(Place, Option<String>, Vec<T>)> {
    let is_apart = |place: Place| matches!(place, Place::Technical | Place::Details);
    let few = all.iter().filter(|(place, _)| !is_apart(*place)).count() <= FEW && d.about.groups.is_empty();
    let alone = |place: Place, all: &[(Place, T)]| all.iter().filter(|(other, _)| *other == place).count() < 2;
    for at in 0..all.len() {
        let place = all[at].0;
        if few && !is_apart(place) {
            all[at].0 = Place::First;
        } else if matches!(place, Place::Contact | Place::Amounts | Place::Dates | Place::Notes) && alone(place, &all) {
            all[at].0 = Place::More;
        }
    }
    all.sort_by_key(|(place, _)| *place);
    let mut groups: Vec<(Place, Option<String>, Vec<T>)> = vec![];
    for (place, one) in all {
        match groups.last_mut() {
            Some((known, _, things)) if *known == place.group() => things.push(one),
            _ => groups.push((place.group(), place.title(visit, d), vec![one])),
        }
    }
    groups
}

/// The widgets of a form in their groups. What is technical is folded away, unless something is wrong there.
pub(super) fn of_form(visit: &Visit<'_>, d: &Descriptor, fields: &[&Field], widgets: Vec<Json>) -> Vec<Json> {
    let place = |widget: &Json| {
        let name = widget["parts"][0]["name"].as_str().or(widget["name"].as_str());
        name.and_then(|name| fields.iter().find(|field| field.name == name)).map_or(Place::More, |field| of(d, field))
    };
    let all = widgets.into_iter().map(|widget| (place(&widget), widget)).collect();
    let group = |(place, title, widgets): (Place, Option<String>, Vec<Json>)| {
        let wrong = widgets.iter().any(|widget| widget["errors"].as_array().is_some_and(|errors| !errors.is_empty()));
        json!({"title": title, "folded": place == Place::Technical, "open": wrong, "widgets": widgets})
    };
    arranged(visit, d, all).into_iter().map(group).collect()
}
