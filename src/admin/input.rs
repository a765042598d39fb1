//! What was typed into a form, as the JSON that the API takes. Only what somebody has changed is sent.

use serde_json::{Map, Value as Json};

use super::{
    call::{Ask, Refusal},
    session::Visit,
    widgets::{line_fields, start_of, text_of, value_in},
};
use crate::engine::{
    descriptor,
    field::{Field, Kind},
    query::parameter,
};

/// What a form says: the changed fields, and what could not even be sent.
#[derive(Default)]
pub(super) struct Input {
    pub fields: Map<String, Json>,
    pub errors: Map<String, Json>,
}

/// Reads the fields of a form. `record` is what it was filled with: the record, or what a new one starts with.
pub(super) async fn read(visit: &Visit<'_>, fields: &[&Field], record: &Json, is_new: bool) -> Result<Input, Refusal> {
    let mut input = Input::default();
    let resolves = parameter(&visit.form, "resolving").is_some();
    for field in fields {
        // After a conflict, theirs stays where it was chosen.
        if resolves && parameter(&visit.form, &format!("take-{}", field.name)) != Some("mine") {
            continue;
        }
        if let Kind::Lines(_, of_row) = &field.kind {
            if let Some(rows) = lines(visit, field.name, of_row, &record[field.name]).await? {
                input.fields.insert(field.name.to_owned(), rows);
            }
            continue;
        }
        let text = match typed(visit, field, field.name).await? {
            Ok(text) => text,
            Err(problem) => {
                input.errors.insert(field.name.to_owned(), Json::from(vec![problem]));
                continue;
            }
        };
        let before = normal(&text_of(visit, field, value_in(field, record)));
        let was_false = field.kind == Kind::Bool && !field.nullable && before.is_empty() && text == "false";
        if normal(&text) == before || was_false {
            continue;
        }
        // Left empty in a new record: whatever it is without.
        if is_new && text.is_empty() && start_of(field).is_null() {
            continue;
        }
        match value_of(visit, field, &text) {
            Ok(value) => drop(input.fields.insert(field.name.to_owned(), value)),
            Err(problem) => drop(input.errors.insert(field.name.to_owned(), Json::from(vec![problem]))),
        }
    }
    Ok(input)
}

/// Browsers send the ends of lines in their own way.
fn normal(text: &str) -> String {
    text.replace("\r\n", "\n").trim().to_owned()
}

/// What stands in the widget of a field. A box that is not ticked is not sent.
async fn typed(visit: &Visit<'_>, field: &Field, name: &str) -> Result<Result<String, String>, Refusal> {
    let sent = parameter(&visit.form, name);
    if let (Kind::Reference(table), Some(words)) = (&field.kind, parameter(&visit.form, &format!("{name}__text"))) {
        return find(visit, table, sent.unwrap_or_default(), words.trim()).await;
    }
    Ok(Ok(match (&field.kind, sent) {
        (Kind::Bool, None) if !field.nullable => "false".to_owned(),
        (Kind::Number | Kind::Money | Kind::Decimal(_), Some(sent)) => visit.language.number(&normal(sent)),
        (_, sent) => normal(sent.unwrap_or_default()),
    }))
}

/// The record that words mean: the one that was chosen, if they are still its, else the only one that they can mean.
pub(super) async fn find(visit: &Visit<'_>, table: &'static str, chosen: &str, words: &str) -> Result<Result<String, String>, Refusal> {
    if words.is_empty() {
        return Ok(Ok(String::new()));
    }
    if let Ok(id) = chosen.parse::<i64>()
        && super::cells::open_labels(visit, table, &[id])?.get(&id).is_some_and(|label| label == words)
    {
        return Ok(Ok(chosen.to_owned()));
    }
    let Some(d) = descriptor::by_table(table) else { return Ok(Ok(words.to_owned())) };
    let path = format!("{}/minimal/", d.about.path);
    let found = visit.ask(Ask::get(&path).with("search", words).with("page_size", "20")).await?;
    let rows = found.body["results"].as_array().cloned().unwrap_or_default();
    let exact: Vec<&Json> =
        rows.iter().filter(|row| row["label"].as_str().is_some_and(|label| label.eq_ignore_ascii_case(words))).collect();
    Ok(match (exact.as_slice(), rows.as_slice()) {
        ([one], _) => Ok(one["id"].to_string()),
        ([], [one]) => Ok(one["id"].to_string()),
        ([], []) => Err(visit.t_with("Nothing is called “{name}”.", &[("name", &words)])),
        _ => Err(visit.t_with("Several are called “{name}”: choose one, or type more of its name.", &[("name", &words)])),
    })
}

/// A text as the JSON of its kind; what the kind does not take is for the API to refuse.
pub(super) fn value_of(visit: &Visit<'_>, field: &Field, text: &str) -> Result<Json, String> {
    let keeps_empty = matches!(field.kind, Kind::Text | Kind::Email) && !field.nullable;
    if text.is_empty() && !keeps_empty {
        return Ok(if field.kind == Kind::Texts { Json::Array(vec![]) } else { Json::Null });
    }
    let or_text = |json: Option<Json>| json.unwrap_or_else(|| Json::from(text));
    Ok(match &field.kind {
        Kind::Bool => or_text(text.parse::<bool>().ok().map(Json::from)),
        Kind::Integer | Kind::Reference(_) => or_text(text.parse::<i64>().ok().map(Json::from)),
        Kind::Number => or_text(text.parse::<f64>().ok().map(Json::from)),
        Kind::Texts => text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(Json::from).collect(),
        Kind::Json => serde_json::from_str(text).map_err(|error| visit.t_with("This is no JSON: {error}.", &[("error", &error)]))?,
        _ => Json::from(text),
    })
}

/// The rows of a form; `None` when they are as they were. A row in which nothing stands is none.
async fn lines(visit: &Visit<'_>, name: &str, fields: &[Field], before: &Json) -> Result<Option<Json>, Refusal> {
    let Some(count) = parameter(&visit.form, &format!("{name}-rows")).and_then(|rows| rows.parse::<usize>().ok()) else { return Ok(None) };
    let empty = vec![];
    let before = before.as_array().unwrap_or(&empty);
    let (mut rows, mut changed) = (vec![], false);
    for at in 0..count.min(500) {
        let place = format!("{name}-{at}");
        let known = before.get(at);
        if parameter(&visit.form, &format!("{place}-remove")).is_some() {
            changed |= known.is_some();
            continue;
        }
        let mut row = known.and_then(Json::as_object).cloned().unwrap_or_default();
        let mut says = false;
        for field in line_fields(fields) {
            let text = typed(visit, field, &format!("{place}-{}", field.name)).await?.unwrap_or_else(|problem| problem);
            let start = start_of(field);
            let was = normal(&text_of(visit, field, known.map_or(&start, |row| value_in(field, row))));
            if normal(&text) == was || text == "false" && was.is_empty() {
                continue;
            }
            says = true;
            row.insert(field.name.to_owned(), value_of(visit, field, &text).unwrap_or_else(|_| Json::from(text)));
        }
        changed |= says;
        if known.is_some() || says {
            rows.push(Json::Object(row));
        }
    }
    Ok(changed.then_some(Json::Array(rows)))
}
