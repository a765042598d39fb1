//! What is likely to be asked for next, found out before it is: the number of a list that was cut short for the page's sake, and the rows
//! that come first in a long list in other orders, or narrowed by a flag. All are kept and follow what is written (`engine::listed`), so
//! this is done once.

use std::sync::Arc;

use super::read::{ListRequest, Listing};
use crate::{
    actor::Actor,
    auth::gate::Caller,
    db::Db,
    engine::{
        access::Reach,
        descriptor::Descriptor,
        field::Kind,
        filter::kind_of,
        listed::{Counted, List},
        query::Query,
        store::Deleted,
    },
};

/// Lists of fewer rows are put into any order while somebody waits.
const LONG: u64 = 2000;

/// Goes on where the answer to a request ended, while nobody waits for it. If something else is looked at ahead, what this would have found
/// is found when it is asked for.
pub(super) fn go_on(
    caller: &Caller,
    d: &'static Descriptor,
    request: ListRequest,
    (list, listing): (Arc<List>, Listing),
    reach: Reach,
    counted: &Counted,
) {
    let query = list.query();
    let is_whole = listing == Listing::Live && query.conditions.is_empty() && query.is_ordered && !query.include_deleted;
    let is_cut = match counted {
        Counted::Some(_) => true,
        Counted::All(_) if is_whole && counted.rows() > LONG => false,
        Counted::All(_) => return,
    };
    let Some(turn) = caller.db.turn_ahead() else { return };
    let (db, actor) = (caller.db.clone(), caller.actor.clone());
    tokio::spawn(async move {
        let lists = if is_cut { vec![list] } else { others(&db, &actor, d, &request, reach) };
        for list in lists {
            // What takes too long is not tried on.
            if db.scan(move |reader| list.look_ahead(reader)).await.is_err() {
                break;
            }
        }
        drop(turn);
    });
}

/// The list in its other orders, and narrowed by what is so or not so, as far as these are not known.
fn others(db: &Db, actor: &Arc<Actor>, d: &'static Descriptor, request: &ListRequest, reach: Reach) -> Vec<Arc<List>> {
    let orders = d.about.order.iter().map(|name| name.trim_start_matches('-'));
    let orders = orders.flat_map(|name| [("ordering", name.to_owned()), ("ordering", format!("-{name}"))]);
    let flags = d.about.filter.iter().filter(|name| kind_of(d, name) == Some(Kind::Bool) && d.narrows(name, actor));
    let flags = flags.flat_map(|name| [(*name, "true".to_owned()), (*name, "false".to_owned())]);
    let list = |(name, value): (&str, String)| {
        let mut parameters = request.parameters.clone();
        parameters.push((name.to_owned(), value));
        let query = Query::parse(d, actor, &parameters, request.pages).ok()?;
        Some(List::new(db, d, actor.clone(), query, reach, Deleted::Without))
    };
    orders.chain(flags).filter_map(list).filter(List::is_slow).map(Arc::new).collect()
}
