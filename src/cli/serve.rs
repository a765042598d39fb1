//! `studio serve`: the server, from opening the data folder to the last write.

use std::{net::SocketAddr, time::Duration};

use clap::Args;
use tokio::{
    net::{TcpListener, TcpSocket},
    runtime,
    signal::unix::{Signal, SignalKind, signal},
};

use super::{
    Failure, Outcome, Place,
    control::{self, Holder},
    log, say, socket,
};
use crate::{
    app::App,
    config, jobs,
    server::{self, Limits},
};

/// Connections that the system keeps for us while we are not accepting.
const BACKLOG: u32 = 4096;
/// How long work that nobody waits for any more may hold the end of the process.
const LEFTOVERS: Duration = Duration::from_secs(5);
/// How often memory is given back.
const TIDYING: Duration = Duration::from_secs(15);

#[derive(Args)]
#[command(after_help = "Examples:\n  studio serve\n  studio serve --address 127.0.0.1:9000 --data /var/lib/studio")]
pub struct Serve {
    /// Listen on this IP address and port (the setting server.address); port 0 takes any free one.
    #[arg(long, value_name = "ADDRESS")]
    address: Option<String>,
}

impl Serve {
    pub fn run(self, place: &Place) -> Outcome {
        let flags: Vec<_> = self.address.map(|address| ("server.address", address)).into_iter().collect();
        let config = place.load(&flags)?.config;
        log::start(&config.log);
        std::panic::set_hook(Box::new(|panic| tracing::error!(%panic, "panicked")));
        let Holder::Us(app) = control::hold(&config)? else { return Err(control::busy(&config)) };
        let runtime = runtime::Builder::new_multi_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::new(format!("cannot start threads: {error}")))?;
        let served = runtime.block_on(serve(&app, place));
        // Whatever else holds the application ends here; with `app`, the last, the writer finishes and the database is closed.
        runtime.shutdown_timeout(LEFTOVERS);
        drop(app);
        served
    }
}

async fn serve(app: &App, place: &Place) -> Outcome {
    let signals = Signals::new().map_err(|error| Failure::new(format!("cannot wait for signals: {error}")))?;
    // Before listening: it takes a moment, and nobody should wait for it.
    let endpoint = server::endpoint(app);
    let address = app.config.server.address;
    let listener = listen(address).map_err(|error| Failure::new(format!("cannot listen on {address}: {error}")))?;
    let control = socket::listen(app);
    let jobs = jobs::start(app)?;
    let tidying = tokio::spawn(tidy());
    greet(app, place, listener.local_addr().unwrap_or(address))?;
    let served = server::serve(listener, endpoint, limits(&app.config.server), signals.stop()).await;
    drop(control);
    tidying.abort();
    jobs.stop().await;
    served.map_err(|error| Failure::new(format!("the server failed: {error}")))
}

/// Has the allocator give back what nobody uses. It does so some seconds after it was freed, but only while other things are freed: a
/// server that is asked nothing would keep all that its start took.
async fn tidy() {
    loop {
        tokio::time::sleep(TIDYING).await;
        drop(std::hint::black_box(Vec::<u8>::with_capacity(1 << 20)));
    }
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn limits(server: &config::Server) -> Limits {
    Limits {
        connections: server.max_connections,
        // Behind a proxy, all connections come from its address.
        per_address: if server.trusted_proxies.is_empty() { server.max_connections_per_address } else { 0 },
        first_byte: Duration::from_secs(server.first_byte_seconds),
        header: Duration::from_secs(server.header_seconds),
        body: Duration::from_secs(server.body_seconds),
        idle: Duration::from_secs(server.idle_seconds),
        body_bytes: server.body_limit_bytes,
        shutdown: Duration::from_secs(server.shutdown_seconds),
    }
}

/// Says where everything is.
fn greet(app: &App, place: &Place, local: SocketAddr) -> Outcome {
    let base = match app.config.server.base_url.as_str() {
        "" => format!("http://{local}"),
        base => base.to_owned(),
    };
    let folder = &app.config.data.folder;
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.clone());
    let mut text = format!("studio {} listens on {local}\n  API        {base}/api/\n", env!("CARGO_PKG_VERSION"));
    if app.config.api.docs {
        text += &format!("  Documents  {base}/api/docs/  {base}/api/redoc/  {base}/api/schema/\n");
    }
    text += &format!("  Data       {}\n", folder.display());
    text += &format!("  Panel      {base}/admin/\n");
    if let Some(token) = app.first.token() {
        let config = place.config.as_ref().map(|file| format!(" --config {}", file.display())).unwrap_or_default();
        let data = place.data.as_ref().map(|folder| format!(" --data {folder}")).unwrap_or_default();
        text += &format!("There is no administrator yet. Open this link, which is good once, to begin:\n  {base}/admin/start/{token}/\n");
        text += &format!("or make one in another terminal: studio createsuperuser{config}{data}\n");
    }
    say(&text)
}

/// What asks the server to stop.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// The exit code of a process that the next signal ends.
    async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.terminate.recv() => 143,
            _ = self.interrupt.recv() => 130,
        }
    }

    /// Resolves at the first signal; a second one ends the process there and then.
    async fn stop(mut self) {
        self.next().await;
        tracing::info!("stopping; another signal stops at once");
        tokio::spawn(async move { std::process::exit(self.next().await) });
    }
}
