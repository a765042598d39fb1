//! What a new password may not be, and how its letters are read.

use std::borrow::Cow;

use icu_normalizer::ComposingNormalizerBorrowed;

/// The shortest password, in code points.
const MIN_CHARS: usize = 8;
/// The longest password, in code points and in bytes.
const MAX_CHARS: usize = 128;
const MAX_BYTES: usize = 1024;
/// Parts of a value that are shorter than this, in code points, are not compared.
const MIN_PART: usize = 3;

/// One a line, sorted by bytes, below a line that says where they are from.
const LIST: &str = include_str!("common.txt");
/// The longest of them, in code points.
const LONGEST_LISTED: usize = 33;

/// What is compared and hashed of a password, as RFC 8265 has it (OpaqueString): a letter with its accent is one, however the keyboard
/// put them together, and every space is the same. Nothing is trimmed, folded or cut.
pub(super) fn prepared(password: &str) -> Cow<'_, str> {
    if password.is_ascii() {
        return password.into();
    }
    let is_space = |c| matches!(c, '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}');
    let spaced: String = password.chars().map(|c| if is_space(c) { ' ' } else { c }).collect();
    ComposingNormalizerBorrowed::new_nfc().normalize(&spaced).into_owned().into()
}

/// What is wrong with a new password: one sentence of Django's for each problem, none when it will do.
///
/// `own` is what the person is known by, and what everybody knows of where they are, as (what it is, value): `("username",
/// "rana.khoury")`, `("email address", …)`, `("full name", …)`, `("phone number", …)`; only the first one that the password resembles
/// is named. Lengths are in code points. Sentences come in the order of Django's default validators: similarity, length, common,
/// numeric; one that is too long gets that sentence alone.
pub fn check(password: &str, own: &[(&str, &str)]) -> Vec<String> {
    let whole = prepared(password);
    if password.len() > MAX_BYTES || whole.chars().count() > MAX_CHARS {
        return vec![format!("Ensure this field has no more than {MAX_CHARS} characters.")];
    }
    let mut problems = Vec::new();
    // Letters that only look different, such as those of full width, are the same to whoever guesses.
    let folded = ComposingNormalizerBorrowed::new_nfkc().normalize(&whole).to_lowercase();
    let letters: Vec<char> = folded.chars().collect();
    if let Some((what, _)) = own.iter().find(|(_, value)| resembles(&letters, value)) {
        problems.push(format!("The password is too similar to the {what}."));
    }
    if whole.chars().count() < MIN_CHARS {
        problems.push(format!("This password is too short. It must contain at least {MIN_CHARS} characters."));
    }
    if is_common(folded.trim()) {
        problems.push("This password is too common.".to_owned());
    }
    if !whole.is_empty() && whole.chars().all(char::is_numeric) {
        problems.push("This password is entirely numeric.".to_owned());
    }
    if whole.chars().any(char::is_control) {
        problems.push("This password contains control characters.".to_owned());
    }
    problems
}

/// Is it one of the list, or little more than one?
fn is_common(password: &str) -> bool {
    let letters: Vec<char> = password.chars().collect();
    let shortest = (6 * letters.len()).div_ceil(10).max(MIN_CHARS);
    let mut lengths = shortest..=letters.len().min(LONGEST_LISTED);
    lengths.any(|length| letters.windows(length).any(|part| is_listed(&part.iter().collect::<String>())))
}

/// Is this a line of the list? Half of what is left is looked at each time: nothing is read ahead, or kept.
fn is_listed(word: &str) -> bool {
    let list = LIST.as_bytes();
    let line_end = |from: usize| list[from..].iter().position(|byte| *byte == b'\n').map_or(list.len(), |at| from + at);
    // Both are where a line begins.
    let (mut low, mut high) = (line_end(0) + 1, list.len());
    while low < high {
        let middle = low + (high - low) / 2;
        let start = list[low..middle].iter().rposition(|byte| *byte == b'\n').map_or(low, |at| low + at + 1);
        let end = line_end(middle);
        match list[start..end].cmp(word.as_bytes()) {
            std::cmp::Ordering::Equal => return true,
            std::cmp::Ordering::Less => low = end + 1,
            std::cmp::Ordering::Greater => high = start,
        }
    }
    false
}

/// Is the lower-cased password similar to the value, or to one of its parts between characters that belong to no word?
fn resembles(password: &[char], value: &str) -> bool {
    let value = value.to_lowercase();
    value
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .chain([value.as_str()])
        .map(|part| part.chars().collect::<Vec<_>>())
        .any(|part| part.len() >= MIN_PART && similar(password, &part))
}

/// `2m / (a + b) >= 0.7`, where m is the length of the longest common subsequence of the two and a and b are their lengths.
///
/// Django uses difflib's `quick_ratio`, the same formula with m the letters in common in any order; in order, a password is not refused
/// for a chance anagram.
fn similar(left: &[char], right: &[char]) -> bool {
    let enough = |common: usize| 20 * common >= 7 * (left.len() + right.len());
    // The common subsequence is no longer than the shorter of the two: also what bounds the work below for an endless value.
    if !enough(left.len().min(right.len())) {
        return false;
    }
    let mut row = vec![0_usize; right.len() + 1];
    for a in left {
        let mut diagonal = 0;
        for (column, b) in right.iter().enumerate() {
            let above = row[column + 1];
            row[column + 1] = if a == b { diagonal + 1 } else { above.max(row[column]) };
            diagonal = above;
        }
    }
    enough(row[right.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: &str = "This password is too short. It must contain at least 8 characters.";
    const COMMON: &str = "This password is too common.";
    const NUMERIC: &str = "This password is entirely numeric.";
    const LONG: &str = "Ensure this field has no more than 128 characters.";
    const CONTROL: &str = "This password contains control characters.";

    #[test]
    fn the_list_is_clean() {
        assert!(LIST.starts_with("# ") && LIST.ends_with('\n'));
        let lines: Vec<&str> = LIST.lines().skip(1).collect();
        assert!(lines.len() > 100_000 && lines.is_sorted());
        for line in &lines {
            assert!(line.chars().count() >= MIN_CHARS && line.trim() == *line && line.to_lowercase() == *line, "{line}");
            assert!(is_listed(line), "{line} is not found");
        }
        assert_eq!(lines.iter().map(|line| line.chars().count()).max(), Some(LONGEST_LISTED));
        let around =
            [lines[0], lines[lines.len() - 1]].map(|line| [format!("{line}\u{7f}"), line.chars().take(line.chars().count() - 1).collect()]);
        for word in around.iter().flatten().map(String::as_str).chain(["", "\n", "#", "\u{10ffff}"]) {
            assert!(!is_listed(word), "{word:?}");
        }
    }

    #[test]
    fn lengths_common_and_numeric() {
        let long = "é".repeat(128);
        let cases: &[(&str, &[&str])] = &[
            ("", &[SHORT]),
            ("xk2!vqz", &[SHORT]),
            ("1234567", &[SHORT, NUMERIC]),
            ("12345678", &[COMMON, NUMERIC]),
            ("٤٨١٥١٦٢٣٤٢", &[NUMERIC]),
            ("password", &[COMMON]),
            ("PassWord", &[COMMON]),
            (" password ", &[COMMON]),
            ("passwordpasswor!", &[]),
            // Little more than one of the list: eight of thirteen letters are, eight of fourteen are not.
            ("<<password>>>", &[COMMON]),
            ("-=~password~=-", &[]),
            ("ｐａｓｓｗｏｒｄ", &[COMMON]),
            ("xk2!\tvqz9", &[CONTROL]),
            ("xk2!vqz\0", &[CONTROL]),
            ("e\u{301}e\u{301}e\u{301}e\u{301}", &[SHORT]),
            ("xk2!vqz9", &[]),
            ("    spaced", &[]),
            ("كلمةسريةطويلة", &[]),
            (&long, &[]),
            (&"é".repeat(129), &[LONG]),
            (&"1".repeat(129), &[LONG]),
            (&"👩".repeat(128), &[]), // 512 bytes
        ];
        for (password, expected) in cases {
            assert_eq!(check(password, &[]), *expected, "{password:?}");
        }
    }

    #[test]
    fn similarity() {
        let own = [
            ("username", "rana.khoury"),
            ("email address", "rana@cedar-studio.com"),
            ("full name", "Rana Khoury"),
            ("phone number", "+96170123456"),
        ];
        let refused = |password: &str| check(password, &own).into_iter().find(|text| text.contains("similar"));
        let too = |what: &str| Some(format!("The password is too similar to the {what}."));
        assert_eq!(refused("rana.khoury"), too("username"));
        assert_eq!(refused("RanaKhoury1"), too("username"));
        assert_eq!(refused("khoury123"), too("username")); // the part: 2 * 6 / (9 + 6) = 0.8
        assert_eq!(refused("cedar-studio"), too("email address"));
        assert_eq!(refused("studio99"), too("email address"));
        assert_eq!(refused("70123456"), too("phone number"));
        assert_eq!(refused("yruohk.anar"), None); // backwards
        assert_eq!(refused("correct horse battery"), None);
        assert_eq!(refused("khoury-and-a-long-tail"), None);
        // A part of two letters, an empty value and an endless one take no part.
        assert_eq!(check("xyxyxyx1", &[("full name", "xy"), ("username", ""), ("email address", &"xy".repeat(1 << 19))]), [""; 0]);
        // The edge: 2 * 7 / (8 + 12) = 0.7, and 2 * 7 / (9 + 12) is below.
        assert!(similar(&"abcdefgX".chars().collect::<Vec<_>>(), &"abcdefg12345".chars().collect::<Vec<_>>()));
        assert!(!similar(&"abcdefgXY".chars().collect::<Vec<_>>(), &"abcdefg12345".chars().collect::<Vec<_>>()));
    }
    #[test]
    fn one_letter_is_one_however_it_is_typed() {
        for (typed, read) in [
            ("plain ASCII, \t too", "plain ASCII, \t too"),
            ("cafe\u{301}", "café"),
            ("café", "café"),
            ("a\u{a0}b\u{3000}c d", "a b c d"),
            // What merely looks like another letter stays itself.
            ("ﬁ ｗ ²", "ﬁ ｗ ²"),
            (" 👩\u{200d}🚀 ", " 👩\u{200d}🚀 "),
        ] {
            assert_eq!(prepared(typed), read, "{typed:?}");
        }
    }

    #[test]
    fn looking_takes_no_time() {
        let long = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz";
        let start = std::time::Instant::now();
        (0..10).for_each(|_| assert_eq!(check(long, &[("username", long)]).len(), 1));
        // Not a benchmark: a bound that only a mistake of kind would pass.
        assert!(start.elapsed().as_millis() < 500, "{:?}", start.elapsed());
    }
}
