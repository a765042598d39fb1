//! The admin panel: what people in the office use all day, as pages made on the server.
//!
//! It has no fields and no rules of its own. Fields, choices and help come from the engine's descriptors; everything is read and
//! written through the operations of the API (`call`), as whoever is signed in, so that rights, checks, texts, audit and tenancy are the
//! API's. `session` says who that is; `frame` is what all pages share, `routes` which page a path is.
//!
//! `list`, `filters`, `counts`, `bulk`, `record`, `form`, `delete`, `timeline` and `operations` are the pages of a resource; `widgets` asks
//! for fields, `groups` puts together what belongs together, `input` reads what was given, `cells` shows them. `import` brings files in,
//! `shelf` keeps what is half done. `administration` has the pages for those who run the business; `confirm` asks for the password again
//! where the API does. `home` shows `figures`, which `glance` comes by; it, `search`, `profile`, `passkeys`, `sign_in` and `start` are
//! pages of their own.
//!
//! All of the panel's own words go through `languages`. A language is added by a catalogue, `languages/<code>.json`, one text a line, made
//! from a copy of the one that is there, and a line in `languages::FILES`; a test says which texts a catalogue lacks, and which are no longer
//! used. Names of resources, fields and choices, which are the descriptors', have theirs in it as well, as far as they are known: another
//! test tells which are not. Help and the rarer refusals of the API are English, and marked as such.

mod administration;
mod assets;
mod bulk;
mod call;
mod cells;
mod confirm;
mod counts;
mod delete;
mod detour;
mod figures;
mod filters;
mod form;
mod frame;
mod glance;
mod groups;
mod home;
mod import;
mod input;
mod languages;
mod list;
mod merge;
mod operations;
mod passkeys;
mod profile;
mod record;
mod routes;
mod search;
mod session;
mod shelf;
mod sign_in;
mod start;
mod timeline;
mod widgets;

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use minijinja::Environment;
use moka::sync::Cache;
use poem::{Request, Response, endpoint::BoxEndpoint};
use serde_json::Value as Json;

use self::{languages::Language, operations::Operations, session::Access, shelf::Shelf};
use crate::app::App;

/// The panel. It answers whatever is below `/admin/`.
pub struct Panel {
    app: App,
    /// The operations of the API.
    api: Arc<BoxEndpoint<'static>>,
    /// The templates, in each language that somebody has asked for.
    pages: Vec<(&'static Language, OnceLock<Environment<'static>>)>,
    /// Access tokens by the cookie that they were given for.
    access: Cache<String, Arc<Access>>,
    /// Makes the OpenAPI document, in which the actions are described.
    document: fn(&str) -> Json,
    operations: Arc<OnceLock<Operations>>,
    is_prepared: AtomicBool,
    /// Files that were looked at, before they are imported.
    sheets: Shelf<import::Sheet>,
    /// How many things wait for whom in which business, and when they were counted.
    waiting: Cache<(i64, i64), (u64, Instant)>,
    /// What was counted of very many rows, and when.
    counts: Cache<String, (Arc<Json>, Instant)>,
    /// Forms that were left to make what they refer to.
    detours: Shelf<detour::Detour>,
}

impl Panel {
    pub fn new(app: &App, api: Arc<BoxEndpoint<'static>>, document: fn(&str) -> Json) -> Self {
        let life = Duration::from_secs(app.config.auth.access_seconds);
        let access = Cache::builder().max_capacity(10_000).time_to_live(life).build();
        Self {
            app: app.clone(),
            api,
            pages: languages::all().iter().map(|language| (language, OnceLock::new())).collect(),
            access,
            document,
            operations: Arc::default(),
            is_prepared: AtomicBool::new(false),
            sheets: Shelf::new(64 << 20, Duration::from_secs(1800)),
            waiting: Cache::builder().max_capacity(10_000).time_to_live(Duration::from_secs(3600)).build(),
            counts: Cache::builder().max_capacity(10_000).time_to_live(Duration::from_secs(86_400)).build(),
            detours: Shelf::new(16 << 20, Duration::from_secs(7200)),
        }
    }

    /// Answers a request; whatever goes wrong is a page as well.
    pub async fn answer(&self, request: Request) -> Response {
        routes::answer(self, request).await
    }

    /// The templates in a language.
    fn pages_in(&self, language: &Language) -> &Environment<'static> {
        let own = self.pages.iter().find(|(known, _)| known.code == language.code);
        let (language, pages) = own.unwrap_or(&self.pages[0]);
        pages.get_or_init(|| frame::pages(language))
    }

    /// What can be done with single records, as the API describes it.
    fn operations(&self) -> &Operations {
        self.operations.get_or_init(|| Operations::of(&(self.document)(&self.app.config.api.title)))
    }

    /// Reads the document while somebody looks at the first page, where they sign in: it takes longer than all of the next one.
    fn prepare(&self) {
        if !self.is_prepared.swap(true, Ordering::Relaxed) {
            let (operations, document, title) = (self.operations.clone(), self.document, self.app.config.api.title.clone());
            tokio::task::spawn_blocking(move || {
                operations.get_or_init(|| Operations::of(&document(&title)));
            });
        }
    }
}
