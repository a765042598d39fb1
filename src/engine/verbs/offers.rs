//! Which actions are offered for a record.

use crate::{
    actor::{Actor, Role},
    db::Reader,
    engine::{
        about::Action,
        access::{READ, Reach, UPDATE},
        descriptor::{Descriptor, bind},
        store::{self, Deleted},
    },
    error::Result,
};

/// What the actor may do with a record now, as far as its declaration can tell: none for one that they may not read.
pub fn offers(reader: &Reader<'_>, d: &Descriptor, actor: &Actor, id: i64) -> Result<Vec<&'static Action>> {
    let actions: &'static [Action] = d.about.actions;
    let is_admin = actor.role == Role::Admin;
    let may = |action: &&Action| (!action.managers || actor.is_manager()) && (!action.administrators || is_admin);
    if actions.is_empty() || d.reach(actor, READ.and(UPDATE)) == Reach::Nothing && d.reach(actor, READ) == Reach::Nothing {
        return Ok(vec![]);
    }
    let conditions: Vec<String> = actions.iter().map(|action| format!("({}) IS TRUE", bind(action.when))).collect();
    let scope = store::scope(d, actor, d.reach(actor, READ), Deleted::Without);
    let sql = format!("SELECT {} FROM \"{}\" AS t WHERE t.id = ?4 AND {scope}", conditions.join(", "), d.about.table);
    let open = reader.row(&sql, &store::args(actor, &[id.into()]), |row| (0..actions.len()).map(|at| row.get::<bool>(at)).collect())?;
    let open: Vec<bool> = open.unwrap_or_default();
    Ok(actions.iter().zip(open).filter(|(_, open)| *open).map(|(action, _)| action).filter(may).collect())
}
