//! Follows the audit log with seals, a moment behind.

use std::time::Duration;

use tokio::{
    sync::{oneshot, watch},
    task::{JoinHandle, spawn_blocking},
    time::{sleep, timeout},
};

use crate::{app::App, error::Result};

/// What is written within this time has one seal, or few.
const MOMENT: Duration = Duration::from_secs(2);
/// The rest after something went wrong.
const TROUBLE: Duration = Duration::from_secs(60);
/// How long the last sealing may hold the end of the server; the next start goes on where it was.
const LAST: Duration = Duration::from_secs(5);

/// The server's sealing.
pub(super) struct Sealing {
    task: JoinHandle<()>,
    stop: oneshot::Sender<()>,
}

/// Seals what there is, and then what comes.
pub(super) fn start(app: &App) -> Result<Sealing> {
    let (stop, stopped) = oneshot::channel();
    let changes = app.db.changes("audit_log")?;
    Ok(Sealing { task: tokio::spawn(work(app.clone(), changes, stopped)), stop })
}

async fn work(app: App, mut changes: watch::Receiver<()>, mut stop: oneshot::Receiver<()>) {
    loop {
        changes.mark_unchanged();
        let rest = if seal(&app).await { MOMENT } else { TROUBLE };
        let next = async {
            sleep(rest).await;
            changes.changed().await
        };
        tokio::select! {
            biased;
            _ = &mut stop => break,
            changed = next => if changed.is_err() { break }
        }
    }
    seal(&app).await;
}

/// Seals what there is; did it go well?
async fn seal(app: &App) -> bool {
    let audit = app.audit.clone();
    match spawn_blocking(move || audit.seal()).await {
        Ok(Ok(_)) => true,
        Ok(Err(error)) => {
            tracing::error!(%error, "the audit log could not be sealed");
            false
        }
        Err(error) => {
            tracing::error!(%error, "the audit log could not be sealed");
            false
        }
    }
}

impl Sealing {
    /// Seals what is not sealed yet, for a moment.
    pub(super) async fn stop(self) {
        let Self { mut task, stop } = self;
        drop(stop);
        if timeout(LAST, &mut task).await.is_err() {
            task.abort();
        }
    }
}
