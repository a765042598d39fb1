//! `studio seed-demo`: two businesses with a story, to look around in. Everything is done by its people through the API, each call at
//! its time, so that what is there afterwards could have come about in no other way.

mod stage;
mod story;

use clap::Args;

use super::{Outcome, Place, say_lines};
use crate::{
    app::App,
    clock::Clock,
    error::{Error, Result},
    server,
};

/// What everybody in the story signs in with.
pub const PASSWORD: &str = "demo-pass-123";

#[derive(Args)]
#[command(after_help = "Example:\n  studio --data demo seed-demo\n  studio --data demo serve")]
pub struct SeedDemo {}

impl SeedDemo {
    pub fn run(self, place: &Place) -> Outcome {
        let config = place.load(&[])?.config;
        let clock = Clock::fixed(Clock::system().now());
        let app = App::open(config, clock.clone())?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::internal)?;
        say_lines(&runtime.block_on(seed(&app, &clock))?)
    }
}

/// Tells the story up to the day that the clock shows, and leaves it there.
///
/// # Errors
/// Where there are people already; a demonstration is no place for them.
pub async fn seed(app: &App, clock: &Clock) -> Result<Vec<String>> {
    if app.db.read(|reader| reader.exists("SELECT 1 FROM users", &[]))? {
        return Err(Error::whole("There are people here already. The demonstration wants a data folder of its own: --data FOLDER."));
    }
    let mut stage = stage::Stage::new(app, clock, server::endpoint(app));
    story::studio(&mut stage).await?;
    story::institute(&mut stage).await?;
    stage.owner("owner", "Amos Owner").await?;
    Ok(vec![
        "Tamiti Studio   enos (admin), hope (manager), brian (finance), joan (content), sharon (agent), grace (customer)".into(),
        "Music Beats     gopi (admin), anita (teacher), nair (customer)".into(),
        "The server      owner (superuser: sees backups, jobs, messages and all businesses as well)".into(),
        format!("All of them sign in with the password {PASSWORD}: keep this folder to yourself."),
    ])
}
