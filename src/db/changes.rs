//! Which rows of a table were written last, so that what is kept of the table can follow instead of being found out anew.

use std::collections::VecDeque;

/// So many are remembered of each table.
const MOST: usize = 4096;

/// The rows of a table that were written last, in the order in which they were.
#[derive(Default)]
pub(super) struct Changes {
    /// With the generation that their commit makes. What was taken back is among them as well: it says that a row may be another one.
    rows: VecDeque<(u64, i64)>,
    /// Of commits up to this generation, not all are remembered.
    forgotten: u64,
}

impl Changes {
    pub fn note(&mut self, generation: u64, row: i64) {
        if self.rows.back() == Some(&(generation, row)) {
            return;
        }
        if self.rows.len() >= MOST
            && let Some((oldest, _)) = self.rows.pop_front()
        {
            self.forgotten = oldest;
        }
        self.rows.push_back((generation, row));
    }

    /// The rows of commits after a generation, each once.
    pub fn since(&self, generation: u64) -> Option<Vec<i64>> {
        if generation < self.forgotten {
            return None;
        }
        let mut rows: Vec<i64> = self.rows.iter().rev().take_while(|(later, _)| *later > generation).map(|(_, row)| *row).collect();
        rows.sort_unstable();
        rows.dedup();
        Some(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::{Changes, MOST};

    #[test]
    fn rows_are_remembered_by_their_commit() {
        let mut changes = Changes::default();
        for (generation, row) in [(1, 7), (1, 7), (1, 3), (2, 9), (3, 3)] {
            changes.note(generation, row);
        }
        assert_eq!(changes.since(0), Some(vec![3, 7, 9]));
        assert_eq!(changes.since(1), Some(vec![3, 9]));
        assert_eq!(changes.since(2), Some(vec![3]));
        assert_eq!(changes.since(3), Some(vec![]));
    }

    #[test]
    fn what_was_forgotten_is_not_answered() {
        let mut changes = Changes::default();
        let most = i64::try_from(MOST).expect("a number");
        for row in 0..=most {
            changes.note(if row < 10 { 1 } else { 2 }, row);
        }
        assert_eq!(changes.since(0), None, "one of the first commit is missing");
        assert_eq!(changes.since(1).map(|rows| rows.len()), Some(MOST - 9));
    }
}
