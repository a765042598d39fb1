//! Pages of what is no record.

use serde_json::Value as Json;

use super::read::open_page;
use crate::{
    auth::gate::Caller,
    db::Reader,
    engine::{
        query::{PageNumber, Pages, Parameters, invalid_page, page_number, page_size},
        reply::Reply,
    },
    error::Result,
};

/// A page of rows: `count` says how many there are, and `rows` answers so many of them, after so many others.
pub async fn paged<S: Send + 'static>(
    caller: &Caller,
    path: String,
    parameters: Parameters,
    pages: Pages,
    count: impl Fn(&Reader<'_>) -> Result<i64> + Send + 'static,
    rows: impl Fn(&Reader<'_>, u64, u64) -> Result<Vec<Json>> + Send + 'static,
) -> Result<Reply<S>> {
    let (size, page, origin) = (page_size(&parameters, pages), page_number(&parameters)?, caller.origin.clone());
    let work = move |reader: &Reader<'_>| {
        let total = count(reader)?.unsigned_abs();
        let last = total.div_ceil(size).max(1);
        let number = match page {
            PageNumber::Last => last,
            PageNumber::Number(number) if number <= last => number,
            PageNumber::Number(_) => return Err(invalid_page()),
        };
        let rows: Vec<String> = rows(reader, size, (number - 1) * size)?.iter().map(Json::to_string).collect();
        let mut out = Vec::new();
        open_page(&mut out, total, number, last, &format!("{origin}{path}"), &parameters);
        out.extend_from_slice(rows.join(",").as_bytes());
        out.extend_from_slice(b"]}");
        Ok(out)
    };
    caller.scan(work).await.map(Reply::bytes)
}
