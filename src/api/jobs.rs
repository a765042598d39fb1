//! The recurring work of the server, for whoever runs it: what there is, what came of it, and doing it now.

use poem::Result;
use poem_openapi::{Object, OpenApi, param::Path};
use serde_json::{Value as Json, json};
use tokio::task::spawn_blocking;

use crate::{
    app::App,
    auth::proof::Person,
    engine::reply::Reply,
    error::Error,
    jobs::recurring::{self, Standing},
    kit::DateTime,
};

/// Recurring work.
#[derive(Object)]
pub struct RecurringJob {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// How often it runs, in words.
    pub when: String,
    /// When it runs next; nothing as long as the server has not begun with it.
    pub next_run_at: Option<DateTime>,
    /// When it ran last.
    pub last_run_at: Option<DateTime>,
    /// `done` or `failed`.
    pub last_status: Option<String>,
    /// What it did, or why it could not.
    pub last_result: Option<String>,
    /// How often it ran.
    pub runs: i64,
    /// Whether it runs now.
    pub running: bool,
}

/// All recurring work.
#[derive(Object)]
pub struct RecurringJobs {
    /// How many there are.
    pub count: u32,
    /// Nothing: there is one page.
    pub next: Option<String>,
    /// Nothing: there is one page.
    pub previous: Option<String>,
    /// The jobs.
    pub results: Vec<RecurringJob>,
}

/// The jobs of the server.
pub struct Jobs(pub App);

#[OpenApi]
impl Jobs {
    /// List recurring work
    ///
    /// For superusers: it is done for all businesses at once.
    #[oai(path = "/jobs", method = "get")]
    async fn list(&self, caller: Person) -> Result<Reply<RecurringJobs>> {
        caller.expect_superuser()?;
        let all: Vec<Json> = recurring::standing(&self.0)?.into_iter().map(shown).collect();
        Ok(Reply::json(&json!({"count": all.len(), "next": null, "previous": null, "results": all})))
    }

    /// Do recurring work now
    ///
    /// For superusers. Answers once it is done, with what came of it.
    #[oai(path = "/jobs/:name/run", method = "post")]
    async fn run(&self, caller: Person, name: Path<String>) -> Result<Reply<RecurringJob>> {
        caller.expect_superuser()?;
        let (app, job) = (self.0.clone(), recurring::named(&name.0)?);
        tracing::info!(job = job.name, user = caller.actor.user_id, "a job is run by hand");
        let outcome = spawn_blocking(move || recurring::run(&app, job, true)).await.map_err(Error::internal)??;
        if outcome.is_none() {
            return Err(Error::conflict("running", format!("The job {} is running already.", job.name)).into());
        }
        let standing = recurring::standing(&self.0)?.into_iter().find(|one| one.name == job.name);
        Ok(Reply::json(&shown(standing.ok_or_else(Error::not_found)?)))
    }
}

fn shown(job: Standing) -> Json {
    json!({
        "name": job.name, "description": job.what,
        "when": job.when, "next_run_at": job.next_run_at, "last_run_at": job.last_run_at, "last_status": job.last_status,
        "last_result": job.last_result, "runs": job.runs, "running": job.running,
    })
}
