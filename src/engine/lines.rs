//! Rows that belong to a record, as SQL.

use super::{
    descriptor::Descriptor,
    field::{Field, Kind},
};
use crate::kit::singular;

/// The column by which a table's rows name their owner: `branch_hours` of `branches` has `branch_id`.
pub fn owner_column(owner: &str) -> String {
    format!("{}_id", singular(owner))
}

/// SQL for the rows that belong to the row `t`, as a JSON array.
pub fn lines_sql(owner: &Descriptor, table: &str, lines: &[Field]) -> String {
    let currency = owner.currency().map_or_else(|| "NULL".to_owned(), |field| format!("t.{}", field.column));
    let member = |field: &Field| match field.kind {
        Kind::Bool => format!("'{0}', json(CASE l.{1} WHEN 1 THEN 'true' ELSE 'false' END)", field.name, field.column),
        Kind::Texts | Kind::Json => format!("'{0}', json(l.{1})", field.name, field.column),
        Kind::Money => format!("'{0}', money_text(l.{1}, {currency})", field.name, field.column),
        Kind::Decimal(places) => format!("'{0}', decimal_text(l.{1}, {places})", field.name, field.column),
        _ => format!("'{0}', l.{1}", field.name, field.column),
    };
    let members: Vec<String> = lines.iter().map(member).collect();
    format!(
        "(SELECT json_group_array(json_object({})) FROM (SELECT * FROM \"{table}\" WHERE {} = t.id ORDER BY position) AS l)",
        members.join(", "),
        owner_column(owner.about.table)
    )
}
