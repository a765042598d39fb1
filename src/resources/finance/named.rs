//! What a client names by id or uuid, before a record is checked: amounts are read in the currency of what they are for.

use serde_json::{Map, Value as Json};

use super::Party;
use crate::{
    actor::Actor,
    db::Reader,
    engine::{Resource, descriptor, store},
    error::Result,
};

/// The live row of the business that is named.
pub fn id_of<R: Resource>(reader: &Reader<'_>, actor: &Actor, key: &Json) -> Result<Option<i64>> {
    let key = key.as_str().map_or_else(|| key.to_string(), str::to_owned);
    store::find(reader, descriptor::of::<R>(), actor, key.trim())
}

/// The currency of the row that is named; none where there is no such row.
pub fn currency_of<R: Resource>(reader: &Reader<'_>, actor: &Actor, key: &Json) -> Result<Option<String>> {
    let Some(id) = id_of::<R>(reader, actor, key)? else { return Ok(None) };
    let sql = format!("SELECT currency FROM \"{}\" WHERE id = ?1", R::ABOUT.table);
    Ok(reader.one::<Option<String>>(&sql, &[id.into()])?.flatten())
}

/// A new document is in the currency of the party that it names, unless it says otherwise.
pub fn use_currency_of_party(reader: &Reader<'_>, actor: &Actor, input: &mut Map<String, Json>) -> Result<()> {
    let has = |name: &str| input.get(name).is_some_and(|value| !value.is_null());
    if !has("currency")
        && has("party")
        && let Some(currency) = currency_of::<Party>(reader, actor, &input["party"])?
    {
        input.insert("currency".to_owned(), currency.into());
    }
    Ok(())
}
