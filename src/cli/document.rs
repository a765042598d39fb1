//! `studio openapi` and `studio routes`: what the API offers.

use std::{fs, path::PathBuf};

use clap::{Args, ValueEnum, ValueHint};

use super::{Failure, Outcome, Place, say};
use crate::api;

#[derive(Args)]
#[command(after_help = "Examples:\n  studio openapi --file schema.yaml\n  studio openapi --file - --format json")]
pub struct Openapi {
    /// Where to write; - is the standard output.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// How to write it; without this, YAML for a file that ends in .yaml or .yml and JSON otherwise.
    #[arg(long)]
    format: Option<Format>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Json,
    Yaml,
}

impl Openapi {
    pub fn run(self, place: &Place) -> Outcome {
        let title = place.load(&[])?.config.api.title;
        let by_name = || match self.file.extension().and_then(|ending| ending.to_str()) {
            Some("yaml" | "yml") => Format::Yaml,
            _ => Format::Json,
        };
        let mut text = match self.format.unwrap_or_else(by_name) {
            Format::Json => api::openapi_json(&title),
            Format::Yaml => api::openapi_yaml(&title),
        };
        if !text.ends_with('\n') {
            text.push('\n');
        }
        if self.file.as_os_str() == "-" {
            return say(&text);
        }
        fs::write(&self.file, text).map_err(|error| Failure::new(format!("cannot write {}: {error}", self.file.display())))
    }
}

pub fn routes() -> Outcome {
    let all = api::routes();
    let paths = all.iter().map(|(_, path, _)| path.len()).max().unwrap_or_default();
    say(&all.iter().map(|(method, path, id)| format!("{method:<7} {path:<paths$}  {id}").trim_end().to_owned() + "\n").collect::<String>())
}
