//! The socket in the data folder on which a server takes tasks: a request is one line of JSON, and so is the answer. Only the
//! owner of the data folder can reach it.

use std::{
    fs::{self, File, Permissions},
    io::{self, BufRead, BufReader, Write},
    os::{
        fd::AsRawFd,
        unix::{
            fs::{MetadataExt, PermissionsExt},
            net,
        },
    },
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader as AsyncBufReader},
    net::{UnixListener, UnixStream},
    task::{self, JoinHandle},
    time::{sleep, timeout},
};

use super::{Failure, Outcome, control::Task};
use crate::app::App;

const NAME: &str = "studio.sock";
/// The longest request.
const REQUEST_BYTES: u64 = 64 * 1024;
/// How long a request may take to arrive.
const REQUEST_TIME: Duration = Duration::from_secs(5);
/// How long an answer may take: checking a large database reads all of it.
const ANSWER_TIME: Duration = Duration::from_secs(600);
/// The longest path that fits a socket's address on every Unix.
const PATH_BYTES: usize = 100;
/// How long accepting rests when the system refuses.
const PAUSE: Duration = Duration::from_millis(100);

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reply {
    Lines(Vec<String>),
    Error(String),
}

/// Calls `work` with the path of the socket. One too long for a socket's address goes through the opened folder.
fn reach<T>(folder: &Path, work: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    let path = folder.join(NAME);
    if path.as_os_str().len() <= PATH_BYTES {
        return work(&path);
    }
    let folder = File::open(folder)?;
    work(&PathBuf::from(format!("/proc/self/fd/{}/{NAME}", folder.as_raw_fd())))
}

/// The command's end of the socket; refused while nobody listens.
pub fn connect(folder: &Path) -> io::Result<net::UnixStream> {
    reach(folder, |path| net::UnixStream::connect(path))
}

/// Has the server do a task.
pub fn ask(stream: &net::UnixStream, task: &Task) -> Outcome<Vec<String>> {
    let talk = || -> io::Result<Reply> {
        stream.set_read_timeout(Some(ANSWER_TIME))?;
        stream.set_write_timeout(Some(REQUEST_TIME))?;
        (&mut &*stream).write_all((serde_json::to_string(task)? + "\n").as_bytes())?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    };
    match talk() {
        Ok(Reply::Lines(lines)) => Ok(lines),
        Ok(Reply::Error(text)) => Err(Failure::new(text)),
        Err(error) => Err(Failure::busy(format!("the running server gave no answer: {error}"))),
    }
}

/// The server's side; ends when dropped.
pub struct Control(JoinHandle<()>, PathBuf);

impl Drop for Control {
    fn drop(&mut self) {
        self.0.abort();
        let _ = fs::remove_file(&self.1);
    }
}

/// Takes tasks from now on. Without a socket the server works all the same.
pub fn listen(app: &App) -> Option<Control> {
    let folder = &app.config.data.folder;
    let bound = reach(folder, |path| {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        fs::set_permissions(path, Permissions::from_mode(0o600))?;
        Ok((listener, fs::symlink_metadata(path)?.uid()))
    });
    match bound {
        Ok((listener, owner)) => Some(Control(tokio::spawn(accept(listener, owner, app.clone())), folder.join(NAME))),
        Err(error) => {
            tracing::warn!(%error, "no {NAME}: commands on this data folder have to wait until the server stops");
            None
        }
    }
}

async fn accept(listener: UnixListener, owner: u32, app: App) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            sleep(PAUSE).await;
            continue;
        };
        // Also those who were quicker than the mode of the file.
        if stream.peer_cred().is_ok_and(|peer| peer.uid() == owner || peer.uid() == 0) {
            tokio::spawn(answer(stream, app.clone()));
        }
    }
}

async fn answer(mut stream: UnixStream, app: App) {
    let mut line = String::new();
    let request = (&mut stream).take(REQUEST_BYTES);
    let Ok(Ok(_)) = timeout(REQUEST_TIME, AsyncBufReader::new(request).read_line(&mut line)).await else { return };
    let reply = match serde_json::from_str::<Task>(&line) {
        Ok(task) => match task::spawn_blocking(move || task.run(&app)).await {
            Ok(Ok(lines)) => Reply::Lines(lines),
            Ok(Err(error)) => Reply::Error(error.to_string()),
            Err(_) => Reply::Error("the server failed; its log says why".into()),
        },
        Err(_) => Reply::Error("the running server is of another version and does not know this command; restart it".into()),
    };
    let reply = serde_json::to_string(&reply).unwrap_or_default() + "\n";
    let _ = timeout(REQUEST_TIME, stream.write_all(reply.as_bytes())).await;
}
