//! `studio`: the business back office of a small organisation in one executable.
//!
//! # The idea
//!
//! A resource is one plain struct and one constant. poem-openapi records the name, type, limits, default and doc comment of each
//! field of the struct; the engine reads them and makes of them the columns, the validation, the JSON API with its documents, the
//! filters, the permissions and the audit trail. What a resource has of its own stands in its room in `resources`.
//!
//! # The house
//!
//! | floor | rooms | what for |
//! |---|---|---|
//! | 7 | `cli` | one file per subcommand |
//! | 6 | `server` | the accept loop: limits, deadlines, shutdown |
//! | 5 | `admin`, `api`, `jobs` | the panel for people in the office; the JSON face: resources stamped from one set of operations, sign-in, documents; what is done later and again |
//! | 4 | `app`, `resources` | what is opened once; what the program keeps |
//! | 3 | `engine` | how every resource works |
//! | 2 | `audit`, `auth`, `outbox` | the seals over the audit log; who is calling, and how they prove it; messages to send after a commit |
//! | 1 | `db`, `paper`, `secrets`, `storage` | the one door for writes, the readers, migrations; documents to print; keys in files, and what is sealed with them; files on the disk |
//! | 0 | `actor`, `clock`, `config`, `error`, `kit` | words that all others use |
//!
//! A file imports from its own floor or lower ones; a test enforces it. A request goes face -> verb -> store. The panel is
//! a face of the API: it calls its operations, as whoever is signed in.

pub mod actor;
pub mod admin;
pub mod api;
pub mod app;
pub mod audit;
pub mod auth;
pub mod cli;
pub mod clock;
pub mod config;
pub mod db;
pub mod engine;
pub mod error;
pub mod jobs;
pub mod kit;
pub mod outbox;
pub mod paper;
pub mod resources;
pub mod secrets;
pub mod server;
pub mod storage;
