//! Somebody guesses at many accounts from many addresses: no single budget shows it, all failures together do.

use std::sync::{Mutex, PoisonError};

/// Every second of so many must have been a bad one.
const SECONDS: i64 = 60;

/// Failed attempts, counted by the second. The alarm is up once more than `most` have failed in each second of a minute, and until a
/// second in which fewer did.
pub struct Alarm {
    most: u32,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    second: i64,
    /// Of this second.
    failures: u32,
    /// So many seconds just before this one were bad.
    bad: i64,
}

impl State {
    /// Goes on to the second of now. Clocks that go back change nothing.
    fn advance(&mut self, now: i64, most: u32) {
        if now <= self.second {
            return;
        }
        let follows = now == self.second + 1;
        self.bad = if self.failures > most && follows { self.bad + 1 } else { 0 };
        (self.second, self.failures) = (now, 0);
    }
}

impl Alarm {
    /// `most` failures in a second are nothing unusual; 0: no number is.
    pub fn new(most: u32) -> Self {
        Self { most, state: Mutex::default() }
    }

    /// Counts a failure, and answers whether it is the first since the alarm went up.
    pub fn count(&self, now: i64) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.advance(now, self.most);
        state.failures = state.failures.saturating_add(1);
        self.most > 0 && state.bad == SECONDS && state.failures == 1
    }

    /// Is it up?
    pub fn is_up(&self, now: i64) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.advance(now, self.most);
        self.most > 0 && state.bad >= SECONDS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_up_after_a_bad_minute_and_down_after_a_good_second() {
        let alarm = Alarm::new(2);
        let second = |at: i64, failures: usize| (0..failures).filter(|_| alarm.count(at)).count();
        assert_eq!((0..60).map(|at| second(at, 3)).sum::<usize>(), 0);
        assert!(alarm.is_up(60), "told once the minute is over");
        assert_eq!(second(60, 3), 1, "told once");
        assert_eq!(second(61, 2), 0);
        assert!(alarm.is_up(61) && !alarm.is_up(62), "two a second are nothing unusual");
        assert_eq!((62..121).map(|at| second(at, 9)).sum::<usize>(), 0);
        assert!(!alarm.is_up(121), "59 seconds are no minute");
        assert_eq!(second(121, 9), 0);
        assert!(alarm.is_up(122));
        assert!(!alarm.is_up(124), "a second without any");
        assert!(!Alarm::new(0).is_up(1000) && (0..200).all(|at| !Alarm::new(0).count(at)));
    }
}
