//! Taking in a file: some lines in each transaction, so that others can write in between.

use std::{sync::Arc, time::Duration};

use serde_json::{Value as Json, json};
use tokio::time::sleep;

use super::{
    Job,
    line::Done,
    report::{self, Progress},
};
use crate::{
    db::{Db, Writer},
    error::{Error, Result},
};

/// Lines of one transaction.
const CHUNK: usize = 200;
/// When the writer has too much to do, a chunk waits, and so often.
const TRIES: usize = 60;
const PAUSE: Duration = Duration::from_millis(500);

/// Takes in all lines. What goes wrong is told in the report.
pub async fn run(db: Db, job: Arc<Job>, id: i64) {
    let total = job.grid.lines.len();
    let size = if job.atomic { total.max(1) } else { CHUNK };
    let mut start = 0;
    loop {
        let end = total.min(start + size);
        if let Err(error) = chunk(&db, &job, id, start..end).await {
            tracing::error!(%error, import = id, "an import was given up");
            let words = format!("The import stopped after line {start}: {}", error.detail());
            let failed = move |tx: &mut Writer<'_>| report::give_up(tx, id, &words);
            if let Err(error) = db.write(job.actor.clone(), failed).await {
                tracing::error!(%error, import = id, "its report could not be written");
            }
            return;
        }
        start = end;
        if start == total {
            return;
        }
    }
}

async fn chunk(db: &Db, job: &Arc<Job>, id: i64, lines: std::ops::Range<usize>) -> Result<()> {
    let mut tries = 0;
    loop {
        let (again, lines) = (job.clone(), lines.clone());
        let work = move |tx: &mut Writer<'_>| {
            let progress = again.take_in(tx, lines.clone())?;
            report::advance(tx, id, progress)
        };
        tries += 1;
        match db.write(job.actor.clone(), work).await {
            Err(Error::Unavailable(_)) if tries < TRIES => sleep(PAUSE).await,
            done => return done,
        }
    }
}

impl Job {
    /// Stores some lines, each standing or falling alone; all of it is taken back on a dry run, and when one fails of an atomic import.
    ///
    /// Most files are in order, and a savepoint for each line costs a copy of every page that it changes. So the lines go without, until
    /// one fails: then all of them are taken back and stored again, each in a savepoint.
    fn take_in(&self, tx: &mut Writer<'_>, lines: std::ops::Range<usize>) -> Result<Progress> {
        let mut progress = self.lines(tx, lines.clone(), false)?;
        if progress.failed > 0 {
            progress = self.lines(tx, lines, true)?;
        }
        if self.atomic && progress.failed > 0 {
            (progress.created, progress.updated, progress.is_failure) = (0, 0, true);
        }
        Ok(progress)
    }

    fn lines(&self, tx: &mut Writer<'_>, lines: std::ops::Range<usize>, careful: bool) -> Result<Progress> {
        let mut progress = Progress { lines: lines.len(), is_last: lines.end == self.grid.lines.len(), ..Progress::default() };
        let all = tx.attempt(|tx| {
            let keys = self.keys(tx, lines.clone())?;
            for index in lines {
                let target = self.target(tx, index, &keys);
                if matches!(target, Ok(None)) && !self.plan.missing.is_empty() {
                    // The file's fault, told once and not for each line.
                    progress.failed += 1;
                    progress.incomplete = self.plan.missing.iter().map(|heading| missing(heading)).collect();
                    continue;
                }
                let done = target.and_then(|target| match careful {
                    true => tx.attempt(|tx| self.store(tx, index, target)),
                    false => tx.step(|tx| self.store(tx, index, target)),
                });
                match done {
                    Ok(Done::Created) => progress.created += 1,
                    Ok(Done::Updated) => progress.updated += 1,
                    // Not the line's fault.
                    Err(error @ (Error::Unavailable(_) | Error::Internal(_))) => return Err(error),
                    Err(error) => {
                        progress.failed += 1;
                        if !careful {
                            return Err(Error::Stale);
                        }
                        progress.errors.extend(self.problems(self.grid.lines[index].number, &error));
                    }
                }
            }
            let is_refused = progress.failed > 0 && (self.atomic || !careful);
            if self.dry_run || is_refused { Err(Error::Stale) } else { Ok(()) }
        });
        match all {
            Ok(()) | Err(Error::Stale) => Ok(progress),
            Err(error) => Err(error),
        }
    }
}

fn missing(heading: &str) -> Json {
    json!({"row": 1, "column": heading, "messages": ["This column is required for new records."]})
}
