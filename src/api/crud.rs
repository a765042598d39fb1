//! The operations of every resource, written once and stamped for each (`stamp`).

use poem::{Request, Result, web::Query};
use poem_openapi::{OpenApi, param::Path};

use crate::{
    auth::gate::Caller,
    engine::{
        Options,
        body::{Body, Input},
        descriptor::Descriptor,
        query::{Pages, Parameters, flag},
        reply::{AnyPage, AnyPatch, AnyRecord, AnyRecordRead, HistoryPage, MinimalPage, NoContent, Reply},
        validate::Mode,
        verbs::{self, ListRequest, Listing, Revert},
    },
};

/// One resource's operations.
pub struct Crud {
    pub resource: &'static Descriptor,
    pub pages: Pages,
}

#[OpenApi]
impl Crud {
    /// List records
    ///
    /// A page of the records that the caller may see.
    #[oai(path = "/", method = "get", operation_id = "list")]
    async fn list(&self, caller: Caller, request: &Request, parameters: Query<Parameters>) -> Result<Reply<AnyPage>> {
        Ok(verbs::list(&caller, self.resource, self.list_request(request, parameters.0), Listing::Live).await?)
    }

    /// Create a record
    #[oai(path = "/", method = "post", operation_id = "create")]
    async fn create(
        &self,
        caller: Caller,
        request: &Request,
        parameters: Query<Parameters>,
        body: Body<AnyRecord>,
    ) -> Result<Reply<AnyRecord, 201>> {
        Ok(verbs::create(&caller, self.resource, body.0, options(request, &parameters.0)).await?)
    }

    /// List deleted records
    ///
    /// For those who run the business.
    #[oai(path = "/deleted", method = "get", operation_id = "deleted_list")]
    async fn deleted(&self, caller: Caller, request: &Request, parameters: Query<Parameters>) -> Result<Reply<AnyPage>> {
        Ok(verbs::list(&caller, self.resource, self.list_request(request, parameters.0), Listing::Deleted).await?)
    }

    /// List ids and labels of records
    ///
    /// What a picker needs: id, uuid and what the record is called.
    #[oai(path = "/minimal", method = "get", operation_id = "minimal_list")]
    async fn minimal(&self, caller: Caller, request: &Request, parameters: Query<Parameters>) -> Result<Reply<MinimalPage>> {
        Ok(verbs::list(&caller, self.resource, self.list_request(request, parameters.0), Listing::Minimal).await?)
    }

    /// Read a record
    #[oai(path = "/:id", method = "get", operation_id = "retrieve")]
    async fn read(&self, caller: Caller, request: &Request, id: Path<String>) -> Result<Reply<AnyRecordRead>> {
        Ok(verbs::read(&caller, self.resource, &id.0, header(request, "if-none-match"))?)
    }

    /// Replace a record
    ///
    /// Required fields must be there; optional ones that are left out keep their value.
    #[oai(path = "/:id", method = "put", operation_id = "update")]
    async fn update(
        &self,
        caller: Caller,
        request: &Request,
        parameters: Query<Parameters>,
        id: Path<String>,
        body: Body<AnyRecord>,
    ) -> Result<Reply<AnyRecord>> {
        Ok(verbs::update(&caller, self.resource, id.0, body.0, Mode::Whole, options(request, &parameters.0)).await?)
    }

    /// Change a record
    ///
    /// Only what is sent is changed.
    #[oai(path = "/:id", method = "patch", operation_id = "partial_update")]
    async fn partial_update(
        &self,
        caller: Caller,
        request: &Request,
        parameters: Query<Parameters>,
        id: Path<String>,
        body: Body<AnyPatch>,
    ) -> Result<Reply<AnyRecord>> {
        Ok(verbs::update(&caller, self.resource, id.0, body.0, Mode::Partial, options(request, &parameters.0)).await?)
    }

    /// Delete a record
    ///
    /// It can be restored. Refused while live records of other kinds point to it.
    #[oai(path = "/:id", method = "delete", operation_id = "destroy")]
    async fn delete(&self, caller: Caller, request: &Request, parameters: Query<Parameters>, id: Path<String>) -> Result<NoContent> {
        verbs::delete(&caller, self.resource, id.0, options(request, &parameters.0)).await?;
        Ok(NoContent)
    }

    /// Restore a deleted record
    #[oai(path = "/:id/restore", method = "post", operation_id = "restore_create")]
    async fn restore(&self, caller: Caller, id: Path<String>) -> Result<Reply<AnyRecord>> {
        Ok(verbs::restore(&caller, self.resource, id.0).await?)
    }

    /// Take a record back to an entry of its history
    ///
    /// A change like any other, by the caller's rights and the rules, and itself part of the history.
    #[oai(path = "/:id/revert", method = "post", operation_id = "revert_create")]
    async fn revert(
        &self,
        caller: Caller,
        request: &Request,
        parameters: Query<Parameters>,
        id: Path<String>,
        body: Input<Revert>,
    ) -> Result<Reply<AnyRecord>> {
        Ok(verbs::revert(&caller, self.resource, id.0, body, options(request, &parameters.0)).await?)
    }

    /// Read the history of a record
    ///
    /// Who changed it and when, with each field before and after; newest first.
    #[oai(path = "/:id/history", method = "get", operation_id = "history_list")]
    async fn history(
        &self,
        caller: Caller,
        request: &Request,
        parameters: Query<Parameters>,
        id: Path<String>,
    ) -> Result<Reply<HistoryPage>> {
        Ok(verbs::history(&caller, self.resource, &id.0, &self.list_request(request, parameters.0))?)
    }
}

impl Crud {
    fn list_request(&self, request: &Request, parameters: Parameters) -> ListRequest {
        list_request(request, parameters, self.pages)
    }
}

pub(super) fn list_request(request: &Request, parameters: Parameters, pages: Pages) -> ListRequest {
    ListRequest {
        parameters,
        path: slashed(request),
        if_none_match: header(request, "if-none-match").map(str::to_owned),
        pages,
        patience: request.extensions().get().copied(),
    }
}

/// The path of a request, as links name it.
pub(super) fn slashed(request: &Request) -> String {
    let mut path = request.original_uri().path().to_owned();
    if !path.ends_with('/') {
        path.push('/');
    }
    path
}

pub(super) fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.headers().get(name).and_then(|value| value.to_str().ok())
}

pub(super) fn options(request: &Request, parameters: &Parameters) -> Options {
    Options { strict: flag(parameters, "strict"), if_match: verbs::if_match(header(request, "if-match")), internal: false }
}
