//! What is in the books stays as it is, but for a few fields of its document that say nothing there.

use serde_json::{Map, Value as Json};

use crate::{
    engine::Resource,
    error::{Error, Result},
};

/// # Errors
/// 409 with `why` when the two say something else in any field but the `open` ones.
pub fn only_differs_where<R: Resource>(open: &[&str], before: &R, after: &R, why: &'static str) -> Result<()> {
    let fixed = |record: &R| {
        let mut fields = match record.to_json() {
            Some(Json::Object(fields)) => fields,
            _ => Map::new(),
        };
        fields.retain(|name, _| !open.contains(&name.as_str()) && !R::ABOUT.input.contains(&name.as_str()));
        fields
    };
    if fixed(before) == fixed(after) { Ok(()) } else { Err(Error::conflict("immutable", why)) }
}
