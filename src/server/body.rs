//! A request body as it arrives, with a size and a deadline.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_util::Stream;
use hyper::body::{Body, Bytes, Incoming};
use tokio::time::{Instant, Sleep, sleep_until};

use super::{Limits, Stop};
use crate::engine::upload::BodyLimit;

/// How long a body that is still arriving may hold a shutdown.
const HALF_SENT: Duration = Duration::from_secs(2);

/// A body that is larger than usual has a second more for each so many bytes that arrived.
const SLOWEST: usize = 64 * 1024;

/// How far reading a request body got.
pub(super) const UNFINISHED: u8 = 0;
pub(super) const FINISHED: u8 = 1;
const TOO_LARGE: u8 = 2;
const TIMED_OUT: u8 = 3;

/// A request body with a size and a deadline. A reader gets an error of kind `FileTooLarge` or `TimedOut`; `outcome` tells
/// `respond` what happened, whatever the handler made of it.
pub(super) struct Inbound {
    body: Incoming,
    limit: BodyLimit,
    /// The limit as it was, and what has been read.
    usual: usize,
    received: usize,
    /// The length that it was announced with.
    announced: u64,
    due: Instant,
    /// Only once there is something to wait for: most bodies come with their head.
    alarm: Option<Pin<Box<Sleep>>>,
    outcome: Arc<AtomicU8>,
    stop: Arc<Stop>,
}

impl Inbound {
    pub(super) fn new(body: Incoming, limits: &Limits, limit: BodyLimit, outcome: Arc<AtomicU8>, stop: Arc<Stop>) -> Self {
        let announced = body.size_hint().lower();
        let due = Instant::now() + limits.body;
        Self { body, usual: limit.bytes(), limit, received: 0, announced, due, alarm: None, outcome, stop }
    }

    fn fail(&self, outcome: u8, kind: io::ErrorKind) -> Poll<Option<io::Result<Bytes>>> {
        self.outcome.store(outcome, Relaxed);
        Poll::Ready(Some(Err(kind.into())))
    }

    fn poll_overdue(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // A large body has longer the more of it has arrived: who sends is waited for, who stops is not.
        let longer = if self.limit.bytes() > self.usual { self.received / SLOWEST } else { 0 };
        let due = self.due + Duration::from_secs(longer as u64);
        let due = self.stop.since.get().map_or(due, |since| due.min(*since + HALF_SENT));
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
            UNFINISHED if self.announced > self.limit.bytes() as u64 => return self.fail(TOO_LARGE, io::ErrorKind::FileTooLarge),
            UNFINISHED => {}
            _ => return Poll::Ready(None),
        }
        loop {
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    // Trailers are of no interest.
                    let Ok(data) = frame.into_data() else { continue };
                    self.received += data.len();
                    if self.received > self.limit.bytes() {
                        return self.fail(TOO_LARGE, io::ErrorKind::FileTooLarge);
                    }
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
