//! One connection: what happens on it, and when it has lasted too long.
//!
//! hyper reads and writes HTTP/1.1. What happens on a connection is noted in its `State`, and one lazy timer for each connection
//! (`Watch`) compares that with the limits: a request costs neither a timer nor a lock, and no allocation unless it has a body.

use std::{
    any::Any,
    convert::Infallible,
    future::{Future, poll_fn},
    io,
    net::SocketAddr,
    panic::AssertUnwindSafe,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_util::FutureExt;
use hyper::{
    body::{Body, Frame, Incoming, SizeHint},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use poem::{
    Addr, Endpoint, IntoResponse, Request, RequestParts, Response,
    http::{
        HeaderValue,
        header::{CONNECTION, CONTENT_TYPE},
        uri::Scheme,
    },
    web::RemoteAddr,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::OwnedSemaphorePermit,
    time::{Instant, Sleep, sleep},
};

use super::{
    Limits, Place, Server, Stop,
    body::{FINISHED, Inbound, UNFINISHED},
};
use crate::{api, engine::upload::BodyLimit, error::Error};

/// Request line and headers together; over it hyper answers 431. Their number is hyper's default of 100: setting it would cost an
/// allocation for each request.
const HEAD_BYTES: usize = 32 * 1024;
/// How long an unread rest of a body is swallowed, so that the refusal arrives and not a reset.
const LINGER: Duration = Duration::from_secs(1);

/// One connection, from the first byte to the last. `_held` is given back when it ends, however it ends.
pub(super) async fn connection<E: Endpoint>(
    server: Arc<Server<E>>,
    stream: TcpStream,
    peer: SocketAddr,
    _held: (OwnedSemaphorePermit, Place),
) {
    let state = Arc::new(State::default());
    let remote = RemoteAddr(Addr::SocketAddr(peer));
    let service = service_fn(|request| {
        // Here and not in the future, which hyper first polls once the response before it is written.
        state.enter(Phase::Busy);
        let (server, state, remote) = (server.clone(), state.clone(), remote.clone());
        async move {
            let response: hyper::Response<_> = respond(&server, &state, remote, request).await.into();
            let endless = is_endless(&response).then(|| server.stop.clone());
            state.endless.store(endless.is_some(), Relaxed);
            Ok::<_, Infallible>(response.map(|body| Reply { body, state, endless }))
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
        // Before hyper is polled: an answer that it now finishes says that the connection closes.
        if !stopping && server.stop.since.get().is_some() {
            stopping = true;
            if !state.in_flight() {
                return Poll::Ready(());
            }
            http.as_mut().graceful_shutdown();
        }
        let over = http.as_mut().poll(cx).is_ready() || watch.poll(cx).is_ready();
        // Whoever does not take the end of a stream gets none.
        if over || stopping && state.endless.load(Relaxed) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// The endpoint's response.
async fn respond<E: Endpoint>(server: &Server<E>, state: &State, remote: RemoteAddr, request: hyper::Request<Incoming>) -> Response {
    let (parts, body) = request.into_parts();
    let parts = RequestParts::from((parts, server.local.clone(), remote, Scheme::HTTP));
    if body.size_hint().exact() == Some(0) {
        return call(&server.endpoint, Request::from_parts(parts, poem::Body::empty())).await;
    }
    let outcome = Arc::new(AtomicU8::new(UNFINISHED));
    let limit = BodyLimit::new(server.limits.body_bytes);
    let body = Inbound::new(body, &server.limits, limit.clone(), outcome.clone(), server.stop.clone());
    let mut request = Request::from_parts(parts, poem::Body::from_bytes_stream(body));
    request.extensions_mut().insert(limit);
    let mut response = call(&server.endpoint, request).await;
    let outcome = outcome.load(Relaxed);
    state.linger.store(outcome != FINISHED, Relaxed);
    // Of a body that was not read to its end, the rest would be taken for the next request: hyper closes, and the client is told.
    if outcome != FINISHED {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// A stream of events lasts as long as the connection: the server's end is its end.
fn is_endless<B>(response: &hyper::Response<B>) -> bool {
    response.headers().get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"))
}

/// A panic ends the request, not the connection.
async fn call(endpoint: &impl Endpoint, request: Request) -> Response {
    match AssertUnwindSafe(endpoint.get_response(request)).catch_unwind().await {
        Ok(response) => response,
        Err(panic) => {
            let mut response = Error::Internal(format!("handler panicked: {}", panic_text(&*panic))).into_response();
            api::protect(response.headers_mut());
            response
        }
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no text")
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
    /// The response has no end of its own.
    endless: AtomicBool,
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
    /// What ends a body that has no end of its own.
    endless: Option<Arc<Stop>>,
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
        if self.endless.as_ref().is_some_and(|stop| stop.since.get().is_some()) {
            return Poll::Ready(None);
        }
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
