//! Finance as a simulation: random stories of several people in two businesses, each step compared with books that are kept beside them
//! in plain maps, with the disk failing at whatever statement.
//!
//! A story is made from its seed alone. `STUDIO_SEEDS=10000` tells so many, `STUDIO_SEED=7` tells one of them, aloud.

mod books;
mod cash;
mod chance;
mod compare;
mod credits;
mod goals;
mod invoices;
mod many;
mod matching;
mod offers;
mod parties;
mod payments;
mod rates;
mod recurring;
mod requests;
mod reverting;
mod step;
mod story;
mod sums;
mod world;

use std::{
    env,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Instant,
};

use self::{
    story::Tally,
    world::{STORIES, World},
};

/// So many stories when nobody says how many.
const SEEDS: u64 = 50;
/// A story has so many steps.
const STEPS: u64 = 200;

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

#[test]
fn the_books_are_kept_through_every_story() {
    let steps = usize::try_from(number("STUDIO_STEPS").unwrap_or(STEPS)).expect("a number of steps");
    if let Some(seed) = number("STUDIO_SEED") {
        let world = World::new();
        story::tell(&world, world.begin(0), seed, steps, true);
        return;
    }
    let (seeds, first) = (number("STUDIO_SEEDS").unwrap_or(SEEDS), number("STUDIO_FIRST_SEED").unwrap_or(0));
    let (next, failed, sum, began) = (AtomicU64::new(first), Mutex::new(vec![]), Mutex::new(Tally::default()), Instant::now());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                let mut opened: Option<(World, usize)> = None;
                loop {
                    let seed = next.fetch_add(1, Relaxed);
                    if seed >= first + seeds || failed.lock().expect("a list").len() >= 5 {
                        break;
                    }
                    let (world, number) = opened.take().filter(|(_, number)| *number < STORIES).unwrap_or_else(|| (World::new(), 0));
                    match catch_unwind(AssertUnwindSafe(|| story::tell(&world, world.begin(number), seed, steps, false))) {
                        Ok(tally) => {
                            sum.lock().expect("a sum").add(&tally);
                            opened = Some((world, number + 1));
                        }
                        Err(_) => failed.lock().expect("a list").push(seed),
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("a list");
    println!("{} in {:.0?}", sum.into_inner().expect("a sum"), began.elapsed());
    assert!(failed.is_empty(), "stories that went wrong: {failed:?}. STUDIO_SEED=<one of them> tells it again, aloud.");
}
