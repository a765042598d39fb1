//! Secrets of the installation: `files` keeps keys where nobody else may read them, and `vault` seals what is secret in the database.

pub mod files;
pub mod vault;
