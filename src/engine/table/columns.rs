//! The columns of a resource's table, and what its rows show in them.

use serde_json::Value as Json;

use super::cell::{Shown, join};
use crate::{
    actor::Actor,
    db::{Cell, Row},
    engine::{
        about::Output,
        descriptor::{Descriptor, bind, by_table, lines_sql},
        field::{Field, Kind},
    },
    error::{Error, Result},
    kit::{Money, exponent, money::print_scaled},
};

/// One column.
pub struct Column {
    /// What `fields=` calls it.
    pub name: String,
    pub heading: String,
    sql: String,
    how: How,
}

/// How a cell of the database is shown.
#[derive(Clone, Copy)]
enum How {
    Plain,
    Bool,
    Money,
    Decimal(u8),
    Date,
    Texts,
}

/// A resource as a table.
pub struct Table {
    pub columns: Vec<Column>,
    /// SQL for the currency that the row's money is in.
    currency: String,
    from: String,
}

/// The columns of `Table::select` that come before those of the table: the id and the currency.
const BEFORE: usize = 2;

/// The column of a reference that holds the id.
pub fn id_name(field: &Field) -> String {
    format!("{}_id", field.name)
}

/// What a field is called above its column: `Contact phone`.
pub fn heading(field: &Field) -> String {
    field.schema.title.clone().unwrap_or_else(|| heading_of(field.name))
}

/// The same for a column that is no field.
pub fn heading_of(name: &str) -> String {
    let words: Vec<String> = name
        .split('_')
        .enumerate()
        .map(|(at, word)| match word {
            "id" | "uuid" => word.to_ascii_uppercase(),
            word if at == 0 => {
                let mut letters = word.chars();
                letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
            }
            word => word.to_owned(),
        })
        .collect();
    words.join(" ")
}

impl Table {
    /// All columns: `id`, `uuid`, the fields in their order, what is worked out, and when the record was made and changed.
    pub fn of(d: &Descriptor, actor: &Actor, with_deleted: bool) -> Self {
        let mut table = Self { columns: vec![], currency: "NULL".into(), from: format!("FROM \"{}\" AS t", d.about.table) };
        let plain = |name: &str| Column { name: name.into(), heading: heading_of(name), sql: format!("t.{name}"), how: How::Plain };
        table.columns.extend([plain("id"), plain("uuid")]);
        for field in d.visible() {
            table.field(d, field, d.is_open(field.name, actor));
        }
        for computed in d.about.computed.iter().filter(|computed| !computed.detail) {
            let how = match computed.output {
                Output::Json(_) => continue,
                Output::Bool => How::Bool,
                Output::Money => How::Money,
                Output::Integer | Output::Number | Output::Text | Output::Choice(_) | Output::DateTime => How::Plain,
            };
            let sql = if d.is_open(computed.name, actor) { format!("({})", bind(computed.sql)) } else { "NULL".to_owned() };
            table.columns.push(Column { name: computed.name.into(), heading: heading_of(computed.name), sql, how });
        }
        table.columns.extend([plain("created_at"), plain("updated_at")]);
        table.columns.extend((with_deleted && d.about.soft_delete).then(|| plain("deleted_at")));
        table
    }

    fn field(&mut self, d: &Descriptor, field: &Field, open: bool) {
        let shown = |sql: String| if open { sql } else { "NULL".to_owned() };
        let own = shown(format!("t.{}", field.column));
        let column = |sql: String, how| Column { name: field.name.into(), heading: heading(field), sql, how };
        match &field.kind {
            Kind::Reference(target) => {
                let alias = format!("r_{}", field.name);
                let label = by_table(target).map_or_else(|| "NULL".into(), |target| renamed(&target.label, &alias));
                self.from += &format!(" LEFT JOIN \"{target}\" AS {alias} ON {alias}.id = {own}");
                let label = format!("CASE WHEN {alias}.id IS NOT NULL THEN {label} END");
                let id = Column { name: id_name(field), heading: format!("{} ID", heading(field)), sql: own, how: How::Plain };
                self.columns.extend([column(label, How::Plain), id]);
            }
            Kind::Lines(table, lines) => {
                let sql = shown(lines_sql(d, table, lines));
                self.columns.push(column(sql, How::Plain));
            }
            Kind::Currency => {
                if d.currency().is_some_and(|currency| currency.name == field.name) {
                    self.currency.clone_from(&own);
                }
                self.columns.push(column(own, How::Plain));
            }
            Kind::Money if d.currency_of(field) != d.currency() => {
                let currency = d.currency_of(field).map_or("", |currency| currency.column);
                self.columns.push(column(format!("money_text({own}, t.{currency})"), How::Plain));
            }
            kind => {
                let how = match kind {
                    Kind::Bool => How::Bool,
                    Kind::Money => How::Money,
                    Kind::Decimal(places) => How::Decimal(*places),
                    Kind::Date => How::Date,
                    Kind::Texts => How::Texts,
                    _ => How::Plain,
                };
                self.columns.push(column(own, how));
            }
        }
    }

    /// Only the columns that `fields=` names, in its order.
    pub fn choose(mut self, names: &str) -> Result<Self> {
        let known: Vec<&str> = self.columns.iter().map(|column| column.name.as_str()).collect();
        let chosen = chosen(names, &known)?;
        let mut all: Vec<Option<Column>> = self.columns.into_iter().map(Some).collect();
        self.columns = chosen.into_iter().filter_map(|index| all[index].take()).collect();
        Ok(self)
    }

    /// `SELECT ... FROM ...`
    pub fn select(&self) -> String {
        let columns: Vec<&str> = self.columns.iter().map(|column| column.sql.as_str()).collect();
        format!("SELECT t.id, {}, {} {}", self.currency, columns.join(", "), self.from)
    }

    /// What a row of `select` shows.
    pub fn row(&self, row: &Row<'_>) -> Result<Vec<Shown>> {
        let decimals = match row.cell(1)? {
            Cell::Text(code) => exponent(code),
            _ => 2,
        };
        self.columns.iter().enumerate().map(|(index, column)| Ok(shown(column.how, row.cell(BEFORE + index)?, decimals))).collect()
    }
}

fn shown(how: How, cell: Cell<'_>, decimals: u8) -> Shown {
    match (how, cell) {
        (_, Cell::Null) => Shown::Empty,
        (How::Bool, Cell::Int(flag)) => Shown::Bool(flag != 0),
        (How::Money, Cell::Int(minor)) => Shown::Amount(Money { minor, exponent: decimals }.to_string()),
        (How::Decimal(places), Cell::Int(units)) => Shown::Amount(print_scaled(units, places)),
        (How::Date, Cell::Text(date)) => Shown::Date(date.to_owned()),
        (How::Texts, Cell::Text(list)) => {
            let items: Vec<String> = serde_json::from_str(list).unwrap_or_default();
            if items.is_empty() { Shown::Empty } else { Shown::Text(join(&items)) }
        }
        (_, Cell::Int(number)) => Shown::Integer(number),
        (_, Cell::Real(number)) => Shown::Real(number),
        (_, Cell::Text("")) => Shown::Empty,
        (_, Cell::Text(text)) => Shown::Text(text.to_owned()),
    }
}

/// The places of the columns that `fields=` names.
///
/// # Errors
/// 400 that names those there are not.
pub fn chosen(names: &str, known: &[&str]) -> Result<Vec<usize>> {
    let mut places = vec![];
    let mut unknown = vec![];
    for name in names.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        match known.iter().position(|known| *known == name) {
            Some(place) if !places.contains(&place) => places.push(place),
            Some(_) => {}
            None => unknown.push(name),
        }
    }
    match (unknown.as_slice(), places.is_empty()) {
        ([], false) => Ok(places),
        ([], true) => Err(Error::field("fields", "Name at least one field.")),
        (unknown, _) => Err(Error::field("fields", format!("Unknown fields: {}. There are {}.", unknown.join(", "), known.join(", ")))),
    }
}

/// SQL over the row `t` as SQL over another.
fn renamed(sql: &str, alias: &str) -> String {
    let mut out = String::with_capacity(sql.len() + 32);
    let mut before = ' ';
    for (at, c) in sql.char_indices() {
        if c == 't' && sql[at + 1..].starts_with('.') && !before.is_alphanumeric() && !matches!(before, '_' | '.' | '"') {
            out.push_str(alias);
        } else {
            out.push(c);
        }
        before = c;
    }
    out
}

/// The columns of a table that a client fills in: required ones first.
pub fn settable<'d>(d: &'d Descriptor, actor: &Actor) -> Vec<&'d Field> {
    let mut fields: Vec<&Field> = d.visible().filter(|field| !field.server_set && d.is_open(field.name, actor)).collect();
    fields.sort_by_key(|field| !field.required);
    fields
}

/// What a client is told of a field: its description and what it may hold.
pub fn note(field: &Field) -> String {
    let mut words = vec![field.schema.description.unwrap_or_default().to_owned()];
    match &field.kind {
        Kind::Choice(names) => words.push(format!("One of: {}.", names.join(", "))),
        Kind::Bool => words.push("true or false.".into()),
        Kind::Date => words.push("A date: 2026-03-02.".into()),
        Kind::DateTime => words.push("A time: 2026-03-02T09:00:00Z, or without the zone in the business's.".into()),
        Kind::Texts => words.push("Texts, separated by semicolons.".into()),
        Kind::Reference(table) => words.push(format!("The name, id or uuid of one of the {}.", crate::kit::words(table))),
        Kind::Lines(..) | Kind::Json => words.push("JSON.".into()),
        _ => {}
    }
    if let Some(default) = field.schema.default.as_ref().filter(|default| !default.is_null() && default.as_str() != Some("")) {
        let default = default.as_str().map_or_else(|| Json::to_string(default), str::to_owned);
        words.push(format!("When left out: {default}."));
    }
    words.retain(|word| !word.is_empty());
    words.join(" ")
}
