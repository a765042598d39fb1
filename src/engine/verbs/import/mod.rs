//! A file into records: each line through the rules of one record, in the background when there are many.

mod labels;
mod line;
mod plan;
mod report;
mod run;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use hyper::body::Bytes;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    task::spawn_blocking,
    time::timeout,
};

pub use self::report::{import, imports, interrupt};
use self::{labels::Labels, plan::Plan};
use super::{act, reach};
use crate::{
    actor::Actor,
    auth::gate::{Caller, Uploader},
    db::Writer,
    engine::{
        about::Options,
        access::CREATE,
        descriptor::Descriptor,
        query::{Parameters, flag, parameter},
        reply::{Begun, Reply},
        table::{csv, grid::Grid, xlsx_read},
        upload::Sheet,
    },
    error::{Error, Result},
    kit::hex::hex,
};

/// A file has so many bytes.
const MOST_BYTES: usize = 50 << 20;
/// So many lines are taken in while the client waits.
const MOST_AT_ONCE: usize = 1000;
/// So many in one transaction, which keeps all others from writing meanwhile.
const MOST_ATOMIC: usize = 5000;
/// A table may have columns that nobody knows: so many more than twice the fields.
const OTHER_COLUMNS: usize = 50;
/// Files that are held in memory at once, and how long one more waits.
const FILES: usize = 4;
const WAIT: Duration = Duration::from_secs(30);

/// A file that is being taken in.
struct Job {
    d: &'static Descriptor,
    actor: Arc<Actor>,
    grid: Grid,
    plan: Plan,
    labels: Labels,
    /// Lines whose key stands in an earlier one, with its number.
    repeats: HashMap<usize, u64>,
    options: Options,
    dry_run: bool,
    atomic: bool,
    _place: OwnedSemaphorePermit,
}

/// Takes in a file. One that cannot be read is refused, and nothing of it is kept.
pub async fn take_in<S: Send + 'static>(
    uploader: Uploader,
    d: &'static Descriptor,
    parameters: &Parameters,
    sheet: Sheet,
    options: Options,
) -> Result<Begun<S>> {
    reach(d, &uploader.caller.actor, CREATE)?;
    let bytes = sheet.read(MOST_BYTES).await?;
    let hash: String = hex(&Sha256::digest(&bytes));
    let caller = &uploader.arrived(&hash);
    let job = Arc::new(prepare(caller, d, parameters, bytes, options).await?);
    let waits = job.grid.lines.len() <= MOST_AT_ONCE || flag(parameters, "wait");
    let (sender, finished) = oneshot::channel::<()>();
    let sender = Arc::new(Mutex::new(Some(sender)));
    let (db, runtime) = (caller.db.clone(), Handle::current());
    let begin = move |tx: &mut Writer<'_>| {
        let id = report::begin(tx, d.about.path, job.grid.lines.len(), job.dry_run, job.atomic, &job.plan.ignored)?;
        tx.note(d.about.table, 0, "import", None, Some(json!({"import": id, "lines": job.grid.lines.len(), "dry_run": job.dry_run})))?;
        let (db, job, sender, runtime) = (db.clone(), job.clone(), sender.clone(), runtime.clone());
        // Once the report is on disk, and whether or not the client is still there.
        tx.after_commit(move || {
            runtime.spawn(async move {
                let sender = sender.lock().ok().and_then(|mut sender| sender.take());
                run::run(db, job, id).await;
                let _ = sender.map(|sender| sender.send(()));
            });
        });
        Ok(id)
    };
    let begun: Reply<S> = act(caller, begin, report::reply).await?;
    // Of a request that was carried out before, the report may have gone on since.
    let again = begun.headers.iter().any(|(name, _)| *name == "Idempotent-Replayed");
    if waits && !again {
        let _ = finished.await;
    }
    let id = serde_json::from_slice::<Json>(&begun.body).ok().and_then(|report| report["id"].as_i64());
    let id = id.ok_or_else(|| Error::internal("a report without an id"))?;
    let reply = caller.read(|reader| report::reply(reader, &caller.actor, id))?;
    Ok(Begun(if again { reply.header("Idempotent-Replayed", "true".to_owned()) } else { reply }))
}

/// Reads the file, and looks at all of it that can be looked at before the first line is stored.
async fn prepare(caller: &Caller, d: &'static Descriptor, parameters: &Parameters, bytes: Bytes, options: Options) -> Result<Job> {
    static PLACES: std::sync::OnceLock<Arc<Semaphore>> = std::sync::OnceLock::new();
    let places = PLACES.get_or_init(|| Arc::new(Semaphore::new(FILES))).clone();
    let place = timeout(WAIT, places.acquire_owned()).await.map_err(|_| Error::Unavailable(30))?.map_err(Error::internal)?;
    let (actor, key) = (caller.actor.clone(), parameter(parameters, "key").map(str::to_owned));
    let (dry_run, atomic) = (flag(parameters, "dry_run"), flag(parameters, "atomic"));
    let read = move || {
        let grid = grid(&bytes, d)?;
        let plan = Plan::new(d, &actor, &grid.headings, key.as_deref())?;
        Ok((grid, plan))
    };
    // What is made to break the reader is the client's fault.
    let unreadable = |_| Error::Malformed("The file cannot be read.".into());
    let (grid, plan): (Grid, Plan) = spawn_blocking(read).await.map_err(unreadable)??;
    if atomic && grid.lines.len() > MOST_ATOMIC {
        return Err(Error::field("atomic", format!("All or nothing is for files of at most {MOST_ATOMIC} lines.")));
    }
    let repeats = repeats(&grid, &plan);
    let actor = caller.actor.clone();
    let work = move |reader: &crate::db::Reader<'_>| Ok((Labels::of(reader, &actor, &plan, &grid)?, plan, grid));
    let (labels, plan, grid) = caller.scan(work).await?;
    Ok(Job { d, actor: caller.actor.clone(), grid, plan, labels, repeats, options, dry_run, atomic, _place: place })
}

/// A file as a table, whichever of the two kinds it is of.
pub fn grid(bytes: &Bytes, d: &Descriptor) -> Result<Grid> {
    let most_columns = d.fields.len() * 2 + OTHER_COLUMNS;
    // What it is stands in its first bytes; what it is called, anybody can write.
    if bytes.starts_with(xlsx_read::MAGIC) { xlsx_read::read(bytes, most_columns) } else { csv::read(bytes, most_columns) }
}

fn repeats(grid: &Grid, plan: &Plan) -> HashMap<usize, u64> {
    let (mut first, mut repeats) = (HashMap::<&str, u64>::new(), HashMap::new());
    let Some(place) = &plan.key else { return repeats };
    for (index, line) in grid.lines.iter().enumerate() {
        let text = place.text(line);
        match first.get(text) {
            _ if text.is_empty() => {}
            Some(number) => drop(repeats.insert(index, *number)),
            None => drop(first.insert(text, line.number)),
        }
    }
    repeats
}
