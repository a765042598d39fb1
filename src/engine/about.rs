//! What a resource declares besides its fields: one constant and, where it has rules, a few functions.

use poem_openapi::{
    registry::{MetaSchema, MetaSchemaRef},
    types::{ParseFromJSON, ToJSON},
};
use serde_json::{Map, Value as Json};

use super::access::{Access, Verbs};
use crate::{actor::Capability, db::Writer, error::Result, kit::Target};

/// A kind of record that the program keeps: a struct whose fields are the columns, and what is said about it here.
///
/// SQL in `About` sees the row as `t` and may use `:business`, `:me` (the caller's user id) and `:today` (the business's day). There
/// is no "now": what is shown changes with a commit or with the day, so that an `ETag` can tell.
pub trait Resource: ParseFromJSON + ToJSON + Send + 'static {
    const ABOUT: About;

    /// What is sent, before it is read as fields: older names of them, the currency that amounts are in. `before` is the record as it
    /// stands; `None` while it is being created.
    fn prepare(_input: &mut Map<String, Json>, _before: Option<&Map<String, Json>>, _tx: &Writer<'_>) -> Result<()> {
        Ok(())
    }

    /// Rules over the whole, typed record before it is stored; may fill in what the server sets.
    fn check(&mut self, _change: &Change<'_, '_, Self>) -> Result<()>
    where
        Self: Sized,
    {
        Ok(())
    }

    /// What follows from a change that was stored: other rows of the same transaction.
    fn after(&self, _id: i64, _before: Option<&Self>, _tx: &mut Writer<'_>) -> Result<()>
    where
        Self: Sized,
    {
        Ok(())
    }

    /// Rules against deleting the record.
    fn deleting(&self, _id: i64, _tx: &mut Writer<'_>) -> Result<()> {
        Ok(())
    }
}

impl<R: Resource> Target for R {
    const TABLE: &'static str = R::ABOUT.table;
}

/// A change that is about to be stored.
pub struct Change<'a, 'w, R> {
    pub tx: &'a Writer<'w>,
    /// `None` while it is being created.
    pub id: Option<i64>,
    /// The record as it stands.
    pub before: Option<&'a R>,
    pub options: Options,
}

/// What a caller asked for beside the fields.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// `?strict=1`: warnings become refusals.
    pub strict: bool,
    /// `If-Match`: the version that the caller has read.
    pub if_match: Option<i64>,
    /// The program itself changes what the server sets.
    pub internal: bool,
}

/// The constant of a resource.
pub struct About {
    /// Below `/api/`: `field/leads`.
    pub path: &'static str,
    pub table: &'static str,
    /// SQL for what a record is called in references and `minimal/`.
    pub label: &'static str,
    /// Columns of the admin's list.
    pub list: &'static [&'static str],
    /// Fields that `search=` looks through; `zone.name` looks through a reference.
    pub search: &'static [&'static str],
    /// What lists are narrowed by before all else: people are offered it first. All other fields of the API can be filtered by as well,
    /// computed ones and those that every table has only if they are named here.
    pub filter: &'static [&'static str],
    /// Filters with SQL of their own, in which `= ?` compares with the value.
    pub filter_by: &'static [(&'static str, &'static str)],
    /// Other names of filters: `min_due` for `amount_due__gte`.
    pub filter_as: &'static [(&'static str, &'static str)],
    /// Lists show only rows for which this SQL holds, unless one of these parameters is sent; the value `all` asks for everything.
    pub usual: Option<(&'static [&'static str], &'static str)>,
    /// Fields that can be ordered by; the first is the default, `-` means descending.
    pub order: &'static [&'static str],
    /// Fields that only the program sets: read-only for clients.
    pub server_set: &'static [&'static str],
    /// Fields of rows that the server works out, by the field that has the rows: nobody is asked for them.
    pub worked_out: &'static [(&'static str, &'static str)],
    /// A unique field that clients give: what the same person sends again under the same value is stored once, and answered as it is.
    pub resent: Option<&'static str>,
    /// Fields that clients never see.
    pub hidden: &'static [&'static str],
    /// Fields that are asked for and not kept; the resource's rules make something of them. They are no columns.
    pub input: &'static [&'static str],
    /// Members that a client may send as long as they say what the program works out itself: theirs, and the field that it must equal.
    pub confirmed: &'static [(&'static str, &'static str)],
    /// Fields that go on by what the program does, though somebody may set them: taking a record back to how it was leaves them.
    pub goes_on: &'static [&'static str],
    /// Fields that only callers with the capability see or set, and computed ones that only they see; one capability for all of a resource.
    pub private: &'static [(&'static str, Capability)],
    pub computed: &'static [Computed],
    /// Tables of rows that belong to a record, by field, where it is not the one that their type names: documents of several kinds have
    /// the same items.
    pub lines: &'static [(&'static str, &'static str)],
    /// References that the read form shows as more than an id.
    pub expand: &'static [(&'static str, Expand)],
    /// Fields and computed fields whose number is the id of a record, and of which: people are shown what it is called.
    pub ids: &'static [(&'static str, IdOf)],
    /// Values of a choice that older clients send: field, theirs, ours.
    pub aliases: &'static [(&'static str, &'static str, &'static str)],
    pub access: Access,
    /// SQL for "this row is the caller's own".
    pub own: &'static str,
    /// Fields that a caller who may only update own rows may change; none named means all.
    pub self_service: &'static [&'static str],
    /// Tables whose rows are deleted with this one.
    pub cascade: &'static [&'static str],
    /// Tables whose rows may go on pointing to this one after it was deleted; all others forbid deleting it.
    pub kept_by: &'static [&'static str],
    /// Which rows the business has at all.
    pub scope: Scope,
    /// Rows are marked as deleted and can be restored; otherwise there is no deleting.
    pub soft_delete: bool,
    /// Offered for reading only: there are no operations that write.
    pub read_only: bool,
    /// Its records can be commented on by whoever may read them.
    pub comments: bool,
    /// Files can be attached to its records by whoever may change them.
    pub files: bool,
    /// What somebody has to do: it is to be handed over when they leave.
    pub work: Option<Work>,
    /// What can be done with a record beside changing it: the operations `POST .../{id}/{name}/` that people use.
    pub actions: &'static [Action],
    /// Several that turned out to be the same become one, by `POST .../merge/`; the right that it takes.
    pub merge: Option<Verbs>,
    /// Fields that belong together, under a title: so they stand in forms and on the page of a record. What is named in none finds its place
    /// by its kind.
    pub groups: &'static [(&'static str, &'static [&'static str])],
    /// Fields that say which way an amount goes, or of what sort it is: what is earned is not added to what is spent, and totals are told
    /// for each of their values apart.
    pub totals_by: &'static [&'static str],
    /// What is worth a look at the start of the day.
    pub figures: &'static [Figure],
    /// What is shown of its records at a glance.
    pub charts: &'static [Chart],
}

impl About {
    pub const DEFAULT: Self = Self {
        path: "",
        table: "",
        label: "t.name",
        list: &[],
        search: &[],
        filter: &[],
        filter_by: &[],
        filter_as: &[],
        usual: None,
        order: &["-created_at"],
        server_set: &[],
        worked_out: &[],
        resent: None,
        hidden: &[],
        input: &[],
        confirmed: &[],
        goes_on: &[],
        private: &[],
        computed: &[],
        lines: &[],
        expand: &[],
        ids: &[],
        aliases: &[],
        access: Access::deny(),
        own: "FALSE",
        self_service: &[],
        cascade: &[],
        kept_by: &[],
        scope: Scope::Business,
        soft_delete: true,
        read_only: false,
        comments: false,
        files: false,
        work: None,
        actions: &[],
        merge: None,
        groups: &[],
        totals_by: &[],
        figures: &[],
        charts: &[],
    };
}

/// An operation on one record, as it is offered to people. Whether it is carried out is for the operation to say.
#[derive(Debug, Clone, Copy)]
pub struct Action {
    /// The last part of its path: `check-in`.
    pub name: &'static str,
    /// SQL for "it can be done with this row now".
    pub when: &'static str,
    /// People are asked first.
    pub confirm: bool,
    /// It destroys something, or ends it for good: its button warns.
    pub danger: bool,
    /// For those only who run the business.
    pub managers: bool,
    /// For administrators only.
    pub administrators: bool,
}

impl Action {
    pub const fn new(name: &'static str, when: &'static str) -> Self {
        Self { name, when, confirm: false, danger: false, managers: false, administrators: false }
    }
    /// Asked about first.
    pub const fn confirmed(mut self) -> Self {
        self.confirm = true;
        self
    }
    /// Asked about first, with a warning: nothing brings back what it takes away.
    pub const fn destructive(mut self) -> Self {
        (self.confirm, self.danger) = (true, true);
        self
    }
    /// For managers and administrators.
    pub const fn for_managers(mut self) -> Self {
        self.managers = true;
        self
    }
    /// For administrators.
    pub const fn for_administrators(mut self) -> Self {
        self.administrators = true;
        self
    }
}

/// How many records fulfil something, and what they come to. Queries are a list's query parameters, in which `:today` is the business's
/// day and `:me` the caller's user id.
#[derive(Debug, Clone, Copy)]
pub struct Figure {
    pub words: &'static str,
    pub query: &'static str,
    /// The amount that is added up.
    pub total: Option<&'static str>,
    /// They wait for the caller to do something.
    pub waits: bool,
    /// The operation below the resource that answers them, where no filter does: `pending/`.
    pub at: Option<&'static str>,
}

impl Figure {
    pub const fn new(words: &'static str, query: &'static str) -> Self {
        Self { words, query, total: None, waits: false, at: None }
    }
    /// With what they come to.
    pub const fn sum(mut self, total: &'static str) -> Self {
        self.total = Some(total);
        self
    }
    /// They wait for the caller.
    pub const fn waiting(mut self) -> Self {
        self.waits = true;
        self
    }
    /// Answered by an operation of its own.
    pub const fn at(mut self, operation: &'static str) -> Self {
        self.at = Some(operation);
        self
    }
}

/// Records at a glance.
#[derive(Debug, Clone, Copy)]
pub struct Chart {
    pub title: &'static str,
    pub bars: Bars,
}

/// What the bars of a chart stand for; queries are as in `Figure`.
#[derive(Debug, Clone, Copy)]
pub enum Bars {
    /// How many records have which value of a field, among those of the query.
    Values(&'static str, &'static str),
    /// What an amount came to in each of the last twelve months, for each of some queries with its words.
    Months(&'static str, &'static [(&'static str, &'static str)]),
    /// What an amount comes to by how long ago a date was, among those of the query: amount, date, query.
    Ages(&'static str, &'static str, &'static str),
}

/// What a number is the id of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdOf {
    /// A record of this table.
    Table(&'static str),
    /// A record of the kind whose word stands in this field: `invoice`.
    Word(&'static str),
}

/// Records that are somebody's work.
#[derive(Debug, Clone, Copy)]
pub struct Work {
    /// The field that names whose.
    pub of: &'static str,
    /// SQL for "there is something left to do".
    pub open: &'static str,
}

/// Which rows of a table belong to the active business.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Those with its `business_id`.
    Business,
    /// People: those who joined it and whose membership has not ended.
    Members,
    /// Itself: its row in `businesses`.
    Itself,
    /// Those with its `business_id` that are about a record which the caller may read: they name it by `target_type` and `target_id`.
    Attached(Attachment),
}

/// What can be attached to records of other resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attachment {
    Comments,
    Files,
}

impl Attachment {
    /// Do the records of this resource take it?
    pub const fn is_taken_by(self, about: &About) -> bool {
        match self {
            Self::Comments => about.comments,
            Self::Files => about.files,
        }
    }
}

/// A field that is worked out by the database whenever a record is read.
pub struct Computed {
    pub name: &'static str,
    pub sql: &'static str,
    /// Becomes the description in the API's documents.
    pub doc: &'static str,
    pub output: Output,
    /// Only shown when one record is read, not in lists.
    pub detail: bool,
}

/// The JSON of a computed field.
#[derive(Clone, Copy)]
pub enum Output {
    Bool,
    Integer,
    Number,
    Text,
    /// One of these names.
    Choice(&'static [&'static str]),
    DateTime,
    /// Minor units of the record's currency.
    Money,
    /// The SQL answers JSON; the function gives its schema.
    Json(fn() -> MetaSchemaRef),
}

impl Computed {
    pub const fn new(name: &'static str, output: Output, sql: &'static str, doc: &'static str) -> Self {
        Self { name, sql, doc, output, detail: false }
    }
    pub const fn bool(name: &'static str, sql: &'static str, doc: &'static str) -> Self {
        Self::new(name, Output::Bool, sql, doc)
    }
    pub const fn integer(name: &'static str, sql: &'static str, doc: &'static str) -> Self {
        Self::new(name, Output::Integer, sql, doc)
    }
    pub const fn text(name: &'static str, sql: &'static str, doc: &'static str) -> Self {
        Self::new(name, Output::Text, sql, doc)
    }
    pub const fn choice(name: &'static str, names: &'static [&'static str], sql: &'static str, doc: &'static str) -> Self {
        Self::new(name, Output::Choice(names), sql, doc)
    }
    pub const fn money(name: &'static str, sql: &'static str, doc: &'static str) -> Self {
        Self::new(name, Output::Money, sql, doc)
    }
    /// Shown on one record only.
    pub const fn on_detail(mut self) -> Self {
        self.detail = true;
        self
    }
}

/// How the read form shows a reference; the id stands beside it as `<field>_id`.
#[derive(Clone, Copy)]
pub enum Expand {
    /// The target's name.
    Label,
    /// A text, by SQL over `x`.
    Text(&'static str),
    /// An object: the component's name, and key and SQL (over `x`) of each member.
    Object(&'static str, &'static [(&'static str, &'static str)]),
}

/// Schemas for `Output::Json`.
pub mod schema {
    use super::{MetaSchema, MetaSchemaRef};

    /// A list of a component.
    pub fn list_of(component: &str) -> MetaSchemaRef {
        let items = Some(Box::new(MetaSchemaRef::Reference(component.to_owned())));
        MetaSchemaRef::Inline(Box::new(MetaSchema { items, ..MetaSchema::new("array") }))
    }

    /// A list of objects with these members, each with the name of its type.
    pub fn list_of_objects(members: &[(&'static str, &'static str)]) -> MetaSchemaRef {
        let member = |(name, ty): &(&'static str, &'static str)| (*name, MetaSchemaRef::Inline(Box::new(MetaSchema::new(ty))));
        let object = MetaSchema { properties: members.iter().map(member).collect(), ..MetaSchema::new("object") };
        let items = Some(Box::new(MetaSchemaRef::Inline(Box::new(object))));
        MetaSchemaRef::Inline(Box::new(MetaSchema { items, ..MetaSchema::new("array") }))
    }

    /// Any object.
    pub fn object() -> MetaSchemaRef {
        MetaSchemaRef::Inline(Box::new(MetaSchema::new("object")))
    }
}
