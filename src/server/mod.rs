//! The accept loop. poem's own server has no deadlines, so a handful of slow clients could hold it for ever.

mod body;
mod connection;
mod faces;

use std::{
    collections::HashMap,
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use poem::{Addr, Endpoint, web::LocalAddr};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use self::connection::connection;
pub use self::faces::endpoint;
use crate::auth::limits::network;

/// How long accepting rests when the system refuses, mostly for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(50);

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
