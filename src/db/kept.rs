//! What is kept of lists: how many rows they have, and which come first.

use std::mem::size_of;

/// The state of the database that something was found out in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The generation of the list's own table.
    pub own: u64,
    /// Those of other tables that it depends on, added up.
    pub others: u64,
}

/// How many rows a list has.
pub struct Total {
    pub when: Moment,
    pub count: i64,
    /// Which; not known of a whole list that was counted once only.
    pub members: Option<Members>,
}

/// The rows that come first in a list.
pub struct First {
    pub when: Moment,
    pub ids: Vec<i64>,
    /// There are no others.
    pub is_whole: bool,
}

impl Total {
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.members.as_ref().map_or(0, |members| members.0.len() * size_of::<Block>())
    }
}

impl First {
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.ids.len() * size_of::<i64>()
    }
}

/// A bit for each of so many ids that follow each other.
const WIDTH: i64 = 1024;
type Block = (i64, [u64; 16]);

/// A set of ids: a bit for each, in blocks by the order of the ids. Blocks without any are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Members(Vec<Block>);

impl Members {
    /// The block of an id, the word in it and the bit in that.
    fn place(id: i64) -> (i64, usize, u64) {
        let within = id.rem_euclid(WIDTH).unsigned_abs();
        (id.div_euclid(WIDTH), usize::try_from(within / 64).unwrap_or_default(), 1 << (within % 64))
    }

    /// Adds an id and answers whether it was new.
    pub fn insert(&mut self, id: i64) -> bool {
        let (block, word, bit) = Self::place(id);
        // Ids come in their order, mostly.
        let at = match self.0.last() {
            Some((last, _)) if *last == block => Ok(self.0.len() - 1),
            _ => self.0.binary_search_by_key(&block, |(block, _)| *block),
        };
        let at = at.unwrap_or_else(|at| {
            self.0.insert(at, (block, [0; 16]));
            at
        });
        let bits = &mut self.0[at].1[word];
        let is_new = *bits & bit == 0;
        *bits |= bit;
        is_new
    }

    /// All of them, in the order of their numbers.
    pub fn ids(&self) -> impl Iterator<Item = i64> {
        let bits = |(at, bits): (usize, &u64)| {
            let (bits, first) = (*bits, i64::try_from(64 * at).unwrap_or_default());
            (0..64_i64).filter(move |bit| bits & (1 << bit) != 0).map(move |bit| first + bit)
        };
        let block = move |(block, words): &Block| {
            let first = block * WIDTH;
            words.iter().enumerate().flat_map(bits).map(move |id| first + id).collect::<Vec<_>>()
        };
        self.0.iter().flat_map(block)
    }

    /// Takes an id away and answers whether it was there.
    pub fn remove(&mut self, id: i64) -> bool {
        let (block, word, bit) = Self::place(id);
        let Ok(at) = self.0.binary_search_by_key(&block, |(block, _)| *block) else { return false };
        let bits = &mut self.0[at].1[word];
        let was_there = *bits & bit != 0;
        *bits &= !bit;
        was_there
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Members;

    #[test]
    fn members_are_a_set() {
        let (mut members, mut set) = (Members::default(), BTreeSet::new());
        // A sequence that meets itself: multiples of a number below a prime.
        for step in 0..20_000_i64 {
            let id = step * 7919 % 10_007 + step % 3 * 1_000_000;
            if step % 3 == 2 {
                assert_eq!(members.remove(id), set.remove(&id), "{id} goes");
            } else {
                assert_eq!(members.insert(id), set.insert(id), "{id} comes");
            }
        }
        assert_eq!(members.ids().collect::<Vec<_>>(), set.iter().copied().collect::<Vec<_>>());
        for id in 0..10_007 {
            assert_eq!(members.clone().remove(id), set.contains(&id), "{id}");
        }
    }
}
