//! The part of CBOR (RFC 8949) that authenticators write: lengths are given beforehand, nothing is nested deeply, and there are no tags
//! (CTAP 2.1, section 8).

/// So deep is nothing that authenticators write.
const DEPTH: u8 = 6;

/// A value, as a view into the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item<'a> {
    Int(i64),
    Bytes(&'a [u8]),
    Text(&'a str),
    List(Vec<Self>),
    Map(Vec<(Self, Self)>),
    /// True, false, null, or a number with a fraction: of no interest.
    Other,
}

/// The value that the bytes begin with, and what follows it. `None`: they begin with none.
pub fn read(bytes: &[u8]) -> Option<(Item<'_>, &[u8])> {
    item(bytes, DEPTH)
}

fn item(bytes: &[u8], depth: u8) -> Option<(Item<'_>, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    let (kind, short) = (first >> 5, first & 31);
    // Of what is no number the bytes that follow are its value.
    let follow = match short {
        0..=23 => 0,
        24..=27 => 1_usize << (short - 24),
        _ => return None,
    };
    let (number, rest) = rest.split_at_checked(follow)?;
    let number = if follow == 0 { u64::from(short) } else { number.iter().fold(0, |all, byte| all << 8 | u64::from(*byte)) };
    let take = || rest.split_at_checked(usize::try_from(number).ok()?);
    match kind {
        0 => Some((Item::Int(i64::try_from(number).ok()?), rest)),
        1 => Some((Item::Int(-1 - i64::try_from(number).ok()?), rest)),
        2 => take().map(|(bytes, rest)| (Item::Bytes(bytes), rest)),
        3 => {
            let (text, rest) = take()?;
            Some((Item::Text(std::str::from_utf8(text).ok()?), rest))
        }
        4 => {
            let (mut all, mut rest) = (vec![], rest);
            for _ in 0..number {
                let (one, after) = item(rest, depth.checked_sub(1)?)?;
                all.push(one);
                rest = after;
            }
            Some((Item::List(all), rest))
        }
        5 => {
            let (mut all, mut rest) = (Vec::<(Item<'_>, Item<'_>)>::new(), rest);
            for _ in 0..number {
                let (key, after) = item(rest, depth.checked_sub(1)?)?;
                let (value, after) = item(after, depth.checked_sub(1)?)?;
                // Which of two would be meant?
                if all.iter().any(|(known, _)| *known == key) {
                    return None;
                }
                all.push((key, value));
                rest = after;
            }
            Some((Item::Map(all), rest))
        }
        7 => Some((Item::Other, rest)),
        _ => None,
    }
}

impl<'a> Item<'a> {
    /// The value under a key of a map.
    pub fn get(&self, key: &Self) -> Option<&Self> {
        let Self::Map(all) = self else { return None };
        all.iter().find(|(known, _)| known == key).map(|(_, value)| value)
    }

    /// The value under a name.
    pub fn named(&self, name: &'a str) -> Option<&Self> {
        self.get(&Self::Text(name))
    }

    /// The value under a number.
    pub fn at(&self, number: i64) -> Option<&Self> {
        self.get(&Self::Int(number))
    }

    pub fn int(&self) -> Option<i64> {
        if let Self::Int(number) = self { Some(*number) } else { None }
    }

    pub fn bytes(&self) -> Option<&'a [u8]> {
        if let Self::Bytes(bytes) = self { Some(bytes) } else { None }
    }

    pub fn text(&self) -> Option<&'a str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        // {1: -7, "ab": h'0102', 3: [true, 500]} and one byte more.
        let bytes = [0xa3, 1, 0x26, 0x62, b'a', b'b', 0x42, 1, 2, 3, 0x82, 0xf5, 0x19, 1, 0xf4, 0xff];
        let (map, rest) = read(&bytes).expect("a map");
        assert_eq!(rest, [0xff]);
        assert_eq!(map.at(1).and_then(Item::int), Some(-7));
        assert_eq!(map.named("ab").and_then(Item::bytes), Some(&[1, 2][..]));
        assert_eq!(map.at(3), Some(&Item::List(vec![Item::Other, Item::Int(500)])));
        assert_eq!((map.at(2), map.named("b"), Item::Int(1).at(1)), (None, None, None));
    }

    #[test]
    fn what_is_wrong_is_nothing() {
        let wrong: [&[u8]; 12] = [
            &[],
            &[0x18],
            &[0x42, 1],
            &[0x62, 0xff, 0xff],
            &[0x5f, 0x41, 1, 0xff],
            &[0xa1, 1],
            &[0xa2, 1, 1, 1, 2],
            &[0xc1, 1],
            &[0x1c],
            &[0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[0x81; 50],
        ];
        for bytes in wrong {
            assert_eq!(read(bytes), None, "{bytes:?}");
        }
    }
}
