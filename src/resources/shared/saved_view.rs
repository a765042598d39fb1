//! Saved views: how a person likes to look at the list of a resource, kept for themselves or shared with the business.

use poem_openapi::Object;
use serde_json::Value as Json;

use super::is_mine;
use crate::{
    actor::Actor,
    db::{Reader, Writer},
    engine::{
        About, Access, Change, Descriptor, LIST, LRCUD, Reach, Resource, descriptor, own,
        query::{Parameters, Query},
        verbs,
    },
    error::{Error, Result},
    kit,
};

/// A name for a filter, an order and columns of a resource's list.
#[derive(Object)]
pub struct SavedView {
    /// The resource whose list it is: its path, `field/leads`.
    #[oai(validator(max_length = 100))]
    pub resource: String,
    /// What it is called; unique for the person and the resource.
    #[oai(validator(max_length = 100))]
    pub name: String,
    /// The list's query parameters by name, `search` included: what is sent to the list to see the view.
    #[oai(default = "no_filters")]
    pub filters: kit::Json,
    /// The list's `ordering`.
    #[oai(default, validator(max_length = 255))]
    pub ordering: String,
    /// The fields to show, in their order; none for all.
    #[oai(default)]
    pub columns: Vec<String>,
    /// Can everybody in the business use it?
    #[oai(default)]
    pub is_shared: bool,
}

fn no_filters() -> kit::Json {
    kit::Json(Json::Object(serde_json::Map::new()))
}

impl Resource for SavedView {
    const ABOUT: About = About {
        path: "saved-views",
        table: "saved_views",
        list: &["name", "resource", "is_shared", "created_at"],
        search: &["name"],
        filter: &["resource", "is_shared"],
        order: &["-created_at", "name"],
        access: Access::deny()
            .admin(own(LRCUD))
            .manager(own(LRCUD))
            .staff(own(LRCUD))
            .agent(own(LRCUD))
            .teacher(own(LRCUD))
            .student(own(LRCUD))
            .customer(own(LRCUD)),
        own: "(t.created_by = :me OR t.is_shared = 1)",
        ..About::DEFAULT
    };

    fn check(&mut self, change: &Change<'_, '_, Self>) -> Result<()> {
        let tx = change.tx;
        if let Some(id) = change.id.filter(|_| !change.options.internal) {
            expect(is_mine(tx, "saved_views", id)?)?;
        }
        if !change.options.internal {
            self.check_name(tx, change.id)?;
        }
        // What it says of the list was right when it was written; a name can be changed whatever has become of the list.
        let says = |view: &Self| (view.resource.clone(), view.filters.clone(), view.ordering.clone(), view.columns.clone());
        if change.options.internal || change.before.is_some_and(|before| says(before) == says(self)) {
            return Ok(());
        }
        self.check_list(tx, tx.actor())
    }

    fn deleting(&self, id: i64, tx: &mut Writer<'_>) -> Result<()> {
        expect(is_mine(tx, "saved_views", id)? || self.is_shared && tx.actor().is_manager())
    }
}

fn expect(allowed: bool) -> Result<()> {
    if allowed { Ok(()) } else { Err(Error::forbidden()) }
}

impl SavedView {
    /// The name is this person's for the resource; the index that says the same knows no words.
    fn check_name(&self, reader: &Writer<'_>, id: Option<i64>) -> Result<()> {
        let sql = "SELECT 1 FROM saved_views WHERE business_id = ?1 AND created_by = ?2 AND resource = ?3 AND name = ?4 COLLATE NOCASE \
                   AND deleted_at IS NULL AND id IS NOT ?5";
        let actor = reader.actor();
        let args = [actor.business_id().into(), actor.user_id.into(), self.resource.as_str().into(), self.name.as_str().into(), id.into()];
        if reader.exists(sql, &args)? { Err(Error::field("name", "saved view with this name already exists.")) } else { Ok(()) }
    }

    /// Would the list take this? A view that cannot work is refused.
    fn check_list(&self, reader: &Reader<'_>, actor: &Actor) -> Result<()> {
        let listable = |d: &&Descriptor| d.about.path == self.resource && d.reach(actor, LIST) != Reach::Nothing;
        let Some(d) = descriptor::all().iter().find(listable) else {
            return Err(Error::field("resource", format!("\"{}\" is no resource that you can list.", self.resource)));
        };
        let query = Query::parse_kept(d, actor, &parameters(&self.filters.0)?);
        verbs::check_filters(reader, actor, &query).map_err(|error| Error::field("filters", error.to_string()))?;
        let orders = |term: &str| d.about.order.iter().any(|name| name.trim_start_matches('-') == term.trim_start_matches('-'));
        if let Some(term) = self.ordering.split(',').map(str::trim).find(|term| !term.is_empty() && !orders(term)) {
            return Err(Error::field("ordering", format!("Lists of {} cannot be ordered by \"{term}\".", d.about.path)));
        }
        let mixin = d.mixin();
        let names = d.visible().map(|field| field.name).chain(d.about.computed.iter().map(|computed| computed.name));
        let names: Vec<&str> = names.chain(mixin.iter().map(|(name, ..)| *name)).filter(|name| d.is_open(name, actor)).collect();
        if let Some(column) = self.columns.iter().find(|column| !names.contains(&column.as_str())) {
            return Err(Error::field("columns", format!("\"{column}\" is no field of {}.", d.about.path)));
        }
        Ok(())
    }
}

/// An object as query parameters; a list is what `__in` takes.
fn parameters(filters: &Json) -> Result<Parameters> {
    let wrong = |text: &str| Error::field("filters", text);
    let Json::Object(filters) = filters else { return Err(wrong("Expected an object of query parameters.")) };
    let text = |value: &Json| match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(flag) => Some(flag.to_string()),
        _ => None,
    };
    let parameter = |(name, value): (&String, &Json)| {
        let value = match value {
            Json::Array(values) => values.iter().map(text).collect::<Option<Vec<_>>>().map(|values| values.join(",")),
            value => text(value),
        };
        Ok((name.clone(), value.ok_or_else(|| wrong("A query parameter is a text, a number, true or false, or a list of these."))?))
    };
    if filters.len() > 50 {
        return Err(wrong("Ensure this field has no more than 50 parameters."));
    }
    filters.iter().map(parameter).collect()
}
