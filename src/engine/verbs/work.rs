//! What somebody has left to do, and who does it instead: the resources that say so (`About::work`), each through its own rules.

use serde_json::Map;

use super::write;
use crate::{
    db::{Reader, Writer},
    engine::{
        about::{Options, Work},
        descriptor::{self, Descriptor},
        validate::Mode,
    },
    error::Result,
};

/// The resources whose records are somebody's work.
fn kinds() -> impl Iterator<Item = (&'static Descriptor, Work)> {
    descriptor::all().iter().filter_map(|d| Some((d, d.about.work?)))
}

/// SQL for the open work of somebody, from `FROM` on: the business is `?1`, the person `?2`.
fn of(d: &Descriptor, work: Work) -> String {
    let live = if d.about.soft_delete { " AND t.deleted_at IS NULL" } else { "" };
    let column = d.field(work.of).map_or("NULL", |field| field.column);
    format!("FROM \"{}\" AS t WHERE t.business_id = ?1 AND t.{column} = ?2{live} AND ({})", d.about.table, work.open)
}

/// How much work somebody has left in a business, by table; what they have none of is left out.
pub fn open_work(reader: &Reader<'_>, business: i64, user: i64) -> Result<Vec<(String, i64)>> {
    let mut counts = vec![];
    for (d, work) in kinds() {
        let count: i64 = reader.one(&format!("SELECT count(*) {}", of(d, work)), &[business.into(), user.into()])?.unwrap_or(0);
        if count > 0 {
            counts.push((d.about.table.to_owned(), count));
        }
    }
    Ok(counts)
}

/// Gives all of somebody's open work in a business to somebody else there.
pub fn hand_over(tx: &mut Writer<'_>, business: i64, from: i64, to: i64) -> Result<()> {
    for (d, work) in kinds() {
        let ids: Vec<i64> = tx.rows(&format!("SELECT t.id {}", of(d, work)), &[business.into(), from.into()], |row| row.get(0))?;
        for id in ids {
            let changes = Map::from_iter([(work.of.to_owned(), to.into())]);
            tx.step(|tx| {
                tx.act("hand_over");
                write::change_record(tx, d, id, changes, Mode::Partial, Options { internal: true, ..Options::default() })
            })?;
        }
    }
    Ok(())
}
