//! Many records in one request, stamped for each resource.

use poem::{Request, Result, web::Query};
use poem_openapi::{Object, OpenApi, types::Any};
use serde_json::Value as Json;

use super::crud::options;
use crate::{
    auth::gate::Caller,
    engine::{
        body::Body,
        descriptor::Descriptor,
        query::{Parameters, flag},
        reply::{AnyBulkCreate, AnyBulkUpdate, Reply},
        verbs,
    },
};

/// What became of a request for many records.
#[derive(Object)]
pub struct BulkOutcome {
    /// Whether all were to be done or none.
    pub atomic: bool,
    /// How many were done.
    pub done: u32,
    /// How many were refused; with `atomic`, one is enough for none to be done.
    pub failed: u32,
    /// What became of each, in the order they were sent.
    pub results: Vec<BulkResult>,
}

/// What became of one record.
#[derive(Object)]
pub struct BulkResult {
    /// Its place in the request, from 0.
    pub index: u32,
    /// Its id, if it has one and was named by it.
    pub id: Option<i64>,
    /// Whether it could be done.
    pub ok: bool,
    /// Why not: the status that it would have got alone.
    pub status: Option<u16>,
    /// Why not: the body that it would have got alone.
    pub errors: Option<Any<Json>>,
}

/// Records by their ids.
#[derive(Object)]
pub struct BulkIds {
    /// Ids or uuids, at most 500.
    #[oai(validator(max_items = 500))]
    pub ids: Vec<Any<Json>>,
}

/// One resource's operations on many records.
pub struct Bulk {
    pub resource: &'static Descriptor,
}

#[OpenApi]
impl Bulk {
    /// Create many records
    ///
    /// At most 500. Each stands or falls alone, unless `atomic=true`.
    #[oai(path = "/bulk_create", method = "post", operation_id = "bulk_create_create")]
    async fn bulk_create(
        &self,
        caller: Caller,
        request: &Request,
        parameters: Query<Parameters>,
        body: Body<AnyBulkCreate>,
    ) -> Result<Reply<BulkOutcome>> {
        self.bulk(caller, verbs::Bulk::Create, request, &parameters.0, body).await
    }

    /// Change many records
    ///
    /// The same fields for all (`ids` and `set`), or its own for each (`items`, each with its `id` and, to be refused when somebody
    /// changed it meanwhile, its `version`). At most 500. Each stands or falls alone, unless `atomic=true`.
    #[oai(path = "/bulk_update", method = "post", operation_id = "bulk_update_create")]
    async fn bulk_update(
        &self,
        caller: Caller,
        request: &Request,
        parameters: Query<Parameters>,
        body: Body<AnyBulkUpdate>,
    ) -> Result<Reply<BulkOutcome>> {
        self.bulk(caller, verbs::Bulk::Update, request, &parameters.0, body).await
    }

    /// Delete many records
    ///
    /// At most 500. They can be restored. Each stands or falls alone, unless `atomic=true`.
    #[oai(path = "/bulk_delete", method = "post", operation_id = "bulk_delete_create")]
    async fn bulk_delete(
        &self,
        caller: Caller,
        request: &Request,
        parameters: Query<Parameters>,
        body: Body<BulkIds>,
    ) -> Result<Reply<BulkOutcome>> {
        self.bulk(caller, verbs::Bulk::Delete, request, &parameters.0, body).await
    }

    /// Restore many deleted records
    ///
    /// At most 500; for those who run the business. Each stands or falls alone, unless `atomic=true`.
    #[oai(path = "/bulk_restore", method = "post", operation_id = "bulk_restore_create")]
    async fn bulk_restore(
        &self,
        caller: Caller,
        request: &Request,
        parameters: Query<Parameters>,
        body: Body<BulkIds>,
    ) -> Result<Reply<BulkOutcome>> {
        self.bulk(caller, verbs::Bulk::Restore, request, &parameters.0, body).await
    }
}

impl Bulk {
    async fn bulk<S>(
        &self,
        caller: Caller,
        what: verbs::Bulk,
        request: &Request,
        parameters: &Parameters,
        body: Body<S>,
    ) -> Result<Reply<BulkOutcome>> {
        Ok(verbs::bulk(&caller, self.resource, what, body.0, flag(parameters, "atomic"), options(request, parameters)).await?)
    }
}
