//! The change feed over HTTP: server-sent events, for as long as the listener stays, may listen, and takes what is sent.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::stream;
use hyper::body::Bytes;
use poem::Result;
use poem_openapi::{
    Object, OpenApi,
    param::{Header, Query},
};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout_at},
};

use crate::{
    actor::Actor,
    app::App,
    auth::ticket::{LIFE, Listener},
    engine::{
        events::{self, ChangeEvent, Filter, MOST_BEHIND},
        query::Parameters,
        reply::{EventStream, Reply},
    },
    error::Error,
};

/// However fast commits follow each other, a feed looks for news no more often than this.
const PAUSE: Duration = Duration::from_millis(50);
/// Milliseconds after which a browser comes back.
const RETRY: u32 = 2000;
/// Seconds after which somebody who was turned away may find a place.
const FULL: u64 = 30;

/// A ticket for the change feed.
#[derive(Object)]
pub struct FeedTicket {
    /// What to send as `ticket`, once.
    pub ticket: String,
    /// Seconds that it is good for.
    pub expires_in: i64,
}

/// The operations of the change feed.
pub struct Events {
    app: App,
    feeds: Arc<Feeds>,
}

impl Events {
    pub fn new(app: &App) -> Self {
        let limits = &app.config.events;
        let feeds = Feeds { per_person: limits.per_person, total: limits.total, open: Mutex::default() };
        Self { app: app.clone(), feeds: Arc::new(feeds) }
    }
}

#[OpenApi]
impl Events {
    /// Follow what changes
    ///
    /// Server-sent events of whatever the caller may read: `created`, `updated`, `deleted`, `restored`, and `action` for what has a name of
    /// its own. An event says what was changed and by whom; read it again for what it now says. The ids of events ascend.
    ///
    /// Without `Last-Event-ID` the stream begins now, otherwise after that event; a stream that began can always be resumed where it
    /// ended. When too much has happened since, one event `reset` (data: `{"id": 5}`) says so: read again whatever is shown. The stream
    /// ends when the session or the token does.
    ///
    /// A browser's `EventSource` sends no token: get a ticket for each connection, and come back with a new one and `last_event_id`.
    #[oai(path = "/events", method = "get")]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the request")]
    async fn follow(
        &self,
        listener: Listener,
        /// Resources to hear of, separated by commas: `field/leads,field/visits`. All that may be read when left out.
        resource: Query<Option<String>>,
        /// The id or uuid of the only thing to hear of; needs one resource.
        id: Query<Option<String>>,
        /// Events to hear of, separated by commas: `created,deleted`.
        event: Query<Option<String>>,
        /// The last event that was seen, for clients that cannot send the header.
        last_event_id: Query<Option<String>>,
        /// The last event that was seen.
        #[oai(name = "Last-Event-ID")]
        last_event: Header<Option<String>>,
        /// A ticket, in place of a token; good once.
        #[oai(name = "ticket")]
        _ticket: Query<Option<String>>,
    ) -> Result<EventStream<ChangeEvent>> {
        let named = [("resource", resource.0), ("id", id.0), ("event", event.0)];
        let parameters: Parameters = named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
        let db = &self.app.db;
        let filter = db.read(|reader| Filter::parse(reader, &listener.actor, &parameters))?;
        let seen = last_event.0.or(last_event_id.0).filter(|id| !id.trim().is_empty()).map(|id| number(&id)).transpose()?;
        let place = Feeds::take(&self.feeds, listener.actor.user_id.unwrap_or_default())?;
        // Before looking where the trail ends: what is committed in between then wakes.
        let changes = db.changes("audit_log")?;
        let newest = db.read(events::newest)?;
        let missed = seen.filter(|seen| newest - seen > MOST_BEHIND || *seen > newest);
        let last = if missed.is_some() { newest } else { seen.unwrap_or(newest) };
        let mut opening = format!(": what changes\nretry: {RETRY}\nid: {last}\n\n");
        if missed.is_some() {
            opening += &format!("id: {last}\nevent: reset\ndata: {{\"id\":{last}}}\n\n");
        }
        let beat = Duration::from_secs(self.app.config.events.heartbeat_seconds);
        let feed = Feed {
            listener,
            filter,
            changes,
            opening: Some(opening),
            last,
            told: last,
            more: last < newest,
            looked: Instant::now(),
            beat,
            due: Instant::now() + beat,
            _place: place,
        };
        Ok(EventStream::new(stream::unfold(feed, Feed::next)))
    }

    /// Get a ticket for the change feed
    ///
    /// For a browser's `EventSource`: the feed as the caller, in the business they act in now. Good once, and for seconds.
    #[oai(path = "/events/ticket", method = "post")]
    async fn ticket(&self, listener: Listener) -> Result<Reply<FeedTicket>> {
        Filter::default().check(&listener.actor)?;
        let ticket = listener.gate().tickets.issue(listener.credentials.clone(), &listener.actor)?;
        Ok(Reply::json(&serde_json::json!({"ticket": ticket, "expires_in": LIFE})))
    }
}

fn number(text: &str) -> Result<i64, Error> {
    text.trim().parse().ok().filter(|id| *id >= 0).ok_or_else(|| Error::field("last_event_id", "Enter the id of an event."))
}

/// One listener's stream. It is asked for more when there is room to write it, so whoever does not read costs nothing, and the
/// connection's own deadline ends it.
struct Feed {
    listener: Listener,
    filter: Filter,
    changes: watch::Receiver<()>,
    opening: Option<String>,
    /// The last entry of the trail that was looked at.
    last: i64,
    /// The last of them that the client knows.
    told: i64,
    /// There is more to look at than was.
    more: bool,
    looked: Instant,
    /// How often something is sent at least, and when next.
    beat: Duration,
    due: Instant,
    _place: Place,
}

impl Feed {
    /// What to send next; `None` ends the stream.
    async fn next(mut self) -> Option<(io::Result<Bytes>, Self)> {
        let text = match self.opening.take() {
            Some(opening) => opening,
            None => self.news().await?,
        };
        self.due = Instant::now() + self.beat;
        self.told = self.last;
        Some((Ok(text.into()), self))
    }

    async fn news(&mut self) -> Option<String> {
        loop {
            if !self.more {
                match timeout_at(self.due, self.changes.changed()).await {
                    Ok(changed) => {
                        changed.ok()?;
                        sleep_until(self.looked + PAUSE).await;
                        self.changes.mark_unchanged();
                    }
                    // Nothing for so long: is anybody there, and may they still listen?
                    Err(_) => {
                        self.check()?;
                        return Some(self.heartbeat());
                    }
                }
            }
            let actor = self.check()?;
            self.looked = Instant::now();
            let db = &self.listener.gate().db;
            let news = match db.snapshot(|reader| events::since(reader, &actor, &self.filter, self.last)) {
                Ok(news) => news,
                Err(error) => {
                    tracing::warn!(%error, "a change feed ended");
                    return None;
                }
            };
            (self.last, self.more) = (news.last, news.more);
            if !news.text.is_empty() {
                return Some(news.text);
            }
            if Instant::now() >= self.due {
                return Some(self.heartbeat());
            }
        }
    }

    /// Who is listening, if they still may.
    fn check(&self) -> Option<Actor> {
        let actor = self.listener.now().ok()?;
        self.filter.check(&actor).ok()?;
        Some(actor)
    }

    /// A comment; with what was looked at meanwhile, so that a resumed stream does not look at it again.
    fn heartbeat(&self) -> String {
        if self.told == self.last { ":\n\n".to_owned() } else { format!(":\nid: {}\n\n", self.last) }
    }
}

/// How many feeds each person has open.
struct Feeds {
    per_person: usize,
    total: usize,
    open: Mutex<HashMap<i64, usize>>,
}

/// One feed of a person; counted until dropped.
struct Place(Arc<Feeds>, i64);

impl Feeds {
    fn take(feeds: &Arc<Self>, person: i64) -> Result<Place, Error> {
        let mut open = feeds.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.values().sum::<usize>() >= feeds.total {
            return Err(Error::Unavailable(FULL));
        }
        let count = open.entry(person).or_default();
        if *count >= feeds.per_person {
            return Err(Error::TooMany(FULL));
        }
        *count += 1;
        Ok(Place(feeds.clone(), person))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        match open.get_mut(&self.1) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(open.remove(&self.1)),
        }
    }
}
