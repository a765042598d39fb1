//! Texts compared as people read them: capitals and small letters are the same.

/// A letter as all its forms compare: `Σ`, `σ` and `ς` are one. Each character stays one character.
fn fold_char(c: char) -> char {
    if c.is_ascii() {
        return c.to_ascii_lowercase();
    }
    // By way of the capital: some small letters have more than one form.
    let capital = single(c.to_uppercase()).unwrap_or(c);
    single(capital.to_lowercase()).unwrap_or(capital)
}

fn single(mut forms: impl Iterator<Item = char>) -> Option<char> {
    forms.next().filter(|_| forms.next().is_none())
}

/// A text as all its spellings in capitals and small letters compare.
pub fn fold(text: &str) -> String {
    if text.is_ascii() { text.to_ascii_lowercase() } else { text.chars().map(fold_char).collect() }
}

/// Stands a folded term in a text?
pub fn holds(text: &str, term: &str) -> bool {
    let (bytes, wanted) = (text.as_bytes(), term.as_bytes());
    let Some(&first) = wanted.first() else { return true };
    if !text.is_ascii() {
        return fold(text).contains(term);
    }
    // Without a copy: this runs for every text of a table that is walked.
    let Some(last) = bytes.len().checked_sub(wanted.len()) else { return false };
    let upper = first.to_ascii_uppercase();
    bytes[..=last].iter().enumerate().any(|(at, byte)| {
        (*byte == first || *byte == upper)
            && bytes[at + 1..at + wanted.len()].iter().zip(&wanted[1..]).all(|(a, b)| a.to_ascii_lowercase() == *b)
    })
}

/// Begins a word of a text with a folded term?
pub fn begins_word(text: &str, term: &str) -> bool {
    let folded = fold(text);
    folded.match_indices(term).any(|(at, _)| !folded[..at].chars().next_back().is_some_and(char::is_alphanumeric))
}

/// A text cut to `width` characters around the first of some folded terms, as HTML in which each of them stands in `<mark>`. `None`:
/// none of them is in it.
pub fn marked(text: &str, terms: &[String], width: usize) -> Option<String> {
    let all: Vec<char> = text.chars().collect();
    let folded: Vec<char> = all.iter().copied().map(fold_char).collect();
    let mut hit = vec![false; all.len()];
    for term in terms.iter().filter(|term| !term.is_empty()) {
        let term: Vec<char> = term.chars().collect();
        for at in 0..(folded.len() + 1).saturating_sub(term.len()) {
            if folded[at..].starts_with(&term) {
                hit[at..at + term.len()].fill(true);
            }
        }
    }
    let first = hit.iter().position(|hit| *hit)?;
    let start = if all.len() <= width { 0 } else { first.saturating_sub(width / 3).min(all.len() - width) };
    let end = (start + width).min(all.len());
    let mut out = String::from(if start > 0 { "… " } else { "" });
    for at in start..end {
        let before = at > start && hit[at - 1];
        if hit[at] != before {
            out.push_str(if hit[at] { "<mark>" } else { "</mark>" });
        }
        escape(&mut out, all[at]);
    }
    if hit[end - 1] {
        out.push_str("</mark>");
    }
    out.push_str(if end < all.len() { " …" } else { "" });
    Some(out)
}

/// The beginning of a text, as HTML.
pub fn plain(text: &str, width: usize) -> String {
    let mut out = String::new();
    text.chars().take(width).for_each(|c| escape(&mut out, c));
    out.push_str(if text.chars().nth(width).is_some() { " …" } else { "" });
    out
}

fn escape(out: &mut String, c: char) {
    match c {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        '"' => out.push_str("&quot;"),
        '\'' => out.push_str("&#39;"),
        c if c.is_control() => out.push(' '),
        c => out.push(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_fold_character_by_character() {
        for (text, folded) in
            [("ÄÖÜ Straße", "äöü straße"), ("ΣΊΣΥΦΟΣ ς", "σίσυφοσ σ"), ("ЁЛКА", "ёлка"), ("İI ı", "İi i"), ("K", "k"), ("ẞ", "ß")]
        {
            assert_eq!(fold(text), folded, "{text}");
            assert_eq!(fold(&fold(text)), folded, "folding twice changes {text}");
            assert_eq!(fold(text).chars().count(), text.chars().count());
        }
        assert!((0..=0x10_ffff).filter_map(char::from_u32).all(|c| fold_char(fold_char(c)) == fold_char(c)));
    }

    #[test]
    fn terms_are_found_wherever_they_stand() {
        for (text, term, found) in [
            ("Shop 12", "p 1", true),
            ("Shop", "shop ", false),
            ("", "", true),
            ("", "a", false),
            ("Élan", "él", true),
            ("aab", "ab", true),
            ("a%b", "%", true),
        ] {
            assert_eq!(holds(text, term), found, "{term} in {text}");
        }
        assert!(begins_word("Lake-View Hotel", "vi") && begins_word("Ünder", "ü") && !begins_word("Hotel", "ot"));
    }

    #[test]
    fn snippets_are_html() {
        let terms = |words: &[&str]| words.iter().map(|word| fold(word)).collect::<Vec<_>>();
        let marked = |text: &str, words: &[&str]| super::marked(text, &terms(words), 20);
        assert_eq!(marked("A <b> & \"Bé\"", &["BÉ"]).as_deref(), Some("A &lt;b&gt; &amp; &quot;<mark>Bé</mark>&quot;"));
        assert_eq!(marked("abab", &["ab"]).as_deref(), Some("<mark>abab</mark>"));
        assert_eq!(marked("x", &["y"]), None);
        let long = marked(&format!("{}needle{}", "a".repeat(50), "b".repeat(50)), &["needle"]).unwrap_or_default();
        assert_eq!(long, "… aaaaaa<mark>needle</mark>bbbbbbbb …");
        assert_eq!(plain("<abc", 2), "&lt;a …");
    }
}
