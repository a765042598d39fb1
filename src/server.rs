//! The accept loop. poem's own server has no deadlines, so a handful of slow clients could hold it for ever.
//!
//! hyper reads and writes HTTP/1.1. What happens on a connection is noted in its `State`, and one lazy timer for each connection
//! (`Watch`) compares that with the limits: a request costs neither a timer nor a lock, and no allocation unless it has a body.

use std::{
    any::Any,
    collections::HashMap,
    convert::Infallible,
    future::{Future, poll_fn},
    io,
    net::{IpAddr, SocketAddr},
    panic::AssertUnwindSafe,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_util::{FutureExt, Stream};
use hyper::{
    body::{Body, Bytes, Frame, Incoming, SizeHint},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use poem::{
    Addr, Endpoint, IntoResponse, Request, RequestParts, Response,
    http::{HeaderValue, header::CONNECTION, uri::Scheme},
    web::{LocalAddr, RemoteAddr},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{Instant, Sleep, sleep, sleep_until, timeout},
};

use crate::error::Error;

/// Request line and headers together; over it hyper answers 431. Their number is hyper's default of 100: setting it would cost an
/// allocation for each request.
const HEAD_BYTES: usize = 32 * 1024;
/// How long accepting rests when the system refuses, mostly for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(50);
/// How long an unread rest of a body is swallowed, so that the refusal arrives and not a reset.
const LINGER: Duration = Duration::from_secs(1);
/// How long a body that is still arriving may hold a shutdown.
const HALF_SENT: Duration = Duration::from_secs(2);

/// What one client, and all of them together, may take.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at once; more wait in the system's queue.
    pub connections: usize,
    /// Connections at once from one IPv4 address or IPv6 /64; 0 for no cap, as behind a proxy.
    pub per_address: usize,
    /// From accepting to the first byte.
    pub first_byte: Duration,
    /// From the first byte of a request to the end of its headers.
    pub header: Duration,
    /// From the end of the headers to the end of the body.
    pub body: Duration,
    /// Between requests, and for a client that does not take its response.
    pub idle: Duration,
    pub body_bytes: usize,
    /// For what is in flight when the server stops.
    pub shutdown: Duration,
}

/// Serves `endpoint` until `stop` resolves, then lets what is in flight finish. Make `listener` with `TcpSocket::listen` and a long
/// queue: with the short one of `TcpListener::bind`, a burst of clients loses SYNs and waits a second for each.
pub async fn serve<E: Endpoint + 'static>(
    listener: TcpListener,
    endpoint: E,
    limits: Limits,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let local = LocalAddr(Addr::SocketAddr(listener.local_addr()?));
    let slots = Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS)));
    let places = Arc::new(Places::default());
    let server = Arc::new(Server { endpoint, limits, local, stop: Arc::default() });
    let mut connections = JoinSet::new();
    let mut logged = None;
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            biased;
            () = &mut stop => break,
            Some(_) = connections.join_next() => {}
            (stream, peer, slot) = accept(&listener, &slots, &mut logged) => {
                if let Some(place) = Places::take(&places, peer.ip(), server.limits.per_address) {
                    connections.spawn(connection(server.clone(), stream, peer, (slot, place)));
                }
            }
        }
    }
    drop(listener);
    server.stop.start();
    let drained = timeout(server.limits.shutdown, async { while connections.join_next().await.is_some() {} }).await;
    if drained.is_err() {
        tracing::warn!(connections = connections.len(), "connections cut off at the end of the shutdown time");
        connections.shutdown().await;
    }
    Ok(())
}

/// The next connection. The slot comes first: without one, nothing is accepted. `logged` keeps a shortage from filling the log as well.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
    logged: &mut Option<Instant>,
) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    let Ok(slot) = slots.clone().acquire_owned().await else { std::future::pending().await };
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let _ = stream.set_nodelay(true);
                return (stream, peer, slot);
            }
            // The client has gone already.
            Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) => {}
            Err(error) => {
                if logged.is_none_or(|last| last.elapsed() >= Duration::from_secs(1)) {
                    *logged = Some(Instant::now());
                    tracing::error!(%error, "cannot accept connections");
                }
                sleep(PAUSE).await;
            }
        }
    }
}

/// What all connections share.
struct Server<E> {
    endpoint: E,
    limits: Limits,
    local: LocalAddr,
    stop: Arc<Stop>,
}

/// The server is stopping, and since when.
#[derive(Default)]
struct Stop {
    since: OnceLock<Instant>,
    notify: Notify,
}

impl Stop {
    fn start(&self) {
        let _ = self.since.set(Instant::now());
        self.notify.notify_waiters();
    }
}

/// How many connections each network has.
#[derive(Default)]
struct Places(Mutex<HashMap<IpAddr, usize>>);

/// One connection of a network; counted until dropped. `None` where there is no cap.
struct Place(Option<(Arc<Places>, IpAddr)>);

impl Places {
    /// `None` when the network has all its connections.
    fn take(places: &Arc<Self>, ip: IpAddr, cap: usize) -> Option<Place> {
        if cap == 0 {
            return Some(Place(None));
        }
        let network = network(ip);
        let mut counts = places.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(network).or_default();
        (*count < cap).then(|| {
            *count += 1;
            Place(Some((places.clone(), network)))
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((places, network)) = &self.0 else { return };
        let mut counts = places.0.lock().unwrap_or_else(PoisonError::into_inner);
        match counts.get_mut(network) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(counts.remove(network)),
        }
    }
}

/// An IPv6 customer has a /64, so that is what counts as one address.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6((u128::from(ip) >> 64 << 64).into()),
        v4 => v4,
    }
}

/// One connection, from the first byte to the last. `_held` is given back when it ends, however it ends.
async fn connection<E: Endpoint>(server: Arc<Server<E>>, stream: TcpStream, peer: SocketAddr, _held: (OwnedSemaphorePermit, Place)) {
    let state = Arc::new(State::default());
    let remote = RemoteAddr(Addr::SocketAddr(peer));
    let service = service_fn(|request| {
        // Here and not in the future, which hyper first polls once the response before it is written.
        state.enter(Phase::Busy);
        let (server, state, remote) = (server.clone(), state.clone(), remote.clone());
        async move {
            let response: hyper::Response<_> = respond(&server, &state, remote, request).await.into();
            Ok::<_, Infallible>(response.map(|body| Reply { body, state }))
        }
    });
    let io = TokioIo::new(Noted { stream, state: state.clone() });
    // No `pipeline_flush`: it withholds a response while the next request is half here, and buffers without bound.
    let mut http = http1::Builder::new();
    http.half_close(false).keep_alive(true).header_read_timeout(None).max_buf_size(HEAD_BYTES);
    let mut http = pin!(http.serve_connection(io, service));
    let alarm = pin!(sleep(server.limits.first_byte));
    let mut watch = Watch { limits: &server.limits, state: &state, alarm, step: 0, since: Instant::now() };
    let mut stop = pin!(server.stop.notify.notified());
    let (mut waits, mut stopping) = (false, false);
    poll_fn(|cx| {
        // Polling a `Notified` takes a lock that all connections share; registered once, `since` tells the rest.
        if !waits {
            waits = true;
            let _ = stop.as_mut().poll(cx);
        }
        // Twice at most: hyper needs a poll to act on `graceful_shutdown`.
        loop {
            if http.as_mut().poll(cx).is_ready() || watch.poll(cx).is_ready() {
                return Poll::Ready(());
            }
            if stopping || server.stop.since.get().is_none() {
                return Poll::Pending;
            }
            stopping = true;
            if !state.in_flight() {
                return Poll::Ready(());
            }
            http.as_mut().graceful_shutdown();
        }
    })
    .await;
}

/// The endpoint's response.
async fn respond<E: Endpoint>(server: &Server<E>, state: &State, remote: RemoteAddr, request: hyper::Request<Incoming>) -> Response {
    let (parts, body) = request.into_parts();
    let length = body.size_hint();
    let parts = RequestParts::from((parts, server.local.clone(), remote, Scheme::HTTP));
    if length.exact() == Some(0) {
        return call(&server.endpoint, Request::from_parts(parts, poem::Body::empty())).await;
    }
    let outcome = Arc::new(AtomicU8::new(UNFINISHED));
    let body = Inbound {
        body,
        left: server.limits.body_bytes,
        announced: length.lower() > server.limits.body_bytes as u64,
        due: Instant::now() + server.limits.body,
        alarm: None,
        outcome: outcome.clone(),
        stop: server.stop.clone(),
    };
    let mut response = call(&server.endpoint, Request::from_parts(parts, poem::Body::from_bytes_stream(body))).await;
    let outcome = outcome.load(Relaxed);
    state.linger.store(outcome != FINISHED, Relaxed);
    // Of a body that was not read to its end, the rest would be taken for the next request: hyper closes, and the client is told.
    if outcome != FINISHED {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// A panic ends the request, not the connection.
async fn call(endpoint: &impl Endpoint, request: Request) -> Response {
    match AssertUnwindSafe(endpoint.get_response(request)).catch_unwind().await {
        Ok(response) => response,
        Err(panic) => Error::Internal(format!("handler panicked: {}", panic_text(&*panic))).into_response(),
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no text")
}

/// How far reading a request body got.
const UNFINISHED: u8 = 0;
const FINISHED: u8 = 1;
const TOO_LARGE: u8 = 2;
const TIMED_OUT: u8 = 3;

/// A request body with a size and a deadline. A reader gets an error of kind `FileTooLarge` or `TimedOut`; `outcome` tells
/// `respond` what happened, whatever the handler made of it.
struct Inbound {
    body: Incoming,
    left: usize,
    /// Its announced length is too much already.
    announced: bool,
    due: Instant,
    /// Only once there is something to wait for: most bodies come with their head.
    alarm: Option<Pin<Box<Sleep>>>,
    outcome: Arc<AtomicU8>,
    stop: Arc<Stop>,
}

impl Inbound {
    fn fail(&self, outcome: u8, kind: io::ErrorKind) -> Poll<Option<io::Result<Bytes>>> {
        self.outcome.store(outcome, Relaxed);
        Poll::Ready(Some(Err(kind.into())))
    }

    fn poll_overdue(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let due = self.stop.since.get().map_or(self.due, |since| self.due.min(*since + HALF_SENT));
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if alarm.deadline() != due {
            alarm.as_mut().reset(due);
        }
        alarm.as_mut().poll(cx)
    }
}

impl Stream for Inbound {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.outcome.load(Relaxed) {
            // Before hyper is asked for more, which would tell the client to go on.
            UNFINISHED if self.announced => return self.fail(TOO_LARGE, io::ErrorKind::FileTooLarge),
            UNFINISHED => {}
            _ => return Poll::Ready(None),
        }
        loop {
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    // Trailers are of no interest.
                    let Ok(data) = frame.into_data() else { continue };
                    let Some(left) = self.left.checked_sub(data.len()) else {
                        return self.fail(TOO_LARGE, io::ErrorKind::FileTooLarge);
                    };
                    self.left = left;
                    return Poll::Ready(Some(Ok(data)));
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(io::Error::other(error)))),
                Poll::Ready(None) => {
                    self.outcome.store(FINISHED, Relaxed);
                    return Poll::Ready(None);
                }
                Poll::Pending => {
                    ready!(self.poll_overdue(cx));
                    return self.fail(TIMED_OUT, io::ErrorKind::TimedOut);
                }
            }
        }
    }
}

/// What a connection is doing, as far as its deadline depends on it.
#[derive(Clone, Copy, PartialEq)]
#[repr(u8)]
enum Phase {
    /// Nothing has arrived yet.
    Fresh,
    /// A request has begun to arrive.
    Head,
    /// A request is being answered.
    Busy,
    /// The response is handed over, if not yet taken.
    Idle,
    /// All is said; the rest of what the client sends is swallowed.
    Linger,
}

/// What the parts of a connection tell its `Watch`. All of them run in the connection's own task, so the order of the stores is plain;
/// they are atomic because that task moves between threads.
#[derive(Default)]
struct State {
    phase: AtomicU8,
    /// Counts what starts a deadline afresh.
    step: AtomicU32,
    /// The client does not take what is written.
    stalled: AtomicBool,
    /// The client may be sending still when the response is through.
    linger: AtomicBool,
}

impl State {
    fn is(&self, phase: Phase) -> bool {
        self.phase.load(Relaxed) == phase as u8
    }

    fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Relaxed);
        self.step();
    }

    fn step(&self) {
        self.step.store(self.step.load(Relaxed).wrapping_add(1), Relaxed);
    }

    /// More of a request arrived. Only its first byte starts the deadline, or a trickle would never end.
    fn received(&self) {
        if self.is(Phase::Idle) || self.is(Phase::Fresh) {
            self.enter(Phase::Head);
        }
    }

    /// The client took some of the response, or did not.
    fn written(&self, stalled: bool) {
        let before = self.stalled.swap(stalled, Relaxed);
        if !(self.is(Phase::Head) || before && stalled) {
            self.step();
        }
    }

    /// Is somebody owed a response, or the rest of one?
    fn in_flight(&self) -> bool {
        self.is(Phase::Busy) || self.stalled.load(Relaxed)
    }

    /// How long the present phase may last. A handler sets its own time.
    fn limit(&self, limits: &Limits) -> Option<Duration> {
        match self.phase.load(Relaxed) {
            phase if phase == Phase::Fresh as u8 => Some(limits.first_byte),
            phase if phase == Phase::Head as u8 => Some(limits.header),
            phase if phase == Phase::Linger as u8 => Some(LINGER),
            phase if phase == Phase::Busy as u8 && !self.stalled.load(Relaxed) => None,
            _ => Some(limits.idle),
        }
    }
}

/// The one timer of a connection. It is moved only when something is due earlier than it rings; ringing too early, it is set again.
/// So requests on a busy connection never touch the runtime's timers.
struct Watch<'a> {
    limits: &'a Limits,
    state: &'a State,
    alarm: Pin<&'a mut Sleep>,
    step: u32,
    since: Instant,
}

impl Watch<'_> {
    /// Ready when the connection has overstayed.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let step = self.state.step.load(Relaxed);
        if self.step != step {
            self.step = step;
            self.since = Instant::now();
        }
        let due = self.state.limit(self.limits).map(|limit| self.since + limit);
        if let Some(due) = due.filter(|due| *due < self.alarm.deadline()) {
            self.alarm.as_mut().reset(due);
        }
        loop {
            ready!(self.alarm.as_mut().poll(cx));
            match due {
                Some(due) if due <= self.alarm.deadline() => return Poll::Ready(()),
                Some(due) => self.alarm.as_mut().reset(due),
                None => self.alarm.as_mut().reset(Instant::now() + self.limits.idle),
            }
        }
    }
}

/// A response body that notes when hyper has taken all of it.
struct Reply<B> {
    body: B,
    state: Arc<State>,
}

impl<B> Drop for Reply<B> {
    fn drop(&mut self) {
        self.state.enter(Phase::Idle);
    }
}

impl<B: Body + Unpin> Body for Reply<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The socket, noting what goes through it.
struct Noted {
    stream: TcpStream,
    state: Arc<State>,
}

impl AsyncRead for Noted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.state.received();
        }
        read
    }
}

impl AsyncWrite for Noted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, data);
        self.state.written(written.is_pending());
        written
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, data);
        self.state.written(written.is_pending());
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Closing a socket with unread data resets it, and the client may lose the response: so the rest is read first, for a while.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, state } = &mut *self;
        if !state.is(Phase::Linger) {
            ready!(Pin::new(&mut *stream).poll_shutdown(cx))?;
            if !state.linger.load(Relaxed) {
                return Poll::Ready(Ok(()));
            }
            state.enter(Phase::Linger);
        }
        let mut scrap = [0; 4096];
        loop {
            let mut buffer = ReadBuf::new(&mut scrap);
            ready!(Pin::new(&mut *stream).poll_read(cx, &mut buffer))?;
            if buffer.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}
