//! The documents of requisitions, under the names that older clients know: files that are attached to them.

use poem_openapi::{OpenApi, param::Path};

use super::files::attach;
use crate::{
    auth::gate::{Caller, Uploader},
    db::Writer,
    engine::{
        DELETE, READ, descriptor,
        reply::{NoContent, Reply},
        upload::Upload,
        verbs,
    },
    error::Error,
    resources::{finance::Requisition, shared::File},
    storage::Storage,
};

/// The documents of requisitions.
pub struct Documents(pub Storage);

#[OpenApi]
impl Documents {
    /// Attach a document to a requisition
    ///
    /// Whoever asks may do so, and those who keep the books. As attaching a file is: a form with one part `file`, or the bytes themselves.
    #[oai(
        path = "/finance/requisitions/:id/upload_document",
        method = "post",
        operation_id = "finance_requisitions_upload_document_create"
    )]
    async fn upload(&self, uploader: Uploader, id: Path<String>, body: Upload) -> poem::Result<Reply<File, 201>> {
        attach(descriptor::of::<Requisition>(), &self.0, uploader, id.0, body).await
    }

    /// Delete a document of a requisition
    ///
    /// Whoever attached it may do so, and managers and administrators.
    #[oai(path = "/finance/requisitions/:id/documents/:doc_id", method = "delete", operation_id = "finance_requisitions_documents_destroy")]
    async fn delete(&self, caller: Caller, id: Path<String>, doc_id: Path<String>) -> poem::Result<NoContent> {
        verbs::allowed::<Requisition>(&caller.actor, READ)?;
        let work = move |tx: &mut Writer<'_>| {
            let requisition = verbs::find::<Requisition>(tx, tx.actor(), &id.0, READ)?;
            let file = verbs::find::<File>(tx, tx.actor(), &doc_id.0, DELETE)?;
            let sql = "SELECT 1 FROM files WHERE id = ?1 AND target_type = ?2 AND target_id = ?3";
            let word = descriptor::of::<Requisition>().word();
            if !tx.exists(sql, &[file.into(), word.into(), requisition.into()])? {
                return Err(Error::not_found());
            }
            verbs::remove::<File>(tx, file)
        };
        caller.write(work).await?;
        Ok(NoContent)
    }
}
