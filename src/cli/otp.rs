//! `studio otp`: one-time codes, while a server runs or not.

use clap::{Args, Subcommand};

use super::{
    Outcome, Place,
    control::{self, Task},
    say_lines,
};
use crate::{
    app::App,
    auth::{account, allowance},
    error::{Error, Result},
    outbox::Channel,
};

#[derive(Args)]
#[command(after_help = "Example:\n  studio otp reset +256700123456")]
pub struct Otp {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Forget what was sent to a number and guessed at, so that a code can be asked for at once.
    Reset {
        /// The telephone number, with or without the country's code.
        #[arg(allow_hyphen_values = true)]
        phone: String,
    },
}

impl Otp {
    pub fn run(self, place: &Place) -> Outcome {
        let What::Reset { phone } = self.what;
        say_lines(&control::perform(&Task::ResetOtp { phone }, &place.load(&[])?.config)?)
    }
}

/// Lifts the caps and the lock of a number.
pub fn reset(app: &App, phone: &str) -> Result<Vec<String>> {
    let number = app.db.read(|reader| account::phone(reader, phone))?;
    let number = number.ok_or_else(|| Error::whole(format!("\"{phone}\" is no telephone number")))?;
    let recipient = number.clone();
    let any = app.db.write_blocking(control::program(app)?, move |tx| allowance::lift(tx, Channel::Sms, &recipient))?;
    Ok(vec![if any { format!("A code can be sent to {number} again.") } else { format!("Nothing was held against {number}.") }])
}
