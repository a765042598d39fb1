//! Passwords: Argon2id hashes as PHC strings, a bounded pool of threads to compute them, and what a new password may not be (`rules`).

mod rules;

use std::{
    hint::black_box,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, LazyLock, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread,
};

use argon2::{Algorithm, Argon2, Params, PasswordHash, PasswordHasher, PasswordVerifier, Version, password_hash};
use tokio::sync::oneshot;

pub use self::rules::check;
use self::rules::prepared;
use crate::error::{Error, Result};

/// Memory of one run, in KiB (19 MiB), with two passes and one lane: OWASP's first choice for Argon2id.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const OUTPUT_BYTES: usize = 32;
const SALT_BYTES: usize = 16;

/// A stored hash that asks for more than this (256 MiB, 16 passes, 16 lanes) is not run: the row was tampered with.
const MAX_MEMORY_KIB: u32 = 262_144;
const MAX_PASSES: u32 = 16;
const MAX_LANES: u32 = 16;

/// What is verified when there is no usable hash. Whatever it matches, the answer is no.
const DUMMY: &str = "$argon2id$v=19$m=19456,t=2,p=1$c3R1ZGlvLW5vLXN1Y2gtLQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Seconds a caller is told to wait when the queue of hashes is full.
const RETRY_SECONDS: u64 = 2;

static ARGON: LazyLock<Argon2<'static>> = LazyLock::new(|| {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(OUTPUT_BYTES)).expect("the parameters are constants within Argon2's limits");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
});

/// The hash to store for a password: Argon2id v1.3 (RFC 9106), 19 MiB, 2 passes, 1 lane, a random salt of 16 bytes, 32 bytes of output, as
/// a PHC string. Takes tens of milliseconds of one core; inside the server use [`Hasher::hash`].
///
/// # Errors
/// [`Error::Internal`] when the system has no random bytes or no memory.
pub fn hash(password: impl AsRef<str>) -> Result<String> {
    let mut salt = [0; SALT_BYTES];
    getrandom::fill(&mut salt).map_err(|error| Error::internal(format!("No random bytes for a salt: {error}.")))?;
    let hashed: PasswordHash = ARGON
        .hash_password_with_salt(prepared(password.as_ref()).as_bytes(), &salt)
        .map_err(|error| Error::internal(format!("A password could not be hashed: {error}.")))?;
    Ok(hashed.to_string())
}

/// Does the password belong to this stored PHC string? The string's own parameters are used, within limits.
///
/// With no string (no such user), or one that cannot be read or run, one verification of a fixed dummy hash is run and the answer is
/// `false`: the time taken does not tell whether the user exists.
pub fn verify(password: impl AsRef<str>, phc: Option<&str>) -> bool {
    let password = prepared(password.as_ref());
    let password = password.as_bytes();
    match phc.and_then(readable).map(|hash| ARGON.verify_password(password, &hash)) {
        Some(Ok(())) => true,
        Some(Err(password_hash::Error::PasswordInvalid)) => false,
        // No hash, or one that argon2 refuses before it starts.
        None | Some(Err(_)) => {
            if let Some(dummy) = readable(DUMMY) {
                let _ = black_box(ARGON.verify_password(black_box(password), &dummy));
            }
            false
        }
    }
}

/// The parsed string, if it is a complete Argon2 hash with parameters within our limits.
fn readable(phc: &str) -> Option<PasswordHash> {
    let hash = PasswordHash::new(phc).ok()?;
    let params = Params::try_from(&hash).ok()?;
    let sane = params.m_cost() <= MAX_MEMORY_KIB && params.t_cost() <= MAX_PASSES && params.p_cost() <= MAX_LANES;
    (sane && hash.algorithm.as_str().starts_with("argon2") && hash.salt.is_some() && hash.hash.is_some()).then_some(hash)
}

enum Job {
    Hash { password: String, answer: oneshot::Sender<Result<String>> },
    Verify { password: String, phc: Option<String>, answer: oneshot::Sender<bool> },
}

impl Job {
    /// Does the work, unless whoever asked has gone away.
    fn run(self) {
        match self {
            Self::Hash { password, answer } if !answer.is_closed() => drop(answer.send(hash(password))),
            Self::Verify { password, phc, answer } if !answer.is_closed() => drop(answer.send(verify(password, phc.as_deref()))),
            Self::Hash { .. } | Self::Verify { .. } => {}
        }
    }
}

/// A pool of threads of its own for hashing, with a bounded queue: a flood of logins can neither hold up the async runtime nor take more
/// memory than 19 MiB for each thread. Clones share the pool; its threads end when the last clone is dropped.
#[derive(Clone)]
pub struct Hasher {
    jobs: SyncSender<Job>,
}

impl Hasher {
    /// Starts `threads` threads (0: as many as the machine has cores for us but one, which is left for everything
    /// else while somebody guesses) with room for `queue` waiting jobs (at least one).
    ///
    /// # Errors
    /// [`Error::Internal`] when the system refuses a thread.
    pub fn new(threads: usize, queue: usize) -> Result<Self> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let threads = if threads == 0 { (cores - 1).max(1) } else { threads };
        let (jobs, waiting) = sync_channel(queue.max(1));
        let waiting = Arc::new(Mutex::new(waiting));
        for number in 0..threads {
            let waiting = Arc::clone(&waiting);
            thread::Builder::new()
                .name(format!("password-{number}"))
                .spawn(move || work(&waiting))
                .map_err(|error| Error::internal(format!("A thread for passwords could not be started: {error}.")))?;
        }
        Ok(Self { jobs })
    }

    /// [`hash`] on the pool.
    ///
    /// # Errors
    /// [`Error::Unavailable`] (2 seconds) when the queue is full; those of [`hash`].
    pub async fn hash(&self, password: String) -> Result<String> {
        let (answer, answered) = oneshot::channel();
        self.send(Job::Hash { password, answer })?;
        answered.await.map_err(|_| lost())?
    }

    /// [`verify`] on the pool.
    ///
    /// # Errors
    /// [`Error::Unavailable`] (2 seconds) when the queue is full.
    pub async fn verify(&self, password: String, phc: Option<String>) -> Result<bool> {
        let (answer, answered) = oneshot::channel();
        self.send(Job::Verify { password, phc, answer })?;
        answered.await.map_err(|_| lost())
    }

    fn send(&self, job: Job) -> Result<()> {
        self.jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => Error::Unavailable(RETRY_SECONDS),
            TrySendError::Disconnected(_) => lost(),
        })
    }
}

fn lost() -> Error {
    Error::internal("A password job ended without an answer.")
}

/// One thread: a job at a time until the last [`Hasher`] is gone. A job that panics loses its answer and not the thread.
fn work(waiting: &Mutex<Receiver<Job>>) {
    loop {
        // The guard is a temporary of this statement: the lock is held while waiting for a job and not while doing it.
        let received = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = received else { return };
        let _ = catch_unwind(AssertUnwindSafe(|| job.run()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    #[test]
    fn hashes_have_the_parameters_and_verify() {
        let stored = hash("correct horse").unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        let (salt, output) = stored.rsplit_once('$').map(|(head, output)| (head.rsplit_once('$').unwrap().1, output)).unwrap();
        assert_eq!((salt.len(), output.len()), (22, 43)); // base64 of 16 and of 32 bytes
        assert_ne!(stored, hash("correct horse").unwrap());
        assert!(verify("correct horse", Some(&stored)));
        assert!(!verify("correct horse ", Some(&stored)));
        assert!(!verify("Correct horse", Some(&stored)));
        let accented = hash("cafe\u{301} noisette").unwrap();
        assert!(verify("café\u{a0}noisette", Some(&accented)) && !verify("cafe noisette", Some(&accented)));
    }

    #[test]
    fn a_hash_of_the_reference_implementation_verifies() {
        // argon2-cffi, which binds the reference implementation: hash_secret(b"correct horse", b"0123456789abcdef", 2, 19456, 1, 32, ID).
        let stored = "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$rk2Mi3E4dgRMg0fHaYaptWVZRKqs//6b6k3/nntqGJk";
        assert!(verify("correct horse", Some(stored)));
        assert!(!verify("correct horsf", Some(stored)));
    }

    #[test]
    fn no_usable_hash_is_a_full_run_and_no() {
        assert!(readable(DUMMY).is_some());
        let bad = [
            "",
            "!",
            "pbkdf2_sha256$1000000$salt$aGFzaA==",
            "$argon2id$v=19$m=19456,t=2,p=1",
            "$argon2id$v=19$m=19456,t=2,p=1$c3R1ZGlvLW5vLXN1Y2gtLQ",
            "$argon2id$v=19$m=4194304,t=2,p=1$c3R1ZGlvLW5vLXN1Y2gtLQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "$scrypt$ln=17,r=8,p=1$c3R1ZGlvLW5vLXN1Y2gtLQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        ];
        for phc in bad {
            assert!(readable(phc).is_none(), "{phc}");
        }
        let timed = |phc: Option<&str>| {
            let start = std::time::Instant::now();
            assert!(!verify("password", phc));
            start.elapsed()
        };
        let stored = hash("another").unwrap();
        let real = (0..5).map(|_| timed(Some(&stored))).min().unwrap();
        for phc in [None, Some(""), Some(bad[4]), Some(bad[5])] {
            // Without a run it would be a thousandth; a busy machine makes a few times of difference.
            assert!((0..5).map(|_| timed(phc)).min().unwrap() * 10 > real, "{phc:?}");
        }
    }

    #[test]
    fn the_pool_answers_and_refuses_when_full() {
        let pool = Hasher::new(2, 8).unwrap();
        let stored = block_on(pool.hash("correct horse".into())).unwrap();
        assert_eq!(block_on(pool.verify("correct horse".into(), Some(stored.clone()))), Ok(true));
        assert_eq!(block_on(pool.clone().verify("wrong".into(), Some(stored))), Ok(false));
        assert_eq!(block_on(pool.verify("wrong".into(), None)), Ok(false));

        // A pool whose only thread is not there: one job fits, the next does not.
        let (jobs, waiting) = sync_channel(1);
        let stuck = Hasher { jobs };
        let (answer, _answered) = oneshot::channel();
        stuck.send(Job::Verify { password: String::new(), phc: None, answer }).unwrap();
        assert_eq!(block_on(stuck.verify("x".into(), None)), Err(Error::Unavailable(2)));
        drop(waiting);
        assert!(matches!(block_on(stuck.hash("x".into())), Err(Error::Internal(_))));
    }

    #[test]
    fn threads_skip_jobs_of_callers_gone_and_end_with_the_pool() {
        let (jobs, waiting) = sync_channel(16);
        let pool = Hasher { jobs };
        for _ in 0..10 {
            let (answer, _) = oneshot::channel();
            pool.send(Job::Hash { password: "x".into(), answer }).unwrap();
        }
        let stored = hash("x").unwrap();
        let start = std::time::Instant::now();
        hash("x").unwrap();
        let one = start.elapsed();
        drop(pool.clone());
        let (answer, mut answered) = oneshot::channel();
        pool.send(Job::Verify { password: "x".into(), phc: Some(stored), answer }).unwrap();
        drop(pool);
        let start = std::time::Instant::now();
        work(&Mutex::new(waiting)); // returns: no sender is left
        assert_eq!(answered.try_recv(), Ok(true));
        assert!(start.elapsed() < one * 8, "eleven jobs, ten of them abandoned, took {:?} against {one:?} for one", start.elapsed());
    }
}
