//! When something is answered that must not tell whether somebody has an account: not before a fixed time after it was asked for.
//!
//! What is done for an address that somebody has is not quite what is done for one that nobody has, however alike the two are made. So
//! the answer waits for the next whole step after the work: the work shows only as far as it takes another number of steps, which
//! depends on what else the machine does. The timer waits, no thread does.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Answers come in steps of this.
#[derive(Debug, Clone, Copy)]
pub struct Pace(Duration);

impl Pace {
    /// Zero: as soon as they are there.
    pub fn new(step: Duration) -> Self {
        Self(step)
    }

    /// Does the work, and answers at the end of a step, refusals too.
    pub async fn keep<T>(&self, work: impl Future<Output = T>) -> T {
        let began = Instant::now();
        let answer = work.await;
        let rest = self.rest(began.elapsed());
        if !rest.is_zero() {
            sleep(rest).await;
        }
        answer
    }

    /// What is left of the last step begun, after so long.
    fn rest(&self, elapsed: Duration) -> Duration {
        let step = self.0.as_nanos();
        let Some(over) = elapsed.as_nanos().checked_rem(step) else { return Duration::ZERO };
        // Nothing of a step used is a whole step left: no work is so short.
        Duration::from_nanos(u64::try_from(step - over).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_work_takes_the_answer_comes_at_the_end_of_a_step() {
        let pace = Pace::new(Duration::from_millis(25));
        for (work, answered) in
            [(0, 25_000), (1, 25_000), (400, 25_000), (24_999, 25_000), (25_000, 50_000), (31_000, 50_000), (74_999, 75_000)]
        {
            let work = Duration::from_micros(work);
            assert_eq!(work + pace.rest(work), Duration::from_micros(answered), "{work:?}");
        }
        assert_eq!(Pace::new(Duration::ZERO).rest(Duration::from_millis(3)), Duration::ZERO);
    }

    #[test]
    fn it_waits_for_the_work_and_then_for_the_step() {
        let step = Duration::from_millis(15);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let began = std::time::Instant::now();
        let refused: Result<(), &str> = runtime.block_on(Pace::new(step).keep(async { Err("no") }));
        assert_eq!(refused, Err("no"));
        assert!(began.elapsed() >= step, "a refusal came after {:?}", began.elapsed());
    }
}
