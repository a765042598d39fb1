//! Failing on purpose: what a test has the writer run into, as a disk that fails or a machine that stops would.

use std::sync::atomic::{
    AtomicBool, AtomicI64,
    Ordering::{Relaxed, SeqCst},
};

use rusqlite::ffi;

use super::failure::explain;
use crate::error::Result;

/// What the writer is to run into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The statement with this number from now on fails, and so does whatever follows: as if the machine had stopped there. The commit
    /// of a group is the last of its statements.
    From(u32),
    /// The statement with this number from now on fails, and no other.
    At(u32),
    /// What is written next is stored, and whoever asked for it does not hear of it.
    Answer,
}

/// Whether there is something to run into. Costs a statement one look at a number as long as there is not.
#[derive(Default)]
pub(super) struct Faults {
    /// So many statements go well, this one failing; 0: all of them go well.
    left: AtomicI64,
    /// What failed goes on failing.
    stays: AtomicBool,
    answer: AtomicBool,
}

impl Faults {
    /// Has the writer run into this, or into nothing any more.
    pub fn set(&self, fault: Option<Fault>) {
        let left = match fault {
            Some(Fault::From(left) | Fault::At(left)) => i64::from(left.max(1)),
            Some(Fault::Answer) | None => 0,
        };
        self.stays.store(matches!(fault, Some(Fault::From(_))), SeqCst);
        self.answer.store(fault == Some(Fault::Answer), SeqCst);
        self.left.store(left, SeqCst);
    }

    /// Is there still something to run into?
    pub fn is_set(&self) -> bool {
        self.left.load(SeqCst) != 0 || self.answer.load(SeqCst)
    }

    /// A statement of the writer is about to run.
    pub fn statement(&self) -> Result<()> {
        match self.left.load(Relaxed) {
            0 => Ok(()),
            left => self.count(left),
        }
    }

    #[cold]
    fn count(&self, left: i64) -> Result<()> {
        if left > 1 {
            self.left.store(left - 1, Relaxed);
            return Ok(());
        }
        if !self.stays.load(Relaxed) {
            self.left.store(0, Relaxed);
        }
        Err(explain(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_IOERR_WRITE), Some("a fault that a test asked for".into()))))
    }

    /// Something was stored: is whoever asked for it not to hear of it?
    pub fn takes_answer(&self) -> bool {
        self.answer.load(Relaxed) && self.answer.swap(false, SeqCst)
    }
}
