//! Amounts of several sorts in one list: what is earned is not added to what is spent, nor what is taken back to either.

use serde_json::{Map, Value as Json, json};

use crate::{
    actor::Actor,
    engine::{descriptor::Descriptor, field::Kind, filter::kind_of},
};

/// The fields that say of what sort an amount of the resource is, as far as the caller may see them.
pub(super) fn told_apart(d: &Descriptor, actor: &Actor) -> Vec<&'static str> {
    d.about.totals_by.iter().filter(|name| d.is_open(name, actor)).copied().collect()
}

/// Tells with each total what it is made of: `sorts` are the values of the fields with the totals of the rows that have them.
pub(super) fn tell(d: &Descriptor, names: &[&str], mut sorts: Vec<(Vec<String>, Vec<Json>)>, totals: &mut [Json]) {
    if names.is_empty() {
        return;
    }
    let rank = |(name, value): (&&str, &String)| match kind_of(d, name) {
        Some(Kind::Choice(all)) => all.iter().position(|known| known == value),
        _ => None,
    };
    sorts.sort_by_key(|(values, _)| names.iter().zip(values).map(rank).collect::<Vec<_>>());
    for total in totals {
        let one = |(values, amounts): &(Vec<String>, Vec<Json>)| {
            let own = amounts.iter().find(|one| one["field"] == total["field"])?;
            let of: Map<String, Json> =
                names.iter().zip(values).map(|(name, value)| ((*name).to_owned(), Json::from(value.as_str()))).collect();
            Some(json!({"of": of, "amounts": own["amounts"]}))
        };
        total["by"] = sorts.iter().filter_map(one).collect();
    }
}
