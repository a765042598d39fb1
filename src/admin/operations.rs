//! What can be done with a record beside changing it: the operations that the OpenAPI document has at a record, with the words and the
//! fields that it has for them. Which are offered is declared (`About::actions`); whether one is carried out is for the API to say.

use std::collections::HashMap;

use poem::{Response, http::StatusCode};
use poem_openapi::registry::MetaSchema;
use serde_json::{Map, Value as Json, json};

use super::{
    call::{Ask, Refusal},
    detour,
    frame::{in_words, title_of, url_of, words_of},
    input,
    record::name_of,
    session::Visit,
    shelf::secret,
    widgets::{Filling, Pickers, texts},
};
use crate::{
    engine::{
        Descriptor, descriptor,
        field::{Field, Kind},
        table::columns::heading_of,
        verbs,
    },
    error::Error,
};

/// One of them.
pub(super) struct Operation {
    /// What it does, in the document's words: `Give a lead up`.
    pub title: String,
    /// What the document says of it.
    pub help: String,
    pub fields: Vec<Field>,
}

impl Operation {
    /// What it does, with the titles of choices where the document has their names: `Closed lost` for `closed_lost`.
    fn said_of(&self, d: &Descriptor) -> String {
        let of = |field: &Field| if let Kind::Choice(names) = &field.kind { names.clone() } else { vec![] };
        let names = d.fields.iter().chain(&self.fields).flat_map(of);
        let names: Vec<&str> = names.filter(|name| !name.is_empty()).collect();
        let title = |word: &str| {
            let bare = word.trim_matches('`');
            // One word is a word of the language as well, unless it is marked.
            let is_meant = names.contains(&bare) && (bare.contains('_') || bare.len() < word.len());
            if is_meant { heading_of(bare) } else { word.to_owned() }
        };
        let is_part = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '`');
        let (mut out, mut rest) = (String::new(), self.help.as_str());
        while let Some(start) = rest.find(is_part) {
            let word = &rest[start..];
            let end = word.find(|letter| !is_part(letter)).unwrap_or(word.len());
            out.push_str(&rest[..start]);
            out.push_str(&title(&word[..end]));
            rest = &word[end..];
        }
        out + rest
    }
}

/// What stands on its button: `Check in`. Its words in the document would fill the page.
pub(super) fn button_of(visit: &Visit<'_>, name: &str) -> String {
    visit.heading_of(&name.replace('-', "_"))
}

/// All of them, by the resource's path and their name.
pub(super) struct Operations(HashMap<(String, String), Operation>);

/// Names of the document live as long as the program, as those of resources do.
fn kept(text: &str) -> &'static str {
    text.to_owned().leak()
}

impl Operations {
    /// Reads them off the document.
    pub fn of(document: &Json) -> Self {
        let mut all = HashMap::new();
        for (path, methods) in document["paths"].as_object().into_iter().flatten() {
            let path = path.trim_start_matches("/api/").trim_end_matches('/');
            // At a record, or at the resource as a whole.
            let Some((resource, name)) = path.split_once("/{id}/").or_else(|| path.rsplit_once('/')) else { continue };
            let operation = &methods["post"];
            if operation.is_null() || name.contains(['/', '{']) {
                continue;
            }
            let schema = resolve(document, &operation["requestBody"]["content"]["application/json"]["schema"]);
            let required = schema["required"].as_array().cloned().unwrap_or_default();
            let fields = schema["properties"].as_object().into_iter().flatten();
            let fields = fields.map(|(name, schema)| field(document, name, schema, required.iter().any(|known| known == name.as_str())));
            let operation = Operation {
                title: operation["summary"].as_str().unwrap_or(name).to_owned(),
                help: operation["description"].as_str().unwrap_or_default().to_owned(),
                fields: fields.collect(),
            };
            all.entry((resource.to_owned(), name.to_owned())).or_insert(operation);
        }
        Self(all)
    }

    pub fn get(&self, d: &Descriptor, name: &str) -> Option<&Operation> {
        self.0.get(&(d.about.path.to_owned(), name.to_owned()))
    }
}

/// A schema with what it refers to put in.
fn resolve(document: &Json, schema: &Json) -> Json {
    let named = schema["$ref"].as_str().or_else(|| schema["allOf"][0]["$ref"].as_str()).or_else(|| schema["oneOf"][0]["$ref"].as_str());
    let Some(pointer) = named.and_then(|name| name.strip_prefix('#')) else { return schema.clone() };
    let mut resolved = document.pointer(pointer).cloned().unwrap_or_default();
    for name in ["description", "default"] {
        if !schema[name].is_null() {
            resolved[name] = schema[name].clone();
        }
    }
    resolved
}

/// A member of a request's body as a field.
fn field(document: &Json, name: &str, schema: &Json, required: bool) -> Field {
    let resolved = resolve(document, schema);
    let names: Vec<&'static str> = resolved["enum"].as_array().into_iter().flatten().filter_map(|name| name.as_str().map(kept)).collect();
    let kind = match (resolved["type"].as_str().unwrap_or_default(), resolved["format"].as_str().unwrap_or_default()) {
        _ if !names.is_empty() => Kind::Choice(names),
        // The document does not say what an id is of; a field that is called like a kind of record means one.
        ("integer", _) => descriptor::all().iter().find(|d| d.word() == name).map_or(Kind::Integer, |d| Kind::Reference(d.about.table)),
        ("number", _) => Kind::Number,
        ("boolean", _) => Kind::Bool,
        ("string", "date") => Kind::Date,
        ("string", "date-time") => Kind::DateTime,
        ("string", "email") => Kind::Email,
        ("array", _) if resolved["items"]["type"] == "string" => Kind::Texts,
        ("array", _) => Kind::Json,
        // Amounts are taken as text or number, which the document can only call anything.
        _ => Kind::Text,
    };
    let mut meta = MetaSchema::new("string");
    meta.description = resolved["description"].as_str().map(kept);
    meta.default = Some(resolved["default"].clone()).filter(|default| !default.is_null());
    meta.max_length = resolved["maxLength"].as_u64().and_then(|most| usize::try_from(most).ok());
    let nullable = !required && meta.default.is_none();
    let name = kept(name);
    Field { name, column: name, kind, required, nullable, server_set: false, hidden: false, input: true, schema: meta }
}

/// Asks for what an action needs, says what it does, and does it.
pub(super) async fn page(visit: &Visit<'_>, d: &'static Descriptor, key: &str, action: &str) -> Result<Response, Refusal> {
    let record = visit.get(&format!("{}/{key}/", d.about.path)).await?;
    let (actor, id) = (visit.actor()?, record["id"].as_i64().unwrap_or_default());
    let place = format!("{}{key}/", url_of(d));
    let operation = visit.panel.operations().get(d, action).filter(|_| d.about.actions.iter().any(|known| known.name == action));
    let operation = operation.ok_or_else(Error::not_found)?;
    let offers = visit.panel.app.db.read(|reader| verbs::offers(reader, d, actor, id))?;
    if !offers.iter().any(|offer| offer.name == action) {
        let words = visit.t_with("“{action}” is not possible now.", &[("action", &button_of(visit, action))]);
        return Ok(visit.see_saying(&place, words));
    }
    let fields: Vec<&Field> = operation.fields.iter().collect();
    let start: Map<String, Json> = fields.iter().map(|field| (field.name.to_owned(), super::widgets::start_of(field))).collect();
    let start = Json::Object(start);
    let (mut errors, mut status) = (json!({}), StatusCode::OK);
    if let Some(response) = detour::leave(visit, &fields)? {
        return Ok(response);
    }
    let resumed = detour::resumed(visit)?;
    if visit.is_post() {
        let input = input::read(visit, &fields, &start, true).await?;
        if input.errors.is_empty() {
            let (path, body) = (format!("{}/{key}/{action}/", d.about.path), Json::Object(input.fields));
            let answer = visit.ask_once(Ask::post(&path, &body)).await?;
            match answer.status {
                400 if answer.body["detail"].is_null() => errors = in_words(visit, &answer.body),
                400 | 409 | 422 => errors = json!({"": [words_of(visit, &answer.body)]}),
                _ => {
                    answer.done()?;
                    return Ok(visit.see_saying(&place, visit.t_with("{action}: done.", &[("action", &button_of(visit, action))])));
                }
            }
        } else {
            errors = Json::Object(input.errors);
        }
        status = StatusCode::BAD_REQUEST;
    }
    let (mut pickers, mut widgets) = (Pickers::with_detours(), vec![]);
    let filling = Filling { record: &start, given: visit.is_post().then_some(&visit.form).or(resumed.as_ref()), errors: &errors };
    for field in &fields {
        widgets.push(pickers.widget(visit, field, field.name, &filling).await?);
    }
    let others = errors.as_object().into_iter().flatten().filter(|(name, _)| !fields.iter().any(|field| field.name == name.as_str()));
    let whole: Vec<String> = others.flat_map(|(_, error)| texts(visit, error)).collect();
    let wrong: Vec<Json> = fields
        .iter()
        .filter(|field| !errors[field.name].is_null())
        .map(|field| json!({"id": format!("f-{}", field.name), "title": visit.heading(field)}))
        .collect();
    let name = name_of(visit, d, &record)?;
    let danger = offers.iter().any(|offer| offer.name == action && offer.danger);
    let context = json!({"title": visit.name(&operation.title), "help": visit.english(&operation.said_of(d)), "button": button_of(visit, action), "crumbs": [[title_of(visit, d), url_of(d)], [name, place]], "back": place,
        "url": detour::here(visit), "key": secret()?, "widgets": widgets, "whole": whole, "wrong": wrong, "danger": danger, "name": name});
    visit.page_with(status, "actions.html", context).await
}
