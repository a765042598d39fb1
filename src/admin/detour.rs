//! A way round: from a half-filled form to the form of what it refers to, and back with that chosen.

use poem::Response;

use super::{
    call::{Refusal, query_of},
    form::may_add,
    frame::url_of,
    session::Visit,
};
use crate::engine::{
    descriptor,
    field::{Field, Kind},
    query::{Parameters, parameter},
};

/// A form that was left, with all that stood in it.
pub(super) struct Detour {
    url: String,
    form: Parameters,
    /// What the new record is for: the name of its widget.
    name: String,
    table: &'static str,
}

/// One that waits for a new record.
pub(super) struct Waiting<'v> {
    url: String,
    key: &'v str,
}

/// The parameters of the way there, and of the way back.
const FOR: &str = "for";
const BACK: [&str; 2] = ["resume", "chosen"];

/// Where the form is, without what it came back with.
pub(super) fn here(visit: &Visit<'_>) -> String {
    let kept = visit.query.iter().filter(|(name, _)| !BACK.contains(&name.as_str()));
    format!("/admin/{}{}", visit.path, query_of(kept.map(|(name, value)| (name.as_str(), value.as_str()))))
}

/// The table that a widget of a form refers to: a field's, or that of a field of a row.
fn table_of(fields: &[&Field], name: &str) -> Option<&'static str> {
    let refers = |field: &Field| if let Kind::Reference(table) = field.kind { Some(table) } else { None };
    if let Some(field) = fields.iter().find(|field| field.name == name) {
        return refers(field);
    }
    let mut parts = name.splitn(3, '-');
    let (rows, _, cell) = (parts.next()?, parts.next()?, parts.next()?);
    let Kind::Lines(_, columns) = &fields.iter().find(|field| field.name == rows)?.kind else { return None };
    columns.iter().find(|column| column.name == cell).and_then(refers)
}

/// Leaves the form to make what one of its fields is to refer to, if that was clicked.
pub(super) fn leave(visit: &Visit<'_>, fields: &[&Field]) -> Result<Option<Response>, Refusal> {
    let Some(name) = visit.given("detour").filter(|_| visit.is_post()) else { return Ok(None) };
    let target = table_of(fields, name).and_then(descriptor::by_table).filter(|d| may_add(visit, d));
    let Some(target) = target else { return Ok(None) };
    let own = ["csrf", "detour", "idempotency_key"];
    let form: Parameters = visit.form.iter().filter(|(name, _)| !own.contains(&name.as_str())).cloned().collect();
    let bytes = form.iter().map(|(name, value)| name.len() + value.len() + 48).sum();
    let detour = Detour { url: here(visit), form, name: name.to_owned(), table: target.about.table };
    let key = visit.panel.detours.put(visit, detour, bytes)?;
    Ok(Some(visit.see(&format!("{}add/{}", url_of(target), query_of([(FOR, key.as_str())])))))
}

/// The form that waits for the record which is made here.
pub(super) fn waiting<'v>(visit: &'v Visit<'_>) -> Result<Option<Waiting<'v>>, Refusal> {
    let Some(key) = visit.asked(FOR) else { return Ok(None) };
    Ok(visit.panel.detours.get(visit, key)?.map(|detour| Waiting { url: detour.url.clone(), key }))
}

impl Waiting<'_> {
    /// The way back, with the record that was made.
    pub fn back(&self, made: Option<i64>) -> String {
        let made = made.map(|id| id.to_string());
        let query = query_of([(BACK[0], self.key)].into_iter().chain(made.iter().map(|id| (BACK[1], id.as_str()))));
        if self.url.contains('?') { format!("{}&{}", self.url, &query[1..]) } else { format!("{}{query}", self.url) }
    }
}

/// What stood in the form, with the new record chosen, when somebody comes back to it.
pub(super) fn resumed(visit: &Visit<'_>) -> Result<Option<Parameters>, Refusal> {
    let Some(key) = visit.asked(BACK[0]).filter(|_| !visit.is_post()) else { return Ok(None) };
    let Some(detour) = visit.panel.detours.get(visit, key)?.filter(|detour| detour.url == here(visit)) else { return Ok(None) };
    let mut form = detour.form.clone();
    if let Some(chosen) = visit.asked(BACK[1]).and_then(|id| id.parse::<i64>().ok()) {
        let label = super::cells::open_labels(visit, detour.table, &[chosen])?.remove(&chosen);
        let text = format!("{}__text", detour.name);
        let was_typed = parameter(&form, &text).is_some();
        form.retain(|(name, _)| *name != detour.name && *name != text);
        form.push((detour.name.clone(), chosen.to_string()));
        if was_typed {
            form.push((text, label.unwrap_or_default()));
        }
    }
    Ok(Some(form))
}
