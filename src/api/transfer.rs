//! Lists as files, and files as records, stamped for each resource.

use poem::{Request, Result, web::Query};
use poem_openapi::OpenApi;

use super::{crud::options, imports::ImportReport};
use crate::{
    auth::gate::{Caller, Uploader},
    engine::{
        descriptor::Descriptor,
        query::{Pages, Parameters},
        reply::{Begun, ExportFile, Template},
        upload::Sheet,
        verbs,
    },
};

/// One resource's exports and imports.
pub struct Transfer {
    pub resource: &'static Descriptor,
    pub pages: Pages,
}

#[OpenApi]
impl Transfer {
    /// Export records
    ///
    /// All records of the list, not a page of it, as CSV, JSON, one JSON object per line, or XLSX; sent as they are read. In CSV and
    /// XLSX, the headings are the fields' titles; a reference has a column with what it is called and one with its id. In CSV, a text
    /// that programs would take for a formula has an apostrophe before it.
    #[oai(path = "/export", method = "get", operation_id = "export_retrieve")]
    async fn export(&self, caller: Caller, parameters: Query<Parameters>) -> Result<ExportFile> {
        Ok(verbs::export(&caller, self.resource, &parameters.0, self.pages).await?)
    }

    /// Import records
    ///
    /// A CSV or XLSX file, whose headings are fields by name or title. A line with an `id` or `uuid`, or with the value of `key`
    /// that a live record has, changes that record: an empty cell empties its field. All other lines are new: there an empty cell
    /// leaves the default. References are given by id, uuid or what they are called. Each line stands or falls alone, unless
    /// `atomic=true`. Up to 1,000 lines, the answer is the whole report; above, it comes at once, and `Location` says where to ask on.
    #[oai(path = "/import", method = "post", operation_id = "import_create")]
    async fn import(
        &self,
        uploader: Uploader,
        request: &Request,
        parameters: Query<Parameters>,
        sheet: Sheet,
    ) -> Result<Begun<ImportReport>> {
        Ok(verbs::take_in(uploader, self.resource, &parameters.0, sheet, options(request, &parameters.0)).await?)
    }

    /// ExportFile a template for importing records
    ///
    /// The headings of what can be set, required ones first. In XLSX these are bold, and each heading says what its column takes.
    #[oai(path = "/import/template", method = "get", operation_id = "import_template_retrieve")]
    async fn template(&self, caller: Caller, parameters: Query<Parameters>) -> Result<Template> {
        Ok(verbs::template(&caller, self.resource, &parameters.0).await?)
    }
}
