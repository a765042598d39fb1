//! What is said about a record, stamped for each resource that can be talked about.

use poem::{Request, Result, web::Query};
use poem_openapi::{Object, OpenApi, param::Path};
use serde_json::Value as Json;

use super::crud::{list_request, options};
use crate::{
    auth::gate::Caller,
    engine::{
        body::Body,
        descriptor::{self, Descriptor},
        query::{Pages, Parameters},
        reply::{PageOf, Reply},
        verbs::{self, Listing},
    },
    resources::shared::Comment,
};

/// What is said about a record.
#[derive(Object)]
pub struct NewComment {
    /// What is said; `@username` mentions a member of the business.
    #[oai(validator(max_length = 5000))]
    pub content: String,
    /// The id of the comment that this one answers; an answer itself cannot be answered.
    pub parent: Option<i64>,
    /// Is it for those only who work for the business?
    #[oai(default = "yes")]
    pub is_internal: bool,
}

fn yes() -> bool {
    true
}

/// One resource's comments.
pub struct Comments {
    pub resource: &'static Descriptor,
    pub pages: Pages,
}

#[OpenApi]
impl Comments {
    /// List the comments on a record
    ///
    /// The oldest first. Who may read the record may read them; those that are internal are for who works for the business.
    #[oai(path = "/:id/comments", method = "get", operation_id = "comments_list")]
    async fn list(
        &self,
        caller: Caller,
        request: &Request,
        parameters: Query<Parameters>,
        id: Path<String>,
    ) -> Result<Reply<PageOf<Comment>>> {
        let id = caller.read(|reader| verbs::target(reader, self.resource, &caller.actor, &id.0))?;
        let request = list_request(request, about(self.resource, id, parameters.0), self.pages);
        Ok(verbs::list(&caller, descriptor::of::<Comment>(), request, Listing::Live).await?)
    }

    /// Comment on a record
    ///
    /// Who may read the record may do so.
    #[oai(path = "/:id/comments", method = "post", operation_id = "comments_create")]
    async fn create(
        &self,
        caller: Caller,
        request: &Request,
        parameters: Query<Parameters>,
        id: Path<String>,
        body: Body<NewComment>,
    ) -> Result<Reply<Comment, 201>> {
        let id = caller.read(|reader| verbs::target_for_writing(reader, self.resource, &caller.actor, &id.0))?;
        let input = body.0.map(|mut input| {
            input.insert("target_type".into(), self.resource.word().into());
            input.insert("target_id".into(), Json::from(id));
            input
        });
        Ok(verbs::create(&caller, descriptor::of::<Comment>(), input, options(request, &parameters.0)).await?)
    }
}

/// A list's parameters, for what is attached to one record. Of a parameter that comes twice, the last counts: the client cannot name
/// another record.
pub(super) fn about(d: &Descriptor, id: i64, mut parameters: Parameters) -> Parameters {
    parameters.retain(|(name, _)| name != "target_type" && name != "target_id");
    parameters.extend([("target_type".to_owned(), d.word()), ("target_id".to_owned(), id.to_string())]);
    parameters
}
