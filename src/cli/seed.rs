//! `studio seed-accounts`: the words that staff profiles are described with.

use crate::{
    app::App,
    db::{Value, Writer},
    error::{Error, Result},
};

const DEPARTMENTS: [&str; 9] =
    ["Finance", "Projects", "Digital", "Content", "Admin", "Sales", "Development", "Marketing", "Field Operations"];
const DESIGNATIONS: [&str; 8] = ["Manager", "Mascot", "Officer", "Assistant", "Field Agent", "Designer", "Developer", "Executive"];

/// Makes what is not there yet by name, and says of each what happened.
pub fn accounts(app: &App) -> Result<Vec<String>> {
    app.db.write_blocking(super::control::program(app)?, |tx| {
        let business = tx.actor().business_id().ok_or_else(|| Error::internal("there is no active business"))?;
        let lead = "SELECT 1 FROM branches WHERE business_id = ?1 AND is_head_office = 1 AND deleted_at IS NULL";
        let head = !tx.exists(lead, &[business.into()])?;
        let mut lines = vec![one(tx, business, "branch", "branches", "Head Office", vec![("is_head_office", head.into())])?];
        for name in DEPARTMENTS {
            lines.push(one(tx, business, "department", "departments", name, vec![])?);
        }
        for name in DESIGNATIONS {
            lines.push(one(tx, business, "designation", "designations", name, vec![])?);
        }
        Ok(lines)
    })
}

fn one(tx: &mut Writer<'_>, business: i64, what: &str, table: &'static str, name: &str, mut values: Vec<(&str, Value)>) -> Result<String> {
    let sql = format!("SELECT 1 FROM {table} WHERE business_id = ?1 AND name = ?2 AND deleted_at IS NULL");
    if tx.exists(&sql, &[business.into(), name.into()])? {
        return Ok(format!("exists  {what} {name}"));
    }
    values.push(("name", name.into()));
    tx.insert(table, values)?;
    Ok(format!("created {what} {name}"))
}
