//! `studio jobs`: the recurring work and the outbox, while a server runs or not.

use clap::{Args, Subcommand};

use super::{
    Outcome, Place,
    control::{self, Task},
    say_lines,
};

#[derive(Args)]
#[command(after_help = "Examples:\n  studio jobs\n  studio jobs retry --all-failed\n  studio jobs run purge_outbox")]
pub struct Jobs {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Subcommand)]
enum What {
    /// Send failed messages again.
    Retry(Retry),
    /// Run a job now, due or not.
    Run {
        /// The job's name, as `studio jobs` lists it.
        name: String,
    },
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Retry {
    /// The message's number, as `studio jobs` lists it.
    #[arg(value_name = "ID")]
    id: Option<i64>,
    /// All that have failed.
    #[arg(long)]
    all_failed: bool,
}

impl Jobs {
    pub fn run(self, place: &Place) -> Outcome {
        let task = match self.what {
            None => Task::ListJobs,
            Some(What::Retry(retry)) => Task::RetryMessages { id: retry.id },
            Some(What::Run { name }) => Task::RunJob { name },
        };
        say_lines(&control::perform(&task, &place.load(&[])?.config)?)
    }
}
