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
    filter::kind_of,
    query::{Parameters, parameter},
    table::columns::heading_of,
};

/// Parameters of a list that are no filters.
const OTHERS: [&str; 8] = ["search", "ordering", "page", "page_size", "columns", "view", "column", counts::ASKED];

/// The filters that a list is narrowed by now.
pub(super) fn active(query: &Parameters) -> Vec<(&str, &str)> {
    let filters = query.iter().filter(|(name, value)| !OTHERS.contains(&name.as_str()) && !value.is_empty());
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

/// The filters of a resource as widgets, with how many records each value would leave, where that was counted.
pub(super) async fn widgets(visit: &Visit<'_>, d: &'static Descriptor, counted: &Json) -> Result<Vec<Json>, Refusal> {
    let (actor, query, mut pickers, mut all) = (visit.actor()?, &visit.query, Pickers::default(), vec![]);
    let value = |name: &str| parameter(query, name).unwrap_or_default().to_owned();
    for name in d.about.filter.iter().filter(|name| d.is_open(name, actor)) {
        let Some(kind) = kind_of(d, name) else { continue };
        let title = heading_of(name);
        let one = |kind: &str, name: &str, title: &str| json!({"kind": kind, "name": name, "id": format!("q-{name}"), "title": title, "value": value(name)});
        let range = |kind: &str| {
            let ends =
                [("__gte", key("from")), ("__lte", key("to"))].map(|(end, words)| one(kind, &format!("{name}{end}"), &visit.t(words)));
            json!({"kind": "range", "title": title, "name": name, "ends": ends})
        };
        match kind {
            Kind::Bool => {
                let mut widget = one("choice", name, &title);
                widget["options"] = json!([{"value": "true", "label": visit.t("Yes")}, {"value": "false", "label": visit.t("No")}]);
                all.push(widget);
            }
            Kind::Choice(names) => {
                let mut widget = one("choice", name, &title);
                widget["options"] = names.iter().map(|name| json!({"value": name, "label": heading_of(name)})).collect();
                all.push(widget);
            }
            Kind::Reference(_) => {
                let Some(field) = d.field(name) else { continue };
                let record = json!({*name: value(name)});
                let filling = Filling { record: &record, given: None, errors: &Json::Null };
                let mut widget = pickers.widget(visit, field, name, &filling).await?;
                widget["id"] = format!("q-{name}").into();
                widget["required"] = false.into();
                widget["help"] = "".into();
                all.push(widget);
            }
            // Who made or changed it.
            Kind::Integer if d.target(name).is_some() => {
                let Some(table) = d.target(name) else { continue };
                let (picker, id) = (pickers.of(visit, table).await?, value(name));
                let mut widget = one(if picker["lookup"].is_string() { "reference" } else { "choice" }, name, &title);
                let label = match id.parse() {
                    Ok(id) => super::cells::open_labels(visit, table, &[id])?.remove(&id),
                    Err(_) => None,
                };
                widget["text"] = label.into();
                widget["lookup"] = picker["lookup"].clone();
                widget["options"] = picker["options"].clone();
                all.push(widget);
            }
            Kind::Date | Kind::DateTime => all.push(range("date")),
            Kind::Integer | Kind::Number | Kind::Money | Kind::Decimal(_) => all.push(range("number")),
            Kind::Text | Kind::Email | Kind::Currency => all.push(one("text", name, &title)),
            Kind::Texts | Kind::Json | Kind::Lines(..) => {}
        }
    }
    for widget in &mut all {
        widget["empty"] = true.into();
        let name = widget["name"].as_str().unwrap_or_default().to_owned();
        for option in widget["options"].as_array_mut().into_iter().flatten() {
            if let Some(count) = counts::count(counted, &name, option["value"].as_str().unwrap_or_default()) {
                option["label"] = format!("{} ({count})", option["label"].as_str().unwrap_or_default()).into();
            }
        }
    }
    Ok(all)
}

/// The active filters in words, each with the address of the list without it.
pub(super) fn chips(visit: &Visit<'_>, d: &'static Descriptor) -> Result<Vec<Json>, Refusal> {
    let mut chips = vec![];
    for (name, value) in active(&visit.query) {
        let (field, relation) = [
            ("__gte", key("{field} from {value}")),
            ("__lte", key("{field} to {value}")),
            ("__in", key("{field}: {value}")),
            ("__isnull", key("{field} empty: {value}")),
        ]
        .into_iter()
        .find_map(|(ending, words)| Some((name.strip_suffix(ending)?, words)))
        .unwrap_or((name, key("{field}: {value}")));
        let shown = match (kind_of(d, field), value.parse::<i64>()) {
            (Some(Kind::Reference(table)), Ok(id)) => {
                super::cells::open_labels(visit, table, &[id])?.remove(&id).unwrap_or_else(|| value.to_owned())
            }
            (_, Ok(id)) if d.target(field).is_some() => {
                let table = d.target(field).unwrap_or_default();
                super::cells::open_labels(visit, table, &[id])?.remove(&id).unwrap_or_else(|| value.to_owned())
            }
            (Some(Kind::Choice(_)), _) => value.split(',').map(heading_of_any).collect::<Vec<_>>().join(", "),
            (Some(Kind::Date | Kind::DateTime), _) => super::cells::day(visit, value),
            (Some(Kind::Bool), _) => visit.t(if value == "true" { key("yes") } else { key("no") }),
            _ => value.to_owned(),
        };
        chips.push(json!({"text": visit.t_with(relation, &[("field", &heading_of(field)), ("value", &shown)]), "url": with(&visit.query, name, None)}));
    }
    Ok(chips)
}

/// A name that may be empty.
fn heading_of_any(name: &str) -> String {
    if name.is_empty() { String::new() } else { heading_of(name) }
}
