//! What is likely to be asked for next, found out before it is: the number of a list that was cut short for the page's sake, and the rows
//! that come first in the other orders of a long list. Both are kept and follow what is written (`engine::listed`), so this is done once.

use std::sync::Arc;

use super::read::{ListRequest, Listing};
use crate::{
    actor::Actor,
    auth::gate::Caller,
    db::Db,
    engine::{
        access::Reach,
        descriptor::Descriptor,
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

/// The list in its other orders, as far as they are not known.
fn others(db: &Db, actor: &Arc<Actor>, d: &'static Descriptor, request: &ListRequest, reach: Reach) -> Vec<Arc<List>> {
    let orders = d.about.order.iter().map(|name| name.trim_start_matches('-')).flat_map(|name| [name.to_owned(), format!("-{name}")]);
    let list = |order: String| {
        let mut parameters = request.parameters.clone();
        parameters.push(("ordering".to_owned(), order));
        let query = Query::parse(d, actor, &parameters, request.pages).ok()?;
        Some(List::new(db, d, actor.clone(), query, reach, Deleted::Without))
    };
    orders.filter_map(list).filter(List::is_slow).map(Arc::new).collect()
}
