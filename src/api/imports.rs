//! How far imports have come.

use poem::{Request, Result};
use poem_openapi::{
    Enum, Object, OpenApi,
    param::{Path, Query},
};

use super::crud::slashed;
use crate::{
    auth::gate::Caller,
    engine::{query::Pages, reply::Reply, verbs},
    kit::DateTime,
};

/// How an import stands.
#[derive(Enum)]
#[oai(rename_all = "snake_case", rename = "ImportStatusEnum")]
pub enum ImportStatus {
    /// It is under way.
    Running,
    /// All lines were looked at; those without errors are stored, unless it was a dry run.
    Done,
    /// It was to be all or nothing and had errors, or it could not go on.
    Failed,
    /// The server stopped on the way. What was done by then is stored.
    Interrupted,
}

/// An import and how far it has come.
#[derive(Object)]
pub struct ImportSummary {
    /// Its number.
    pub id: i64,
    /// What was imported: `field/leads`.
    pub resource: String,
    /// How it stands.
    pub status: ImportStatus,
    /// Whether nothing was to be stored.
    pub dry_run: bool,
    /// Whether all lines were to be stored or none.
    pub atomic: bool,
    /// Lines of the file, without its headings and empty lines.
    pub total: u32,
    /// Lines that were looked at.
    pub done: u32,
    /// New records; on a dry run, those that would be.
    pub created: u32,
    /// Records that a line was about; on a dry run, those that would be changed.
    pub updated: u32,
    /// Lines that were refused.
    pub failed: u32,
    /// When it began.
    pub created_at: DateTime,
    /// When it last went on.
    pub updated_at: DateTime,
    /// The id of the person whose import it is.
    pub created_by: Option<i64>,
    /// Columns that were not looked at: those that nobody sets, and those that are not known.
    pub ignored_columns: Vec<String>,
    /// Whether there are more errors than the report holds.
    pub errors_cut: bool,
}

/// An import, how far it has come, and what is wrong with its lines.
#[derive(Object)]
pub struct ImportReport {
    /// How far it has come.
    #[oai(flatten)]
    pub import: ImportSummary,
    /// What is wrong, by line and column: the first 1,000.
    pub errors: Vec<ImportError>,
}

/// What is wrong with one cell or line.
#[derive(Object)]
pub struct ImportError {
    /// The line in the file, the headings being line 1; none for the file as a whole.
    pub row: Option<u32>,
    /// The column's heading, as it stands in the file; none for the line as a whole.
    pub column: Option<String>,
    /// What is wrong.
    pub messages: Vec<String>,
}

/// A page of imports.
#[derive(Object)]
#[oai(rename = "PaginatedImportSummaryList")]
pub struct ImportPage {
    /// How many there are.
    pub count: u32,
    /// The next page.
    pub next: Option<String>,
    /// The page before.
    pub previous: Option<String>,
    /// The imports of this page.
    pub results: Vec<ImportSummary>,
}

/// Reading how imports stand.
pub struct Imports(pub Pages);

#[OpenApi]
impl Imports {
    /// List imports
    ///
    /// The caller's own, newest first; whoever runs the business sees all of it. Their errors stand in each report.
    #[oai(path = "/imports", method = "get", operation_id = "imports_list")]
    async fn list(
        &self,
        caller: Caller,
        request: &Request,
        /// A page number within the paginated result set.
        page: Query<Option<String>>,
        /// Number of results to return per page.
        page_size: Query<Option<String>>,
    ) -> Result<Reply<ImportPage>> {
        let named = [("page", page.0), ("page_size", page_size.0)];
        let parameters = named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
        Ok(verbs::imports(&caller, &slashed(request), &parameters, self.0)?)
    }

    /// Read the report of an import
    ///
    /// While it is `running`, `done` of `total` says how far it is.
    #[oai(path = "/imports/:id", method = "get", operation_id = "imports_retrieve")]
    async fn read(&self, caller: Caller, id: Path<String>) -> Result<Reply<ImportReport>> {
        Ok(verbs::import(&caller, &id.0)?)
    }
}
