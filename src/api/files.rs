//! Files: attached to records of each resource that takes them, and what can be done with one of them.

use poem::{Body, Request, Response, Result, http::StatusCode};
use poem_openapi::{
    OpenApi,
    param::{Header, Path, Query},
};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncSeekExt, BufReader};

use super::{
    comments::about,
    crud::{header, list_request},
    upload::receive,
};
use crate::{
    auth::gate::{Caller, Uploader},
    db::Writer,
    engine::{
        Options, READ, Resource,
        descriptor::{self, Descriptor},
        query::{Pages, Parameters},
        reply::{Download, PageOf, Picture, Reply, disposition},
        upload::Upload,
        verbs::{self, Listing},
    },
    error::{self, Error},
    resources::shared::File,
    storage::Storage,
};

/// So much of a file is read at once.
const READ_AHEAD: usize = 128 * 1024;
/// Types that a browser may show in the page's place: it cannot be made to run anything by them.
const SHOWN: [&str; 5] = ["image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf"];

/// One resource's files.
pub struct Files {
    pub resource: &'static Descriptor,
    pub pages: Pages,
    pub storage: Storage,
}

#[OpenApi]
impl Files {
    /// List the files of a record
    ///
    /// The newest first. Who may read the record may read them.
    #[oai(path = "/:id/files", method = "get", operation_id = "files_list")]
    async fn list(
        &self,
        caller: Caller,
        request: &Request,
        parameters: poem::web::Query<Parameters>,
        id: Path<String>,
    ) -> Result<Reply<PageOf<File>>> {
        let id = caller.read(|reader| verbs::target(reader, self.resource, &caller.actor, &id.0))?;
        let request = list_request(request, about(self.resource, id, parameters.0), self.pages);
        Ok(verbs::list(&caller, descriptor::of::<File>(), request, Listing::Live).await?)
    }

    /// Attach a file to a record
    ///
    /// Who may change the record may do so. A form with one part `file`, or the bytes themselves, called what `Content-Disposition`
    /// says. Taken are pictures of at most 40 megapixels (PNG, JPEG, GIF, WebP), PDF, documents (docx, xlsx, pptx, odt, ods), zip,
    /// plain text, CSV, mp3, m4a, mp4 and webm: by their bytes, whatever they are called. HTML, SVG and XML are kept as plain bytes.
    #[oai(path = "/:id/files", method = "post", operation_id = "files_create")]
    async fn create(&self, uploader: Uploader, id: Path<String>, body: Upload) -> Result<Reply<File, 201>> {
        attach(self.resource, &self.storage, uploader, id.0, body).await
    }
}

/// Attaches a file to a record that the caller may change.
pub(super) async fn attach(
    d: &'static Descriptor,
    storage: &Storage,
    uploader: Uploader,
    id: String,
    body: Upload,
) -> Result<Reply<File, 201>> {
    let quota = storage.quota_bytes();
    // Before a byte is read; and again with the row, for much may happen while a file arrives.
    let may = |more: i64| {
        let key = id.clone();
        move |tx: &mut Writer<'_>| {
            let target = verbs::target_for_change(tx, d, &key)?;
            check_quota(tx, more, quota)?;
            Ok(target)
        }
    };
    uploader.caller.write(may(1)).await?;
    let arrived = receive(storage, body).await?;
    // Before it is kept as well: what is refused must not fill the disk.
    uploader.caller.write(may(arrived.size())).await?;
    let received = arrived.keep().await?;
    let told = format!("{} {:?} {:?}", received.kept.sha256, received.filename, received.purpose);
    let caller = uploader.arrived(&told);
    let may = may(received.kept.size);
    let attach = move |tx: &mut Writer<'_>| {
        let target = may(tx)?;
        let mut record = received.record();
        record.insert("target_type".into(), d.word().into());
        record.insert("target_id".into(), target.into());
        verbs::insert::<File>(tx, record, Options { internal: true, ..Options::default() })
    };
    Ok(verbs::act_making::<File>(&caller, attach).await?)
}

/// Refuses what would take a business over its quota. Deleted files count: they can be restored.
fn check_quota(tx: &Writer<'_>, more: i64, quota: u64) -> error::Result<()> {
    let sql = "SELECT coalesce(sum(size), 0) FROM files WHERE business_id = ?1";
    let used = tx.one::<i64>(sql, &[tx.actor().business_id().into()])?.unwrap_or(0);
    if used.saturating_add(more).unsigned_abs() <= quota {
        return Ok(());
    }
    Err(Error::conflict("quota_exceeded", "The business has no room for this file: delete some, or ask for more room."))
}

/// What can be done with a file besides the operations that all that is attached has.
pub struct FileVerbs(pub Storage);

/// A file that the caller may have.
struct Found {
    filename: String,
    content_type: String,
    size: u64,
    sha256: String,
}

#[OpenApi]
impl FileVerbs {
    /// Download a file
    ///
    /// Who may read what it is attached to may do so. `Range` asks for a part of it. With `inline=true`, pictures and PDF
    /// may be shown in place of the page.
    #[oai(path = "/files/:id/download", method = "get", operation_id = "files_download_retrieve")]
    async fn download(
        &self,
        caller: Caller,
        request: &Request,
        id: Path<String>,
        /// Whether it may be shown in place of the page.
        inline: Query<Option<bool>>,
        /// The part that is wanted, in bytes.
        #[oai(name = "Range")]
        range: Header<Option<String>>,
        /// The `ETag` of an answer the client has: unchanged, the answer is 304.
        #[oai(name = "If-None-Match")]
        if_none_match: Header<Option<String>>,
    ) -> Result<Download> {
        let file = find(&caller, &id.0)?;
        let inline = inline.0.unwrap_or(false) && SHOWN.contains(&file.content_type.as_str());
        let etag = format!("\"{}\"", file.sha256);
        if verbs::matches(if_none_match.0.as_deref(), &etag) {
            return Ok(Download(safe(&file.content_type, &etag).status(StatusCode::NOT_MODIFIED).finish()));
        }
        // A part of another version is of no use.
        let same = header(request, "if-range").is_none_or(|known| known.trim() == etag);
        let part = range.0.filter(|_| same).map_or(Ok(None), |range| part(&range, file.size));
        let Ok(part) = part else {
            let body = json!({"detail": "The file has no such part.", "code": "range_not_satisfiable"});
            let refusal = Response::builder().status(StatusCode::RANGE_NOT_SATISFIABLE).content_type("application/json");
            return Ok(Download(refusal.header("Content-Range", format!("bytes */{}", file.size)).body(body.to_string())));
        };
        let (start, length) = part.unwrap_or((0, file.size));
        let mut bytes = self.0.open_bytes(&file.sha256).await?;
        bytes.seek(std::io::SeekFrom::Start(start)).await.map_err(Error::internal)?;
        let mut response = safe(&file.content_type, &etag)
            .header("Accept-Ranges", "bytes")
            .header("Content-Disposition", disposition(if inline { "inline" } else { "attachment" }, &file.filename))
            .header("Content-Length", length);
        if part.is_some() {
            let range = format!("bytes {start}-{}/{}", start + length - 1, file.size);
            response = response.status(StatusCode::PARTIAL_CONTENT).header("Content-Range", range);
        }
        Ok(Download(response.body(Body::from_async_read(BufReader::with_capacity(READ_AHEAD, bytes.take(length))))))
    }

    /// Look at a small picture of a file
    ///
    /// Of PNG, JPEG and WebP pictures; as JPEG of a photograph, as PNG otherwise. `size` is the long side, 64 to 512 pixels (256 when
    /// left out), rounded up to 64, 128, 256 or 512; a smaller picture stays as it is.
    #[oai(path = "/files/:id/thumbnail", method = "get", operation_id = "files_thumbnail_retrieve")]
    async fn thumbnail(
        &self,
        caller: Caller,
        id: Path<String>,
        /// The long side in pixels, 64 to 512.
        size: Query<Option<u32>>,
        /// The `ETag` of an answer the client has: unchanged, the answer is 304.
        #[oai(name = "If-None-Match")]
        if_none_match: Header<Option<String>>,
    ) -> Result<Picture> {
        let file = find(&caller, &id.0)?;
        let size = size.0.unwrap_or(256);
        let etag = format!("\"{}-{size}\"", file.sha256);
        if verbs::matches(if_none_match.0.as_deref(), &etag) {
            return Ok(Picture(safe("image/png", &etag).status(StatusCode::NOT_MODIFIED).finish()));
        }
        let (bytes, content_type) = self.0.thumbnail(&file.sha256, &file.content_type, size).await?;
        Ok(Picture(safe(content_type, &etag).header("Content-Disposition", "inline").body(bytes)))
    }
}

/// The file, if the caller may read what it is attached to.
fn find(caller: &Caller, key: &str) -> error::Result<Found> {
    verbs::allowed::<File>(&caller.actor, READ)?;
    caller.read(|reader| {
        let id = verbs::find::<File>(reader, &caller.actor, key, READ)?;
        let sql = format!("SELECT filename, content_type, size, sha256 FROM {} WHERE id = ?1", File::ABOUT.table);
        let found = reader.row(&sql, &[id.into()], |row| {
            let size = row.get::<i64>(2)?.unsigned_abs();
            Ok(Found { filename: row.get(0)?, content_type: row.get(1)?, size, sha256: row.get(3)? })
        })?;
        found.ok_or_else(Error::not_found)
    })
}

/// The beginning of an answer that carries what somebody sent: nothing in it may run, whatever it is.
fn safe(content_type: &str, etag: &str) -> poem::ResponseBuilder {
    Response::builder()
        .content_type(if content_type == "text/plain" || content_type == "text/csv" {
            format!("{content_type}; charset=utf-8")
        } else {
            content_type.to_owned()
        })
        .header("ETag", etag)
        .header("Cache-Control", "private, no-cache")
        .header("Content-Security-Policy", "sandbox; default-src 'none'")
}

/// The one part that a `Range` asks for (RFC 9110, 14.2): where it starts and how long it is. `None`: all of it, for what is no range
/// of bytes, or several.
fn part(range: &str, size: u64) -> std::result::Result<Option<(u64, u64)>, ()> {
    let Some((first, last)) = range.trim().strip_prefix("bytes=").and_then(|range| range.trim().split_once('-')) else { return Ok(None) };
    let (first, last) = (first.trim(), last.trim());
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !(is_number(first) || first.is_empty()) || !(is_number(last) || last.is_empty()) {
        return Ok(None);
    }
    let number = |text: &str| text.parse::<u64>().unwrap_or(u64::MAX);
    let (start, end) = match (first, last) {
        ("", "") => return Ok(None),
        ("", last) => (size - number(last).min(size), size),
        (first, "") => (number(first), size),
        (first, last) if number(last) < number(first) => return Ok(None),
        (first, last) => (number(first), number(last).saturating_add(1).min(size)),
    };
    if start >= end { Err(()) } else { Ok(Some((start, end - start))) }
}

#[cfg(test)]
mod tests {
    use super::{disposition, part};

    #[test]
    fn one_range_is_read_as_rfc_9110_says() {
        for (range, wanted) in [
            ("bytes=0-0", Ok(Some((0, 1)))),
            ("bytes=2-5", Ok(Some((2, 4)))),
            ("bytes=5-", Ok(Some((5, 5)))),
            ("bytes=-3", Ok(Some((7, 3)))),
            ("bytes=-30", Ok(Some((0, 10)))),
            ("bytes=5-99999999999999999999999", Ok(Some((5, 5)))),
            ("bytes=10-", Err(())),
            ("bytes=99999999999999999999999-", Err(())),
            ("bytes=-0", Err(())),
            ("bytes=5-2", Ok(None)),
            ("bytes=0-1,4-5", Ok(None)),
            ("bytes=-", Ok(None)),
            ("bytes=a-b", Ok(None)),
            ("lines=1-2", Ok(None)),
        ] {
            assert_eq!(part(range, 10), wanted, "{range}");
        }
        assert_eq!(part("bytes=0-", 0), Err(()));
    }

    #[test]
    fn a_name_stays_inside_its_header() {
        let text = disposition("attachment", "a\"b\r\nX: 1; Ü%41.txt");
        let wanted = "attachment; filename=\"a_b__X: 1; __41.txt\"; filename*=UTF-8''a%22b%0D%0AX%3A%201%3B%20%C3%9C%2541.txt";
        assert_eq!(text.to_str().ok(), Some(wanted));
    }
}
