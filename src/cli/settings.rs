//! `studio config`: the settings in force and where each came from.

use clap::Subcommand;

use super::{Outcome, Place, say};

#[derive(Subcommand)]
pub enum Config {
    /// List every setting, its value and where it came from; secrets are not shown.
    Show {
        /// Also print what each is for.
        #[arg(long)]
        help_text: bool,
    },
}

impl Config {
    pub fn run(self, place: &Place) -> Outcome {
        let Self::Show { help_text } = self;
        let settings = place.load(&[])?.settings;
        let widest = |lengths: &mut dyn Iterator<Item = usize>| lengths.max().unwrap_or_default();
        let keys = widest(&mut settings.iter().map(|setting| setting.key.len()));
        let values = widest(&mut settings.iter().map(|setting| setting.shown().chars().count()));
        let line = |setting: &crate::config::Setting| {
            let help = if help_text { format!("# {}\n", setting.help) } else { String::new() };
            let gap = if help_text { "\n" } else { "" };
            format!("{help}{:<keys$} = {:<values$}  ({})\n{gap}", setting.key, setting.shown(), setting.origin)
        };
        say(&settings.iter().map(line).collect::<String>())
    }
}
