//! Money: how amounts are read and printed, the one rounding, and what documents come to, against a second way of working it out.

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use studio::kit::{
    BadAmount, Decimal, Money,
    money::{
        LARGEST,
        compute::{Computed, Discount, Document, Entry, compute},
        round, split,
    },
};

fn percent(text: &str) -> Decimal<4> {
    Decimal::parse(text).expect("a percentage")
}

fn entry(quantity: &str, price: &str, tax: &str) -> Entry {
    Entry {
        quantity: Decimal::parse(quantity).expect("a quantity"),
        unit_price: Decimal::parse(price).expect("a price"),
        discount: Discount::None,
        tax: percent(tax),
    }
}

fn document(entries: Vec<Entry>) -> Document {
    Document { entries, discount: Discount::None, prices_include_tax: false, exponent: 2 }
}

/// Subtotal, tax and total.
fn sums(document: &Document) -> (i64, i64, i64) {
    let computed = compute(document).expect("it can be computed");
    (computed.subtotal, computed.tax, computed.total)
}

fn taxes(document: &Document) -> Vec<i64> {
    compute(document).expect("it can be computed").lines.iter().map(|line| line.tax).collect()
}

#[test]
fn amounts_are_read_exactly() {
    let read = |text: &str, exponent| Money::parse(text, exponent).map(|money| money.minor);
    for (text, exponent, minor) in [
        ("1000", 2, 100_000),
        ("1000.00", 2, 100_000),
        ("-0.01", 2, -1),
        ("+1.5", 2, 150),
        (".5", 2, 50),
        ("5.", 2, 500),
        ("1000", 0, 1000),
        ("1000.000", 0, 1000),
        ("1.234", 3, 1234),
        ("90071992547409.91", 2, LARGEST),
        ("-90071992547409.91", 2, -LARGEST),
    ] {
        assert_eq!(read(text, exponent), Ok(minor), "{text}");
    }
    for (text, exponent, why) in [
        ("", 2, BadAmount::NotANumber),
        (".", 2, BadAmount::NotANumber),
        ("1e3", 2, BadAmount::NotANumber),
        ("1,000", 2, BadAmount::NotANumber),
        ("--1", 2, BadAmount::NotANumber),
        ("٣", 2, BadAmount::NotANumber),
        ("10.005", 2, BadAmount::TooPrecise),
        ("333.50", 0, BadAmount::TooPrecise),
        ("90071992547409.92", 2, BadAmount::TooLarge),
        ("99999999999999999999999999999999999999999999", 2, BadAmount::TooLarge),
    ] {
        assert_eq!(read(text, exponent), Err(why), "{text}");
    }
    for (minor, exponent, text) in [(100_000, 2, "1000.00"), (1000, 0, "1000"), (-1, 2, "-0.01"), (1, 3, "0.001"), (0, 2, "0.00")] {
        assert_eq!(Money { minor, exponent }.to_string(), text);
    }
    for (text, printed) in [("18", "18"), ("18.0000", "18"), ("0.5", "0.5"), ("0", "0"), ("-2.50", "-2.5"), ("100", "100")] {
        assert_eq!(percent(text).to_string(), printed);
    }
    assert_eq!(percent("18").0, 180_000, "parts per million");
    assert_eq!(Decimal::<4>::parse("1.00001"), Err(BadAmount::TooPrecise));
}

#[test]
fn halves_are_rounded_away_from_zero() {
    // R3
    for (n, rounded) in [(1, 1), (-1, -1), (5, 3), (-5, -3), (4, 2), (0, 0), (-4, -2)] {
        assert_eq!(round(n, 2), rounded, "{n} halves");
    }
    assert_eq!((round(1_797, 10), round(1_794, 10), round(-1_795, 10)), (180, 179, -180));
    assert_eq!(split(1000, &[1, 1, 1]), [334, 333, 333]);
    assert_eq!(split(5, &[0, 0]), [0, 0]);
    assert_eq!(split(3, &[0, 1, 0, 1]), [0, 2, 0, 1]);
    assert_eq!(split(0, &[3, 4]), [0, 0]);
}

#[test]
fn worked_examples() {
    // A1 to A3
    assert_eq!(sums(&document(vec![entry("1", "1000", "0")])), (100_000, 0, 100_000), "A1");
    assert_eq!(sums(&document(vec![entry("1.5", "12.345678", "16")])), (1852, 296, 2148), "A2");
    assert_eq!(sums(&document(vec![entry("3", "0.333333", "0")])), (100, 0, 100), "A3");
    // T1: per line it would be 82.00
    let t1 = document(vec![entry("1", "55.55", "23"), entry("1", "11.11", "23")]);
    assert_eq!((sums(&t1), taxes(&t1)), ((6666, 1533, 8199), vec![1278, 255]), "T1");
    let mut t2 = document(vec![entry("16", "348.35", "22")]);
    t2.entries[0].discount = Discount::Percent(percent("4"));
    let line = compute(&t2).expect("T2").lines[0];
    assert_eq!((line.gross, line.discount, line.amount), (557_360, 22_294, 535_066), "T2");
    assert_eq!(sums(&t2), (535_066, 117_715, 652_781), "T2");
    let mut t3 = document(vec![entry("1", "90", "5"), entry("1", "55", "5")]);
    t3.prices_include_tax = true;
    let nets: Vec<i64> = compute(&t3).expect("T3").lines.iter().map(|line| line.net).collect();
    assert_eq!((sums(&t3), taxes(&t3), nets), ((13_810, 690, 14_500), vec![428, 262], vec![8572, 5238]), "T3");
    // D1 to D3
    let mut d1 = document(vec![entry("2.25", "64.22", "0")]);
    d1.entries[0].discount = Discount::Percent(percent("100"));
    let line = compute(&d1).expect("D1").lines[0];
    assert_eq!((line.gross, line.discount, sums(&d1)), (14_450, 14_450, (0, 0, 0)), "D1");
    let mut d2 = document(vec![entry("1", "8500", "19")]);
    d2.discount = Discount::Fixed(750_000);
    assert_eq!(sums(&d2), (100_000, 19_000, 119_000), "D2");
    let mut d3 = document(vec![entry("1", "33.33", "18"), entry("1", "33.33", "18"), entry("1", "33.34", "0")]);
    d3.discount = Discount::Percent(percent("10"));
    let shares: Vec<i64> = compute(&d3).expect("D3").lines.iter().map(|line| line.share).collect();
    assert_eq!((sums(&d3), shares), ((9000, 1080, 10_080), vec![333, 333, 334]), "D3");
    // R1: the same goods, the same total
    let one = document(vec![entry("10", "3.60", "5.5")]);
    let ten = document((0..10).map(|_| entry("1", "3.60", "5.5")).collect());
    assert_eq!((sums(&one), sums(&ten)), ((3600, 198, 3798), (3600, 198, 3798)), "R1");
    let twenty = taxes(&ten).into_iter().filter(|tax| *tax == 20).count();
    assert_eq!((twenty, taxes(&ten).iter().sum::<i64>()), (8, 198), "R1: eight of 0.20, two of 0.19");
    // R2: a currency without decimals
    let r2 = Document { exponent: 0, ..document(vec![entry("3", "333", "18")]) };
    assert_eq!(sums(&r2), (999, 180, 1179), "R2");
    let half = Document { exponent: 0, ..document(vec![entry("1", "333.50", "0")]) };
    assert_eq!(sums(&half), (334, 0, 334), "R2: a price has more decimals");
}

#[test]
fn what_means_nothing_is_refused() {
    let refused = |document: &Document| compute(document).map_err(|wrong| (wrong.line, wrong.field));
    let with = |change: &dyn Fn(&mut Document)| {
        let mut document = document(vec![entry("1", "10", "0"), entry("1", "10", "18")]);
        change(&mut document);
        document
    };
    type Change = fn(&mut Document);
    let cases: [(Change, Option<usize>, &str); 11] = [
        (|d| d.entries[1].quantity = Decimal(0), Some(1), "quantity"),
        (|d| d.entries[0].quantity = Decimal(-10_000), Some(0), "quantity"),
        (|d| d.entries[0].unit_price = Decimal(-1), Some(0), "unit_cost"),
        (|d| d.entries[0].discount = Discount::Fixed(1001), Some(0), "discount_value"),
        (|d| d.entries[0].discount = Discount::Fixed(-1), Some(0), "discount_value"),
        (|d| d.entries[0].discount = Discount::Percent(Decimal(1_000_001)), Some(0), "discount_value"),
        (|d| d.entries[0].tax = Decimal(-1), Some(0), "tax_percent"),
        (|d| d.discount = Discount::Fixed(2001), None, "discount_value"),
        (|d| d.discount = Discount::Percent(Decimal(-1)), None, "discount_value"),
        (|d| (d.entries[0].quantity, d.entries[0].unit_price) = (Decimal(LARGEST), Decimal(LARGEST)), Some(0), "unit_cost"),
        (|d| (d.entries[0].quantity, d.entries[0].unit_price) = (Decimal(i64::MAX), Decimal(i64::MIN)), Some(0), "quantity"),
    ];
    for (change, line, field) in cases {
        assert_eq!(refused(&with(&change)), Err((line, field)));
    }
    // Each line fits, their sum does not.
    let most = Entry { quantity: Decimal(10_000), unit_price: Decimal(LARGEST), discount: Discount::None, tax: Decimal(0) };
    let many = Document { exponent: 4, ..document(vec![most; 200]) };
    assert_eq!(refused(&many), Err((None, "total")));
    assert_eq!(sums(&document(vec![])), (0, 0, 0), "nothing comes to nothing");
}

// ------------------------------------------------------------------------------------------------ a second way

/// An exact fraction, as taught at school.
#[derive(Clone, Copy)]
struct Fraction(i128, i128);

impl Fraction {
    fn new(n: i128, d: i128) -> Self {
        let (mut a, mut b) = (n.abs(), d);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        Self(n / a.max(1), d / a.max(1))
    }
    fn times(self, other: Self) -> Self {
        let (left, right) = (Self::new(self.0, other.1), Self::new(other.0, self.1));
        Self::new(left.0 * right.0, left.1 * right.1)
    }
    /// The whole number below; the rest decides.
    fn rounded(self) -> i128 {
        let whole = self.0.div_euclid(self.1);
        let rest = self.0.rem_euclid(self.1);
        if rest * 2 >= self.1 { whole + 1 } else { whole }
    }
}

/// One unit after the other to whoever is furthest below what they are due.
fn handed_out(total: i128, weights: &[i128]) -> Vec<i128> {
    let whole: i128 = weights.iter().sum();
    let below = |weight: &i128| if whole == 0 { 0 } else { (total * weight).div_euclid(whole) };
    let mut given: Vec<i128> = weights.iter().map(below).collect();
    while whole > 0 && given.iter().sum::<i128>() < total {
        let mut furthest = 0;
        for place in 1..weights.len() {
            let missing = |place: usize| total * weights[place] - given[place] * whole;
            if missing(place) > missing(furthest) {
                furthest = place;
            }
        }
        given[furthest] += 1;
    }
    given
}

/// Total, and for each line gross, discount, share, net, tax.
fn second_way(document: &Document) -> Option<(i128, Vec<[i128; 5]>)> {
    let unit = 10_i128.pow(document.exponent.into());
    let off = |discount: Discount, whole: i128| match discount {
        Discount::None => Some(0),
        Discount::Percent(percent) => Some(Fraction::new(whole, 1).times(Fraction::new(percent.0.into(), 1_000_000)).rounded()),
        Discount::Fixed(amount) => (i128::from(amount) <= whole).then_some(amount.into()),
    };
    let mut rows = vec![];
    for entry in &document.entries {
        let price = Fraction::new(entry.unit_price.0.into(), 1_000_000).times(Fraction::new(unit, 1));
        let gross = price.times(Fraction::new(entry.quantity.0.into(), 10_000)).rounded();
        rows.push([gross, off(entry.discount, gross)?, 0, 0, 0]);
    }
    let amounts: Vec<i128> = rows.iter().map(|row| row[0] - row[1]).collect();
    let discount = off(document.discount, amounts.iter().sum())?;
    for (row, share) in rows.iter_mut().zip(handed_out(discount, &amounts)) {
        row[2] = share;
        row[3] = row[0] - row[1] - share;
    }
    let mut total = 0;
    let percents: std::collections::BTreeSet<i64> = document.entries.iter().map(|entry| entry.tax.0).collect();
    for percent in percents {
        let places: Vec<usize> = (0..rows.len()).filter(|place| document.entries[*place].tax.0 == percent).collect();
        let bases: Vec<i128> = places.iter().map(|place| rows[*place][3]).collect();
        let base: i128 = bases.iter().sum();
        let rate = i128::from(percent);
        let part = if document.prices_include_tax { Fraction::new(rate, 1_000_000 + rate) } else { Fraction::new(rate, 1_000_000) };
        let tax = Fraction::new(base, 1).times(part).rounded();
        for (place, tax) in places.into_iter().zip(handed_out(tax, &bases)) {
            rows[place][4] = tax;
            if document.prices_include_tax {
                rows[place][3] -= tax;
            }
        }
        total += if document.prices_include_tax { base } else { base + tax };
    }
    Some((total, rows))
}

fn agrees(document: &Document) -> Result<(), TestCaseError> {
    match (compute(document), second_way(document)) {
        (Err(_), None) => Ok(()),
        (Ok(computed), Some((total, rows))) => {
            let Computed { lines, subtotal, discount, tax, .. } = &computed;
            let first: Vec<[i128; 5]> = lines.iter().map(|l| [l.gross, l.discount, l.share, l.net, l.tax].map(i128::from)).collect();
            prop_assert_eq!(&first, &rows);
            prop_assert_eq!(i128::from(computed.total), total);
            // What holds of every document, however it is worked out.
            prop_assert_eq!(computed.total, subtotal + tax);
            prop_assert_eq!(*subtotal, lines.iter().map(|line| line.net).sum::<i64>());
            prop_assert_eq!(*tax, lines.iter().map(|line| line.tax).sum::<i64>());
            prop_assert!(lines.iter().all(|l| l.net >= 0 && l.tax >= 0 && l.share >= 0 && l.amount == l.gross - l.discount));
            let before_tax: i64 = lines.iter().map(|line| line.gross).sum::<i64>() - discount;
            prop_assert_eq!(if document.prices_include_tax { computed.total } else { *subtotal }, before_tax);
            Ok(())
        }
        (one, other) => Err(TestCaseError::fail(format!("{one:?} and {}", other.is_some()))),
    }
}

fn discounts(most: i64) -> impl Strategy<Value = Discount> {
    prop_oneof![
        3 => Just(Discount::None),
        2 => (0..=1_000_000_i64).prop_map(|percent| Discount::Percent(Decimal(percent))),
        1 => Just(Discount::Percent(Decimal(1_000_000))),
        1 => (0..most).prop_map(Discount::Fixed),
    ]
}

fn documents() -> impl Strategy<Value = Document> {
    let rates = prop_oneof![Just(0), Just(180_000), Just(55_000), Just(230_000), Just(1_000_000), 0..=1_000_000_i64];
    let entry = (1..2_000_000_i64, prop_oneof![0..1_000_000_000_i64, Just(3_600_000), Just(333_333)], discounts(5_000), rates);
    let entry = entry.prop_map(|(quantity, price, discount, tax)| Entry {
        quantity: Decimal(quantity),
        unit_price: Decimal(price),
        discount,
        tax: Decimal(tax),
    });
    let entries = prop::collection::vec(entry, 0..12);
    (entries, discounts(50_000), any::<bool>(), prop_oneof![Just(0_u8), Just(2), Just(3), Just(4)])
        .prop_map(|(entries, discount, prices_include_tax, exponent)| Document { entries, discount, prices_include_tax, exponent })
}

/// 10,000 documents; as many as `STUDIO_MONEY_CASES` says for those who have time.
#[test]
fn documents_come_to_the_same_in_two_ways() {
    let cases = std::env::var("STUDIO_MONEY_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(10_000);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new(config).run(&documents(), |document| agrees(&document)).expect("both ways agree");
}
