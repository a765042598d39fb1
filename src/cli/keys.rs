//! `studio keys`: new keys in the place of old ones, while a server runs or not.

use clap::{Args, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};

use super::{
    Outcome, Place,
    control::{self, Task},
    say_lines,
};
use crate::{actor::Actor, app::App, error::Result};

#[derive(Args)]
#[command(
    after_help = "Examples:\n  studio keys rotate jwt     nobody is signed out\n  studio keys retire jwt     whoever holds a token of the key before is signed out"
)]
pub struct Keys {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Make a new key. What the one before has signed or sealed stays good: tokens until they end, secrets are sealed anew.
    Rotate {
        /// Which key.
        name: Name,
    },
    /// Forget the key before the present one at once, as when somebody else may have it.
    Retire {
        /// Which key.
        name: Signing,
    },
}

/// The keys of the installation.
#[derive(Clone, Copy, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Name {
    /// Signs tokens.
    Jwt,
    /// Seals what is secret in the database.
    Vault,
    /// Seals the audit log.
    Audit,
}

/// Those of which one before is kept for a while.
#[derive(Clone, Copy, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signing {
    /// Signs tokens.
    Jwt,
}

/// What is to be done with a key.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    Rotate(Name),
    Retire(Signing),
}

impl Keys {
    pub fn run(self, place: &Place) -> Outcome {
        let action = match self.what {
            What::Rotate { name } => Action::Rotate(name),
            What::Retire { name } => Action::Retire(name),
        };
        say_lines(&control::perform(&Task::Keys(action), &place.load(&[])?.config)?)
    }
}

impl Action {
    /// Does it and answers what to print. Blocks.
    pub fn run(self, app: &App) -> Result<Vec<String>> {
        Ok(vec![match self {
            Self::Rotate(Name::Jwt) => {
                app.rekey(false)?;
                "Tokens are signed with a new key. Those of the key before stay good until they end, or until `studio keys retire jwt`."
                    .to_owned()
            }
            Self::Rotate(Name::Vault) => {
                let count = app.vault.rotate(&app.db, Actor::system(app.db.clock().now()))?;
                format!("There is a new key; what was sealed with the one before was sealed anew: {count}.")
            }
            Self::Rotate(Name::Audit) => {
                let number = app.audit.rotate(Actor::system(app.db.clock().now()))?;
                format!("The audit log is sealed with key {number} from now on; what was sealed before is looked at with the keys before.")
            }
            Self::Retire(Signing::Jwt) => {
                app.rekey(true)?;
                "The key before is forgotten; whoever holds a token of it has to sign in.".to_owned()
            }
        }])
    }
}
