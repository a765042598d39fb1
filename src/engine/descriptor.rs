//! A resource with its type erased: what the engine works on, read off the struct's OpenAPI schema and its `About`.

use std::sync::OnceLock;

use poem_openapi::{
    registry::{MetaSchema, Registry},
    types::{ParseFromJSON, ToJSON},
};
use serde_json::{Map, Value as Json};

use super::{
    about::{About, Change, Expand, IdOf, Options, Output, Resource, Scope},
    access::{LIST, Reach, Verbs},
    field::{Field, Kind},
    filter::{self, TAKEN},
};
use crate::{
    actor::Actor,
    db::{Catalog, Writer},
    error::{Error, Result},
    kit::{singular, words},
};

pub use super::known::{all, attached, by_table, install, install_attached, of, targets};
pub(super) use super::lines::lines_sql;
pub use super::lines::owner_column;
pub use super::shape::fields;
use super::shape::fields_of;

/// A record as validated JSON, by field.
pub type Record = Map<String, Json>;

/// A resource with its type erased.
pub struct Descriptor {
    /// The struct's name and its component in the OpenAPI document: `Lead`.
    pub name: String,
    /// In words: `lead action`.
    pub words: String,
    pub about: About,
    pub fields: Vec<Field>,
    /// Fields and computed fields that lists can be narrowed by.
    pub filters: Vec<&'static str>,
    pub schema: MetaSchema,
    pub register: fn(&mut Registry),
    pub prepare: Prepare,
    pub check: Check,
    pub deleting: Deleting,
    shapes: Vec<Shape>,
    /// SQL for own rows.
    pub own: String,
    /// SQL for a row's label.
    pub label: String,
    tables: OnceLock<Vec<String>>,
}

/// Brings what was sent to the form of the fields.
type Prepare = fn(&mut Record, Option<&Record>, &Writer<'_>) -> Result<()>;
/// Checks a record by its resource's rules and answers it as it is to be stored, with what follows once it is.
type Check = fn(&Writer<'_>, Option<i64>, Option<&Record>, Record, Options) -> Result<(Record, After)>;
pub type After = Box<dyn FnOnce(i64, &mut Writer<'_>) -> Result<()>>;
type Deleting = fn(i64, Record, &mut Writer<'_>) -> Result<()>;

/// Which JSON of a record is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// References as ids: the answer to a write.
    Written,
    /// References expanded: lists.
    List,
    /// References expanded, and the fields shown on one record only.
    Read,
}

/// The columns of one form, ready to be selected and written as JSON.
pub struct Shape {
    /// `SELECT ... FROM "leads" AS t`
    pub select: String,
    pub columns: Vec<Column>,
}

/// One member of a record's JSON.
pub struct Column {
    pub name: &'static str,
    /// What stands before its value: `,"name":`, or `{"id":` for the first.
    pub key: Vec<u8>,
    pub write: Write,
}

/// How a cell becomes JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    Plain,
    Bool,
    /// The cell is JSON already.
    Raw,
    /// Minor units; the currency stands in this column of the select.
    Money(usize),
    /// The smallest units of a number with so many decimals.
    Decimal(u8),
}

/// Puts the engine's parameters in place of the names that declarations use.
pub fn bind(sql: &str) -> String {
    sql.replace(":business", "?1").replace(":me", "?2").replace(":today", "?3")
}

impl Descriptor {
    pub fn new<R: Resource>() -> Self {
        let mut registry = Registry::new();
        let schema = registry.create_fake_schema::<R>();
        let about = R::ABOUT;
        let fields = fields_of(&schema, &registry, &about);
        let name = R::name().into_owned();
        let mut descriptor = Self {
            words: words(&singular(about.table)),
            name,
            filters: filter::filters(&about, &fields),
            fields,
            schema,
            register: R::register,
            prepare: R::prepare,
            check: |tx, id, before, after, options| {
                let before = before.map(|record| parse::<R>(record.clone())).transpose()?;
                let mut record = parse::<R>(after)?;
                record.check(&Change { tx, id, before: before.as_ref(), options })?;
                let stored = record_of(&record);
                Ok((stored, Box::new(move |id, tx| record.after(id, before.as_ref(), tx))))
            },
            deleting: |id, record, tx| parse::<R>(record)?.deleting(id, tx),
            shapes: vec![],
            own: bind(about.own),
            label: bind(about.label),
            tables: OnceLock::new(),
            about,
        };
        let forms = [Form::Written, Form::List, Form::Read];
        descriptor.shapes =
            forms.into_iter().flat_map(|form| [descriptor.shape_of(form, false), descriptor.shape_of(form, true)]).collect();
        descriptor
    }

    /// How far the actor's right to a verb reaches: nowhere in a module that their business does without; for the key of a machine, no
    /// further than its scopes.
    pub fn reach(&self, actor: &Actor, verb: Verbs) -> Reach {
        match actor.scopes() {
            _ if !actor.has(self.about.path) => Reach::Nothing,
            Some(scopes) if !scopes.allow(self.about.path, !verb.only_reads()) => Reach::Nothing,
            _ => self.about.access.reach(actor, verb),
        }
    }

    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The fields of the API: all but the hidden.
    pub fn visible(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(|field| !field.hidden && !field.input)
    }

    /// The field that names the currency of the record's money.
    pub fn currency(&self) -> Option<&Field> {
        self.fields.iter().find(|field| field.kind == Kind::Currency)
    }

    /// The field that names the currency of some money: its own, or the record's.
    pub fn currency_of(&self, money: &Field) -> Option<&Field> {
        let own = money.currency_name().and_then(|name| self.field(&name)).filter(|field| field.kind == Kind::Currency);
        own.or_else(|| self.currency())
    }

    /// One of them, as a `target_type`: `lead_action`.
    pub fn word(&self) -> String {
        singular(self.about.table)
    }

    /// Has a read form that differs from the written one?
    pub fn expands(&self) -> bool {
        !self.about.expand.is_empty()
    }

    /// The component of the read form.
    pub fn read_name(&self) -> String {
        if self.expands() { format!("{}Read", self.name) } else { self.name.clone() }
    }

    pub fn shape(&self, form: Form, actor: &Actor) -> &Shape {
        let masked = self.about.private.iter().any(|(_, capability)| !actor.can(*capability));
        &self.shapes[2 * form as usize + usize::from(masked)]
    }

    /// May this actor see and set the field?
    pub fn is_open(&self, field: &str, actor: &Actor) -> bool {
        self.about.private.iter().all(|(name, capability)| *name != field || actor.can(*capability))
    }

    /// May this actor narrow lists by it? By what the resource names for it, if they may see that. By all else if lists of it are open to
    /// them: from others, who only look for one by its name, this would draw what is in its records.
    pub fn narrows(&self, name: &str, actor: &Actor) -> bool {
        self.is_open(name, actor) && (self.about.filter.contains(&name) || self.reach(actor, LIST) != Reach::Nothing)
    }

    /// What this actor may narrow lists by.
    pub fn filters_for(&self, actor: &Actor) -> impl Iterator<Item = &'static str> {
        self.filters.iter().copied().filter(|name| self.narrows(name, actor))
    }

    /// The SQL expression of a field, computed field or mixin column, to filter or order by.
    pub fn expression(&self, name: &str) -> Option<String> {
        let stored = self.field(name).filter(|field| field.stored()).map(|field| format!("t.{}", field.column));
        let computed =
            || self.about.computed.iter().find(|computed| computed.name == name).map(|computed| format!("({})", bind(computed.sql)));
        let mixin = || self.mixin().into_iter().find(|(mixin, ..)| *mixin == name).map(|(_, sql, _)| sql.to_owned());
        stored.or_else(computed).or_else(mixin)
    }

    /// The columns that every table of this sort has, as name, SQL and how they are written.
    pub fn mixin(&self) -> Vec<(&'static str, &'static str, Write)> {
        let plain = |name, sql| (name, sql, Write::Plain);
        let mut all =
            vec![plain("id", "t.id"), plain("uuid", "t.uuid"), plain("created_at", "t.created_at"), plain("updated_at", "t.updated_at")];
        if !matches!(self.about.scope, Scope::Members | Scope::Itself) {
            all.extend([plain("created_by", "t.created_by"), plain("updated_by", "t.updated_by")]);
        }
        if self.about.soft_delete {
            all.extend([plain("deleted_at", "t.deleted_at"), ("is_deleted", "t.deleted_at IS NOT NULL", Write::Bool)]);
        }
        all.push(plain("version", "t.version"));
        all
    }

    fn shape_of(&self, form: Form, masked: bool) -> Shape {
        let currency = self.visible().filter(|field| field.stored()).position(|field| field.kind == Kind::Currency);
        let mut columns: Vec<(&'static str, String, Write)> = vec![];
        let mixin = self.mixin();
        columns.extend(mixin.iter().take(2).map(|(name, sql, write)| (*name, (*sql).to_owned(), *write)));
        // Stored fields come right after `id` and `uuid`, so the currency's place among them is known.
        for field in self.visible().filter(|field| field.stored()) {
            let private = masked && self.about.private.iter().any(|(name, _)| *name == field.name);
            let sql = if private { "NULL".to_owned() } else { format!("t.{}", field.column) };
            let write = match field.kind {
                Kind::Bool => Write::Bool,
                Kind::Texts | Kind::Json => Write::Raw,
                Kind::Money => {
                    let own = self.currency_of(field).map(|currency| currency.name);
                    let place = self.visible().filter(|field| field.stored()).position(|field| Some(field.name) == own);
                    Write::Money(2 + place.or(currency).unwrap_or_default())
                }
                Kind::Decimal(places) => Write::Decimal(places),
                _ => Write::Plain,
            };
            columns.push((field.name, sql, write));
        }
        for field in self.visible() {
            if let Kind::Lines(table, lines) = &field.kind {
                columns.push((field.name, lines_sql(self, table, lines), Write::Raw));
            }
        }
        for computed in self.about.computed.iter().filter(|computed| !computed.detail || form != Form::List) {
            let write = match computed.output {
                Output::Bool => Write::Bool,
                Output::Json(_) => Write::Raw,
                Output::Money => Write::Money(2 + currency.unwrap_or_default()),
                _ => Write::Plain,
            };
            let private = masked && self.about.private.iter().any(|(name, _)| *name == computed.name);
            columns.push((computed.name, if private { "NULL".to_owned() } else { bind(computed.sql) }, write));
        }
        columns.extend(mixin.iter().skip(2).map(|(name, sql, write)| (*name, (*sql).to_owned(), *write)));
        let joins = if form == Form::Written { String::new() } else { self.expand(&mut columns) };
        let list: Vec<&str> = columns.iter().map(|(_, sql, _)| sql.as_str()).collect();
        let select = format!("SELECT {} FROM \"{}\" AS t{joins}", list.join(", "), self.about.table);
        let key = |index, name| format!("{}\"{name}\":", if index == 0 { '{' } else { ',' }).into_bytes();
        let columns = columns.into_iter().enumerate();
        Shape { select, columns: columns.map(|(index, (name, _, write))| Column { name, key: key(index, name), write }).collect() }
    }

    /// Shows references as the read form does, with the id beside them; answers the joins that this takes.
    fn expand(&self, columns: &mut Vec<(&'static str, String, Write)>) -> String {
        let mut joins = vec![];
        for (name, how) in self.about.expand {
            let Some(table) = self.target(name) else { continue };
            let Some((_, sql, write)) = columns.iter_mut().find(|(column, ..)| column == name) else { continue };
            let id = std::mem::take(sql);
            let (value, how) = match how {
                Expand::Label => ("x.name".to_owned(), Write::Plain),
                Expand::Text(sql) => ((*sql).to_owned(), Write::Plain),
                Expand::Object(_, members) => {
                    let members: Vec<String> = members.iter().map(|(key, sql)| format!("'{key}', {sql}")).collect();
                    (format!("json_object({})", members.join(", ")), Write::Raw)
                }
            };
            // A join, not a subquery: its cursor is opened once for a whole page.
            let alias = format!("x_{name}");
            let value = value.replace("x.", &format!("{alias}."));
            *sql = match how {
                Write::Raw => format!("CASE WHEN {alias}.id IS NOT NULL THEN {value} END"),
                _ => value,
            };
            *write = how;
            joins.push(format!(" LEFT JOIN \"{table}\" AS {alias} ON {alias}.id = {id}"));
            let key: &'static str = format!("{name}_id").leak();
            // The version stays last.
            columns.insert(columns.len() - 1, (key, id, Write::Plain));
        }
        joins.concat()
    }

    /// The table that a reference points to: a field's, one that is declared, or that of the people who created and changed the record.
    pub fn target(&self, name: &str) -> Option<&'static str> {
        match (self.field(name).map(|field| &field.kind), self.id_of(name)) {
            (Some(Kind::Reference(table)), _) => Some(table),
            (_, Some(IdOf::Table(table))) => Some(table),
            (None, _) if matches!(name, "created_by" | "updated_by") => Some("users"),
            _ => None,
        }
    }

    /// What a number is declared to be the id of.
    pub fn id_of(&self, name: &str) -> Option<IdOf> {
        self.about.ids.iter().find(|(known, _)| *known == name).map(|(_, of)| *of)
    }

    /// Names in `About` that are no field: a resource with any does not start.
    pub fn problems(&self) -> Vec<String> {
        let about = &self.about;
        let computed: Vec<&str> = about.computed.iter().map(|computed| computed.name).collect();
        let mixin: Vec<&str> = self.mixin().iter().map(|(name, ..)| *name).collect();
        let is_field = |name: &str| self.field(name).is_some();
        let is_known = |name: &str| is_field(name) || computed.contains(&name) || mixin.contains(&name);
        let mut wrong = vec![];
        let mut look = |what: &str, names: Vec<&str>, known: &dyn Fn(&str) -> bool| {
            let unknown = names.into_iter().filter(|name| !known(name));
            wrong.extend(unknown.map(|name| format!("{}: `{what}` names {name}, which is no field of it", self.name)));
        };
        look("list", about.list.to_vec(), &is_known);
        look("search", about.search.iter().map(|name| name.split('.').next().unwrap_or(name)).collect(), &is_known);
        look("filter", about.filter.to_vec(), &is_known);
        look("order", about.order.iter().map(|name| name.trim_start_matches('-')).collect(), &is_known);
        look("server_set", about.server_set.to_vec(), &is_field);
        look("hidden", about.hidden.to_vec(), &is_field);
        look("input", about.input.to_vec(), &is_field);
        look("confirmed", about.confirmed.iter().map(|(_, field)| *field).collect(), &is_field);
        look("goes_on", about.goes_on.to_vec(), &is_field);
        look("private", about.private.iter().map(|(name, _)| *name).collect(), &|name| is_field(name) || computed.contains(&name));
        look("lines", about.lines.iter().map(|(name, _)| *name).collect(), &|name| {
            self.field(name).is_some_and(|field| matches!(field.kind, Kind::Lines(..)))
        });
        look("expand", about.expand.iter().map(|(name, _)| *name).collect(), &|name| self.target(name).is_some());
        look("ids", about.ids.iter().map(|(name, _)| *name).collect(), &is_known);
        let words = about.ids.iter().filter_map(|(_, of)| if let IdOf::Word(field) = of { Some(*field) } else { None });
        look("ids", words.collect(), &is_field);
        look("aliases", about.aliases.iter().map(|(name, ..)| *name).collect(), &is_field);
        look("self_service", about.self_service.to_vec(), &is_field);
        look("work", about.work.iter().map(|work| work.of).collect(), &|name| self.target(name) == Some("users"));
        look("groups", about.groups.iter().flat_map(|(_, names)| names.iter().copied()).collect(), &is_known);
        look("totals_by", about.totals_by.to_vec(), &|name| self.field(name).is_some_and(|field| matches!(field.kind, Kind::Choice(_))));
        let taken = about.filter.iter().filter(|name| TAKEN.contains(name));
        wrong.extend(taken.map(|name| format!("{}: `filter` names {name}, by which lists are asked for something else", self.name)));
        let money = self.fields.iter().any(|field| field.kind == Kind::Money);
        if money && !self.fields.iter().any(|field| field.kind == Kind::Currency) {
            wrong.push(format!("{}: has money but no currency", self.name));
        }
        wrong
    }

    /// The tables that answers about the resource depend on.
    pub fn tables(&self, catalog: &Catalog) -> &[String] {
        self.tables.get_or_init(|| {
            let sql = self.sql();
            let references =
                self.fields.iter().filter_map(|field| if let Kind::Reference(table) = field.kind { Some(table) } else { None });
            // Who is a member decides which people there are to refer to.
            let mut tables = catalog.named(&sql);
            tables.extend(references.chain(["memberships"]).filter(|table| !catalog.columns(table).is_empty()));
            tables.into_iter().map(str::to_owned).collect()
        })
    }

    /// Does what is shown depend on who asks?
    pub fn knows_caller(&self) -> bool {
        self.about.computed.iter().any(|computed| computed.sql.contains(":me"))
            || self.about.filter_by.iter().any(|(_, sql)| sql.contains(":me"))
            || matches!(self.about.scope, Scope::Attached(_))
    }

    /// All SQL that reading the resource may run, to find the tables that its answers depend on.
    pub fn sql(&self) -> String {
        let filters = self.about.filter_by.iter().map(|(_, sql)| *sql).chain(self.about.usual.map(|(_, sql)| sql));
        let shapes = self.shapes.iter().map(|shape| shape.select.as_str());
        let targets = match self.about.scope {
            Scope::Attached(what) => targets(what).flat_map(|d| [d.about.table, d.about.own]).collect(),
            _ => vec![],
        };
        shapes.chain(filters).chain([self.about.own, self.about.label]).chain(targets).collect::<Vec<_>>().join("\n")
    }

    /// 404 in DRF's words, which names the model: `StaffProfile`.
    pub fn missing(&self) -> Error {
        let capital = |word: &str| word[..1].to_ascii_uppercase() + &word[1..];
        let model: String = self.words.split(' ').map(capital).collect();
        Error::NotFound(format!("No {model} matches the given query.").into())
    }
}

fn parse<R: ParseFromJSON>(record: Record) -> Result<R> {
    R::parse_from_json(Some(Json::Object(record))).map_err(|error| Error::whole(error.into_message()))
}

fn record_of<R: ToJSON>(record: &R) -> Record {
    match record.to_json() {
        Some(Json::Object(record)) => record,
        _ => Record::new(),
    }
}

/// A record as its type.
pub fn typed<R: Resource>(record: Record) -> Result<R> {
    parse(record)
}
