//! The command line: one file per subcommand or close group.

mod apikeys;
mod ask;
mod changepassword;
pub mod check;
pub mod control;
mod createsuperuser;
pub mod demo;
mod document;
mod jobs;
mod keys;
mod log;
mod migrate;
mod otp;
mod outcome;
mod seed;
mod serve;
mod settings;
mod socket;
mod users;

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, CommandFactory, Parser, Subcommand, ValueHint};

pub use self::outcome::{Failure, Outcome};
use self::outcome::{say, say_lines};
use crate::config::{self, Loaded};

/// The business back office of a small organisation in one executable.
#[derive(Parser)]
#[command(version, arg_required_else_help = true, after_help = EXAMPLES)]
struct Cli {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  studio serve                            start in this folder
  studio serve --address 0.0.0.0:8000     listen on every address
  studio createsuperuser                  make an administrator, also while `serve` runs
  studio config show --help-text          every setting, and what it is for

Every setting is also an environment variable STUDIO_SECTION__KEY, for example STUDIO_SERVER__ADDRESS.";

/// Which installation is meant.
#[derive(Args, Clone)]
pub struct Place {
    /// Read the settings from this file; without it, from config.toml if there is one.
    #[arg(long, global = true, display_order = 100, value_name = "FILE", value_hint = ValueHint::FilePath)]
    config: Option<PathBuf>,
    /// Keep everything in this folder (the setting data.folder).
    #[arg(long, global = true, display_order = 100, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    data: Option<String>,
}

#[derive(Subcommand)]
enum Command {
    /// Answer requests until stopped; makes and migrates the data folder first.
    Serve(serve::Serve),
    /// Bring the database up to this program's tables.
    Migrate(migrate::Migrate),
    /// List the migrations; [X] has run on this database.
    #[command(name = "showmigrations")]
    ShowMigrations,
    /// Make the usual head office, departments and designations; those that exist are left alone.
    SeedAccounts,
    /// Fill an empty folder with two businesses to look around in, each with people and a story.
    SeedDemo(demo::SeedDemo),
    /// Make an administrator of everything.
    #[command(name = "createsuperuser")]
    CreateSuperuser(createsuperuser::CreateSuperuser),
    /// Give somebody a new password; whoever is signed in with the old one is signed out.
    #[command(name = "changepassword")]
    ChangePassword(changepassword::ChangePassword),
    /// Look at people and their sign-ins, let them in again, or close their accounts.
    Users(users::Users),
    /// Let a one-time code be sent to a number again.
    Otp(otp::Otp),
    /// Put new keys in the place of old ones.
    Keys(keys::Keys),
    /// Make, list and revoke the keys that programs act with.
    #[command(name = "apikeys")]
    ApiKeys(apikeys::ApiKeys),
    /// Write the OpenAPI document of the API to a file.
    Openapi(document::Openapi),
    /// List every operation: method, path and operationId.
    Routes,
    /// List the recurring jobs and the messages to be sent, with those that failed.
    Jobs(jobs::Jobs),
    /// Look whether settings, declarations and database are in order; exit code 1 when something is wrong.
    Check {
        /// Look through all of the books as well.
        #[arg(long)]
        ledger: bool,
    },
    /// Look whether anything in the books or the audit log was changed or taken away behind the program's back; exit code 1 when it was.
    Verify,
    /// Look at the settings.
    #[command(subcommand)]
    Config(settings::Config),
    /// Print a script that completes `studio` commands in a shell.
    #[command(after_help = "Example:\n  studio completions bash > ~/.local/share/bash-completion/completions/studio")]
    Completions { shell: clap_complete::Shell },
}

impl Place {
    /// The settings, with those that the command line gives under their keys.
    pub fn load(&self, flags: &[(&str, String)]) -> Outcome<Loaded> {
        let file = self.config.clone().or_else(|| std::env::var_os("STUDIO_CONFIG").filter(|file| !file.is_empty()).map(PathBuf::from));
        // Variables that are not text are none of ours.
        let environment = std::env::vars_os().filter_map(|(name, text)| Some((name.into_string().ok()?, text.into_string().ok()?)));
        let mut flags = flags.to_vec();
        flags.extend(self.data.clone().map(|folder| ("data.folder", folder)));
        config::load(file.as_deref(), environment, &flags).map_err(Failure::configuration)
    }
}

/// The whole program.
pub fn run() -> ExitCode {
    let Cli { place, command } = Cli::parse();
    match dispatch(&place, command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { code, text }) => {
            let _ = writeln!(io::stderr(), "studio: {text}");
            ExitCode::from(code)
        }
    }
}

fn dispatch(place: &Place, command: Command) -> Outcome {
    match command {
        Command::Serve(serve) => serve.run(place),
        Command::Migrate(migrate) => migrate.run(place),
        Command::ShowMigrations => migrate::show(place),
        Command::SeedAccounts => say_lines(&control::perform(&control::Task::SeedAccounts, &place.load(&[])?.config)?),
        Command::SeedDemo(demo) => demo.run(place),
        Command::CreateSuperuser(create) => create.run(place),
        Command::ChangePassword(change) => change.run(place),
        Command::Users(users) => users.run(place),
        Command::Otp(otp) => otp.run(place),
        Command::Keys(keys) => keys.run(place),
        Command::ApiKeys(keys) => keys.run(place),
        Command::Openapi(openapi) => openapi.run(place),
        Command::Routes => document::routes(),
        Command::Jobs(jobs) => jobs.run(place),
        Command::Check { ledger } => check::run(place, ledger),
        Command::Verify => check::verify(place),
        Command::Config(config) => config.run(place),
        Command::Completions { shell } => {
            let mut script = vec![];
            clap_complete::generate(shell, &mut Cli::command(), "studio", &mut script);
            say(&String::from_utf8_lossy(&script))
        }
    }
}
