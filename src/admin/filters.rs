//! The filters of a list, each asked for as its kind is.

use serde_json::{Value as Json, json};

use super::{
    call::{Refusal, query_of},
    counts,
    languages::key,
    session::Visit,
    widgets::{Filling, Pickers},
};
use crate::engine::{
    Descriptor,
    field::Kind,
    filter::{TAKEN, kind_of},
    query::{Parameters, parameter},
};

/// So many values of a field are told one by one; of what it refers to fewer.
const FEW_VALUES: usize = 12;
const FEW_TARGETS: usize = 8;
/// So many fields stand open beside the list.
const OPEN: usize = 3;
/// What the name of typed words ends with.
const TYPED: &str = "__text";
/// What the name of a filter ends with that looks for a part of a text.
const CONTAINS: &str = "__icontains";

/// The filters that a list is narrowed by now.
pub(super) fn active(query: &Parameters) -> Vec<(&str, &str)> {
    let filters = query.iter().filter(|(name, value)| !TAKEN.contains(&name.as_str()) && !value.is_empty());
    filters.map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// What a list is asked for: filters, search, order.
pub(super) fn passed_on(query: &Parameters) -> Vec<(&str, &str)> {
    let own = ["search", "ordering"].into_iter().filter_map(|name| Some((name, parameter(query, name).filter(|v| !v.is_empty())?)));
    active(query).into_iter().chain(own).collect()
}

/// The address of the list with one parameter more, other or less.
pub(super) fn with(query: &Parameters, name: &str, value: Option<&str>) -> String {
    with_all(query, &[(name, value)])
}

/// The same for several.
pub(super) fn with_all(query: &Parameters, changes: &[(&str, Option<&str>)]) -> String {
    let is_changed = |known: &str| changes.iter().any(|(name, _)| *name == known);
    let kept = query.iter().filter(|(known, v)| !is_changed(known) && known != "page" && !v.is_empty());
    let kept = kept.map(|(known, v)| (known.as_str(), v.as_str()));
    let changed = query_of(kept.chain(changes.iter().filter_map(|(name, value)| Some((*name, (*value)?)))));
    if changed.is_empty() { "?".to_owned() } else { changed }
}

/// The filters of a resource, with how many records each value would leave, where that was counted. Those that it does not name are `more`:
/// they are there for whoever looks for them.
pub(super) async fn offered(visit: &Visit<'_>, d: &'static Descriptor, counted: &Json) -> Result<Json, Refusal> {
    let (mut pickers, mut named, mut more) = (Pickers::default(), vec![], vec![]);
    for name in d.filters_for(visit.actor()?) {
        if let Some(mut widget) = widget(visit, d, name, counted, &mut pickers).await? {
            widget["empty"] = true.into();
            tell_values(&visit.query, d, name, counted, &mut widget);
            let is_empty = widget["kind"] == "facet" && widget["options"].as_array().is_some_and(Vec::is_empty);
            let part = if d.about.filter.contains(&name) { &mut named } else { &mut more };
            part.extend((!is_empty).then_some(widget));
        }
    }
    let asked: Vec<String> = named.iter().chain(&more).flat_map(inputs).filter_map(|one| one["name"].as_str().map(str::to_owned)).collect();
    let is_open = more.iter().any(is_set);
    let is_facet = |widget: &Json| widget["kind"] == "facet";
    let part = |widgets: Vec<Json>, most: usize| {
        let (mut facets, fields): (Vec<Json>, Vec<Json>) = widgets.into_iter().partition(is_facet);
        // The first ones stand open, and those by which the list is narrowed.
        facets.iter_mut().enumerate().for_each(|(at, facet)| facet["open"] = (at < most || is_set(facet)).into());
        json!({"facets": facets, "fields": fields})
    };
    let (mut named, more) = (part(named, OPEN), part(more, 0));
    named["more"] = more;
    named["more"]["open"] = is_open.into();
    named["hidden"] = json!(kept(&visit.query, &asked));
    Ok(named)
}

/// What a widget asks for: its own value, or the two ends of a range.
fn inputs(widget: &Json) -> impl Iterator<Item = &Json> {
    let is_asked = widget["kind"] != "facet";
    widget["ends"].as_array().into_iter().flatten().chain([widget]).filter(move |_| is_asked)
}

/// Is the list narrowed by it?
fn is_set(widget: &Json) -> bool {
    let is_chosen = || widget["options"].as_array().into_iter().flatten().any(|option| option["current"] == true);
    is_chosen() || inputs(widget).any(|one| one["value"].as_str().is_some_and(|value| !value.is_empty()))
}

/// A filter, asked for as its kind is. `None`: there is nothing to ask.
async fn widget(
    visit: &Visit<'_>,
    d: &'static Descriptor,
    name: &'static str,
    counted: &Json,
    pickers: &mut Pickers,
) -> Result<Option<Json>, Refusal> {
    let value = |name: &str| parameter(&visit.query, name).unwrap_or_default().to_owned();
    let title = title_of(visit, d, name);
    let one = |kind: &str, name: &str, title: &str| json!({"kind": kind, "name": name, "id": format!("q-{name}"), "title": title, "value": value(name)});
    let range = |kind: &str| {
        let ends = [("__gte", key("from")), ("__lte", key("to"))].map(|(end, words)| one(kind, &format!("{name}{end}"), &visit.t(words)));
        json!({"kind": "range", "title": title, "name": name, "ends": ends})
    };
    let choice = |options: Vec<Json>| {
        let mut widget = one("choice", name, &title);
        widget["options"] = options.into();
        widget
    };
    let option = |value: &str, label: String| json!({"value": value, "label": label});
    let found = counts::values(counted, name);
    Ok(Some(match kind_of(d, name) {
        Some(Kind::Bool) => choice(vec![option("true", visit.t("Yes")), option("false", visit.t("No"))]),
        Some(Kind::Choice(names)) => choice(names.iter().map(|name| option(name, visit.choice(name))).collect()),
        // What cannot be chosen is not asked for, but can be taken back.
        Some(Kind::Reference(table)) if value(name).is_empty() && is_closed(&pickers.of(visit, table).await?) => return Ok(None),
        Some(Kind::Reference(_)) => {
            let Some(field) = d.field(name) else { return Ok(None) };
            let record = json!({name: value(name)});
            let filling = Filling { record: &record, given: None, errors: &Json::Null };
            let mut widget = pickers.widget(visit, field, name, &filling).await?;
            widget["id"] = format!("q-{name}").into();
            widget["required"] = false.into();
            widget["help"] = "".into();
            widget
        }
        // Who made or changed it.
        Some(Kind::Integer) if d.target(name).is_some() => {
            let Some(table) = d.target(name) else { return Ok(None) };
            let (picker, id) = (pickers.of(visit, table).await?, value(name));
            if id.is_empty() && is_closed(&picker) {
                return Ok(None);
            }
            let mut widget = one(if picker["lookup"].is_string() { "reference" } else { "choice" }, name, &title);
            let label = match id.parse() {
                Ok(id) => super::cells::open_labels(visit, table, &[id])?.remove(&id),
                Err(_) => None,
            };
            widget["text"] = label.into();
            widget["lookup"] = picker["lookup"].clone();
            widget["options"] = picker["options"].clone();
            widget
        }
        Some(Kind::Date | Kind::DateTime) => range("date"),
        Some(Kind::Integer | Kind::Number | Kind::Money | Kind::Decimal(_)) => range("number"),
        // These have few values, which are known once they are counted.
        Some(Kind::Currency) if !found.is_empty() => choice(found.into_iter().map(|value| option(value, value.to_owned())).collect()),
        // People look for a part of what they remember.
        Some(Kind::Text | Kind::Email) => one("text", &format!("{name}{CONTAINS}"), &title),
        Some(Kind::Currency | Kind::Texts) => one("text", name, &title),
        Some(Kind::Json | Kind::Lines(..)) | None => return Ok(None),
    }))
}

/// Is there nothing to choose from?
fn is_closed(picker: &Json) -> bool {
    picker["options"].is_null() && picker["lookup"].is_null()
}

/// Tells of each value how many records have it. Few values are told one by one, each with the addresses of the list narrowed to it.
fn tell_values(query: &Parameters, d: &Descriptor, name: &str, counted: &Json, widget: &mut Json) {
    let is_reference = d.target(name).is_some();
    // Of two that exclude each other, both are all.
    let takes_several = kind_of(d, name) != Some(Kind::Bool);
    let Some(options) = widget["options"].as_array_mut() else { return };
    let is_open = options.len() <= if is_reference { FEW_TARGETS } else { FEW_VALUES };
    for option in options.iter_mut() {
        let value = option["value"].as_str().unwrap_or_default().to_owned();
        option["count"] = counts::count(counted, name, &value).into();
        if is_open {
            let chosen = chosen_of(query, name);
            let is_current = chosen.contains(&value.as_str());
            option["current"] = is_current.into();
            // This one and no other; all, where it is the only one.
            let alone: Vec<&str> = Some(value.as_str()).filter(|value| chosen != [*value]).into_iter().collect();
            option["url"] = narrowed_to(query, name, &alone).into();
            option["alone"] = alone.is_empty().into();
            // This one as well, or not any more.
            let mut others: Vec<&str> = chosen.into_iter().filter(|one| *one != value).collect();
            if !is_current {
                others.push(&value);
            }
            option["toggle"] = takes_several.then(|| narrowed_to(query, name, &others)).into();
        } else if let Some(count) = option["count"].as_i64() {
            option["label"] = format!("{} ({count})", option["label"].as_str().unwrap_or_default()).into();
        }
    }
    if is_open {
        // Of whom there is nothing is not told, unless they are what is looked for.
        options.retain(|option| !is_reference || option["count"] != 0 || option["current"] == true);
        widget["kind"] = "facet".into();
    }
}

/// What a filter is called: of an id, what it is the id of.
fn title_of(visit: &Visit<'_>, d: &Descriptor, name: &str) -> String {
    visit.heading_of(if d.id_of(name).is_some() { name.trim_end_matches("_id") } else { name })
}

/// The values of a field that the list is narrowed to.
fn chosen_of<'q>(query: &'q Parameters, name: &str) -> Vec<&'q str> {
    let several = parameter(query, &format!("{name}__in")).unwrap_or_default();
    let mut chosen: Vec<&str> = parameter(query, name).into_iter().chain(several.split(',')).filter(|value| !value.is_empty()).collect();
    chosen.dedup();
    chosen
}

/// The address of the list narrowed to some values of a field, in place of those that it is narrowed to now.
fn narrowed_to(query: &Parameters, name: &str, values: &[&str]) -> String {
    let (several, all) = (format!("{name}__in"), values.join(","));
    let (one, many) = match values.len() {
        0 => (None, None),
        1 => (Some(all.as_str()), None),
        _ => (None, Some(all.as_str())),
    };
    with_all(query, &[(several.as_str(), many), (name, one)])
}

/// What a form that sends the list on keeps of how it is now: all but what it asks for itself.
pub(super) fn kept(query: &Parameters, own: &[String]) -> Vec<(String, String)> {
    let others = ["search", "ordering", "columns", "page_size"];
    let is_kept = |name: &str| !TAKEN.contains(&name) || others.contains(&name);
    query.iter().filter(|(name, value)| is_kept(name) && !value.is_empty() && !own.contains(name)).cloned().collect()
}

/// The address of the list when a form has sent words for what somebody refers to, which the script turns into ids while they are typed:
/// with the ids of what they mean, and what is wrong with the others.
pub(super) async fn resolved(visit: &Visit<'_>, d: &'static Descriptor) -> Result<Option<(String, Vec<String>)>, Refusal> {
    if !visit.query.iter().any(|(name, _)| name.ends_with(TYPED)) {
        return Ok(None);
    }
    let (mut query, mut problems) = (visit.query.clone(), vec![]);
    query.retain(|(name, _)| !name.ends_with(TYPED));
    for (name, words) in visit.query.iter().filter_map(|(name, words)| Some((name.strip_suffix(TYPED)?, words.trim()))) {
        let Some(table) = d.target(name) else { continue };
        let chosen = parameter(&visit.query, name).unwrap_or_default();
        let found = super::input::find(visit, table, chosen, words).await?;
        query.retain(|(known, _)| known != name);
        match found {
            Ok(id) => query.push((name.to_owned(), id)),
            Err(problem) => problems.push(problem),
        }
    }
    Ok(Some((with_all(&query, &[]), problems)))
}

/// The active filters in words, each with the address of the list without it.
pub(super) fn chips(visit: &Visit<'_>, d: &'static Descriptor) -> Result<Vec<Json>, Refusal> {
    let mut chips = vec![];
    for (name, value) in active(&visit.query) {
        let (field, relation) = [
            ("__gte", key("{field} from {value}")),
            ("__lte", key("{field} to {value}")),
            ("__in", key("{field}: {value}")),
            (CONTAINS, key("{field} contains {value}")),
            ("__isnull", key("{field} empty: {value}")),
        ]
        .into_iter()
        .find_map(|(ending, words)| Some((name.strip_suffix(ending)?, words)))
        .unwrap_or((name, key("{field}: {value}")));
        let values: Vec<&str> = value.split(',').filter(|one| !one.is_empty()).collect();
        let ids: Vec<i64> = values.iter().filter_map(|one| one.parse().ok()).collect();
        let shown = match (kind_of(d, field), d.target(field)) {
            (_, Some(table)) if ids.len() == values.len() => {
                let mut names = super::cells::open_labels(visit, table, &ids)?;
                ids.iter().map(|id| names.remove(id).unwrap_or_else(|| format!("#{id}"))).collect::<Vec<_>>().join(", ")
            }
            (Some(Kind::Choice(_)), _) => values.iter().map(|name| visit.choice(name)).collect::<Vec<_>>().join(", "),
            (Some(Kind::Date | Kind::DateTime), _) => super::cells::day(visit, value),
            (Some(Kind::Bool), _) => visit.t(if value == "true" { key("yes") } else { key("no") }),
            _ => value.to_owned(),
        };
        chips.push(json!({"text": visit.t_with(relation, &[("field", &title_of(visit, d, field)), ("value", &shown)]), "url": with(&visit.query, name, None)}));
    }
    Ok(chips)
}
