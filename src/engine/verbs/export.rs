//! All rows of a list as a file, sent as it is made.
//!
//! The ids are read first, in one scan. The rows follow in batches, each in a short scan of its own: a client that is slow holds no
//! transaction and no turn to scan, and memory does not grow with the rows. What changes meanwhile is exported as it is by then.

use std::{
    fs::File,
    io::{self, Read as _},
    sync::Arc,
};

use futures_util::stream;
use hyper::body::Bytes;
use serde_json::json;
use tokio::{
    sync::mpsc::{self, Sender},
    task::spawn_blocking,
};

use super::{reach, read::check_filters};
use crate::{
    actor::Actor,
    auth::gate::Caller,
    db::{Db, Reader},
    engine::{
        access::{CREATE, LIST},
        descriptor::{Descriptor, Form, Shape},
        json,
        query::{Pages, Parameters, Query, flag, parameter},
        reply::{ExportFile, Template},
        search,
        store::{self, Deleted},
        table::{
            Format,
            cell::Shown,
            columns::{Table, chosen, heading, note, settable},
            csv,
            xlsx_write::{self, Heading, MOST_ROWS, Sheet},
        },
    },
    error::{Error, Result},
};

/// Rows of one scan.
const BATCH: usize = 200;
/// Batches that are made before the client has taken them.
const AHEAD: usize = 2;
const CHUNK_BYTES: usize = 64 * 1024;
/// An export that has begun waits its turn so often before it gives up; each time takes seconds.
const TRIES: usize = 12;

/// What is exported, and in what form.
struct Export {
    db: Db,
    d: &'static Descriptor,
    actor: Arc<Actor>,
    scope: String,
    form: Content,
}

enum Content {
    /// The members of the list's rows that were asked for.
    Json(Vec<usize>),
    Table(Table),
}

/// Exports the records of a list. The parameters are those of the list, without its pages.
pub async fn export(caller: &Caller, d: &'static Descriptor, parameters: &Parameters, pages: Pages) -> Result<ExportFile> {
    let actor = caller.actor.clone();
    let reach = reach(d, &actor, LIST)?;
    let format = Format::parse(parameter(parameters, "format"), &Format::ALL)?;
    let without_pages: Parameters =
        parameters.iter().filter(|(name, _)| !["page", "page_size"].contains(&name.as_str())).cloned().collect();
    let query = Query::parse(d, &actor, &without_pages, pages)?;
    let deleted = if query.include_deleted { Deleted::With } else { Deleted::Without };
    let scope = store::scope(d, &actor, reach, deleted);
    let form = content(d, &actor, format, parameter(parameters, "fields"), query.include_deleted)?;
    let ids = {
        let (actor, scope, db, mut query) = (actor.clone(), scope.clone(), caller.db.clone(), query);
        let work = move |reader: &Reader<'_>| {
            check_filters(reader, &actor, &query)?;
            let way = search::way(reader, db.catalog(), d, &actor, deleted, &mut query)?;
            query.go(way);
            store::ids(reader, d, &actor, &query, &scope)
        };
        caller.scan(work).await?
    };
    if format == Format::Xlsx && ids.len() > MOST_ROWS {
        let words = format!("A sheet of XLSX holds {MOST_ROWS} rows, and these are {}. Take another format, or fewer rows.", ids.len());
        return Err(Error::field("format", words));
    }
    let story = json!({"format": format.name(), "count": ids.len()});
    caller.write(move |tx| tx.note(d.about.table, 0, "export", None, Some(story.clone()))).await?;
    let name = format!("{}-{}", d.about.table.replace('_', "-"), actor.today());
    let export = Export { db: caller.db.clone(), d, actor, scope, form };
    let body = if format == Format::Xlsx {
        stream_file(export.sheet(ids).await?)
    } else {
        let (sender, body) = channel();
        let marked = flag(parameters, "bom");
        tokio::spawn(async move {
            if let Err(error) = export.send(ids, format, marked, &sender).await {
                tracing::warn!(%error, "an export was cut off");
                // The client must not take what it has for the whole.
                let _ = sender.send(Err(io::Error::other(error))).await;
            }
        });
        body
    };
    Ok(ExportFile { format, name, body })
}

fn content(d: &Descriptor, actor: &Actor, format: Format, fields: Option<&str>, deleted: bool) -> Result<Content> {
    if matches!(format, Format::Csv | Format::Xlsx) {
        let table = Table::of(d, actor, deleted);
        return Ok(Content::Table(match fields {
            Some(names) => table.choose(names)?,
            None => table,
        }));
    }
    let members: Vec<&str> = d.shape(Form::List, actor).columns.iter().map(|column| column.name).collect();
    Ok(Content::Json(match fields {
        Some(names) => chosen(names, &members)?,
        None => (0..members.len()).collect(),
    }))
}

/// A body, and the place to put what it says.
fn channel() -> (Sender<io::Result<Bytes>>, poem::Body) {
    let (sender, receiver) = mpsc::channel(AHEAD);
    let rows = stream::unfold(receiver, |mut receiver| async { receiver.recv().await.map(|chunk| (chunk, receiver)) });
    (sender, poem::Body::from_bytes_stream(rows))
}

impl Export {
    /// Sends the rows. Stops without a word when the client has gone.
    async fn send(self, ids: Vec<i64>, format: Format, marked: bool, sender: &Sender<io::Result<Bytes>>) -> Result<()> {
        let mut head: Vec<u8> = vec![];
        match &self.form {
            Content::Table(table) => {
                head.extend_from_slice(if marked { csv::BOM.as_bytes() } else { b"" });
                let headings = csv::headings(table.columns.iter().map(|column| column.heading.as_str()));
                csv::write(&mut head, [headings.as_slice()].into_iter())?;
            }
            Content::Json(_) if format == Format::Json => head.push(b'['),
            Content::Json(_) => {}
        }
        if sender.send(Ok(head.into())).await.is_err() {
            return Ok(());
        }
        let export = Arc::new(self);
        let mut separator: &'static [u8] = b"";
        for batch in ids.chunks(BATCH) {
            let rows = export.batch(batch, move |export, reader, ids| export.written(reader, ids, format)).await?;
            if rows.is_empty() {
                continue;
            }
            let sent = format != Format::Json || sender.send(Ok(Bytes::from_static(separator))).await.is_ok();
            if !sent || sender.send(Ok(rows.into())).await.is_err() {
                return Ok(());
            }
            separator = b",\n";
        }
        if format == Format::Json {
            let _ = sender.send(Ok(Bytes::from_static(b"]\n"))).await;
        }
        Ok(())
    }

    /// Reads a batch. A turn to scan is waited for: what has begun is to be finished.
    async fn batch<T: Send + 'static>(
        self: &Arc<Self>,
        ids: &[i64],
        read: impl Fn(&Self, &Reader<'_>, &[i64]) -> Result<T> + Clone + Send + 'static,
    ) -> Result<T> {
        let mut tries = 0;
        loop {
            let (export, ids, read) = (self.clone(), ids.to_vec(), read.clone());
            tries += 1;
            match self.db.scan(move |reader| read(&export, reader, &ids)).await {
                Err(Error::Unavailable(_)) if tries < TRIES => {}
                done => return done,
            }
        }
    }

    fn rows(&self, table: &Table, reader: &Reader<'_>, ids: &[i64]) -> Result<Vec<Vec<Shown>>> {
        store::by_ids(reader, &self.actor, &table.select(), &self.scope, ids, |row| table.row(row))
    }

    fn written(&self, reader: &Reader<'_>, ids: &[i64], format: Format) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(64 * 1024);
        match &self.form {
            Content::Table(table) => {
                let rows = self.rows(table, reader, ids)?;
                csv::write(&mut out, rows.iter().map(Vec::as_slice))?;
            }
            Content::Json(members) => {
                let shape: &Shape = self.d.shape(Form::List, &self.actor);
                // As they come, and then in order: rows are copied once.
                let mut read: Vec<u8> = Vec::with_capacity(64 * 1024);
                let places = store::by_ids(reader, &self.actor, &shape.select, &self.scope, ids, |row| {
                    let start = read.len();
                    json::write_members(&mut read, shape, members, row)?;
                    Ok(start..read.len())
                })?;
                let (separator, end): (&[u8], &[u8]) = if format == Format::Json { (b",\n", b"") } else { (b"", b"\n") };
                out.reserve(read.len() + 2 * places.len());
                for (index, place) in places.into_iter().enumerate() {
                    out.extend_from_slice(if index == 0 { b"" } else { separator });
                    out.extend_from_slice(&read[place]);
                    out.extend_from_slice(end);
                }
            }
        }
        Ok(out)
    }

    /// The rows as a sheet in a file without a name.
    async fn sheet(self, ids: Vec<i64>) -> Result<File> {
        let folder = self.db.scratch()?;
        let Content::Table(table) = &self.form else { return Err(Error::internal("a sheet of no table")) };
        let headings = table.columns.iter().map(|column| column.heading.clone()).collect();
        let mut sheet = Sheet::begin(&folder, headings)?;
        let export = Arc::new(self);
        for batch in ids.chunks(BATCH) {
            let read = |export: &Self, reader: &Reader<'_>, ids: &[i64]| match &export.form {
                Content::Table(table) => export.rows(table, reader, ids),
                Content::Json(_) => Ok(vec![]),
            };
            let rows = export.batch(batch, read).await?;
            let written = move || rows.iter().try_for_each(|row| sheet.row(row)).map(|()| sheet);
            sheet = spawn_blocking(written).await.map_err(Error::internal)??;
        }
        spawn_blocking(move || sheet.finish(&folder)).await.map_err(Error::internal)?
    }
}

/// Sends a file as it is taken, and closes it.
fn stream_file(mut file: File) -> poem::Body {
    let (sender, body) = channel();
    spawn_blocking(move || {
        loop {
            let mut chunk = vec![0; CHUNK_BYTES];
            let read = file.read(&mut chunk).map(|length| {
                chunk.truncate(length);
                Bytes::from(chunk)
            });
            let ends = read.as_ref().map_or(true, Bytes::is_empty);
            if read.as_ref().is_ok_and(Bytes::is_empty) || sender.blocking_send(read).is_err() || ends {
                break;
            }
        }
    });
    body
}

/// A table without rows: the headings of what can be set, required ones first.
pub async fn template(caller: &Caller, d: &'static Descriptor, parameters: &Parameters) -> Result<Template> {
    reach(d, &caller.actor, CREATE)?;
    let format = Format::parse(parameter(parameters, "format"), &Format::TABLES)?;
    let heading = |field| Heading { text: heading(field), required: field.required, note: note(field) };
    let headings: Vec<Heading> = settable(d, &caller.actor).into_iter().map(heading).collect();
    let body = if format == Format::Xlsx {
        let folder = caller.db.scratch()?;
        stream_file(spawn_blocking(move || xlsx_write::template(&folder, &headings)).await.map_err(Error::internal)??)
    } else {
        let mut out = vec![];
        let headings = csv::headings(headings.iter().map(|heading| heading.text.as_str()));
        csv::write(&mut out, [headings.as_slice()].into_iter())?;
        poem::Body::from(out)
    };
    Ok(Template(ExportFile { format, name: format!("{}-template", d.about.table.replace('_', "-")), body }))
}
