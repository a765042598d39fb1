//! The tags of a resource's records, stamped for each resource that has a field `tags`.

use poem::{Result, web::Query};
use poem_openapi::{Object, OpenApi};

use crate::{
    auth::gate::Caller,
    engine::{
        descriptor::Descriptor,
        query::{Parameters, parameter},
        reply::Reply,
        verbs,
    },
};

/// A tag, and how many records have it.
#[derive(Object)]
pub struct TagCount {
    /// The tag.
    pub tag: String,
    /// How many records have it.
    pub count: i64,
}

/// One resource's tags.
pub struct Tags {
    pub resource: &'static Descriptor,
}

#[OpenApi]
impl Tags {
    /// List the tags of records
    ///
    /// Those of live records that the caller may see, the most used first; at most 100.
    #[oai(path = "/tags", method = "get", operation_id = "tags_retrieve")]
    async fn tags(&self, caller: Caller, parameters: Query<Parameters>) -> Result<Reply<Vec<TagCount>>> {
        let prefix = parameter(&parameters.0, "q").unwrap_or_default();
        Ok(verbs::tags(&caller, self.resource, prefix).await?)
    }
}
