//! How long a group of writes goes on taking in requests.
//!
//! The longer it does, the fewer commits there are. But who writes again and again sends the next request when the last is answered: a
//! group that takes in everybody has nobody left to work for when it ends, and the writer waits for as long as it takes to answer them all.
//! So a group ends when its commit will be a small part of the work; who came later goes with the next group, and the first are answered
//! and come again meanwhile.

use std::time::Duration;

/// The work of a group takes so many times as long as its commit.
const WORK: u32 = 3;
/// However quick the disk: what a group costs beside its commit is worth that much work.
const SHORTEST: Duration = Duration::from_millis(2);
/// A commit changes the measure by one part in so many: a disk stumbles now and then.
const PARTS: u32 = 8;

pub struct Window {
    longest: Duration,
    /// How long a commit takes, about.
    commit: Duration,
}

impl Window {
    /// As for a slow disk, until commits have shown otherwise.
    pub fn new(longest: Duration) -> Self {
        Self { longest, commit: longest }
    }

    /// How long the next group may go on taking in requests.
    pub fn time(&self) -> Duration {
        (self.commit * WORK).max(SHORTEST).min(self.longest)
    }

    /// Notes how long a commit took.
    pub fn took(&mut self, commit: Duration) {
        self.commit = (self.commit * (PARTS - 1) + commit.min(self.longest)) / PARTS;
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Window};

    fn after(commits: impl IntoIterator<Item = u64>) -> Duration {
        let mut window = Window::new(Duration::from_millis(20));
        commits.into_iter().for_each(|micros| window.took(Duration::from_micros(micros)));
        window.time()
    }

    #[test]
    fn groups_are_as_long_as_the_disk_is_slow() {
        assert_eq!(after([]), Duration::from_millis(20));
        assert!((2_900..3_200).contains(&after([1_000; 60]).as_micros()));
        // No shorter than is worth a commit, and no longer than was asked for.
        assert_eq!(after([50; 60]), Duration::from_millis(2));
        assert_eq!(after([60_000; 60]), Duration::from_millis(20));
    }

    #[test]
    fn one_slow_commit_changes_little() {
        assert!(after([1_000; 60].into_iter().chain([60_000])) < Duration::from_millis(11));
        assert!(after([1_000; 60].into_iter().chain([60_000]).chain([1_000; 20])) < Duration::from_millis(4));
    }
}
