//! What a document comes to, worked out a second time: after the rules of invoices, and independent of the program.

/// What is taken off. Percentages have four decimals, amounts are minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Off {
    Nothing,
    Percent(i64),
    Fixed(i64),
}

/// A line as it is entered.
#[derive(Debug, Clone, Copy)]
pub struct Entered {
    /// With four decimals.
    pub quantity: i64,
    /// With six.
    pub price: i64,
    pub off: Off,
    /// Percent with four decimals.
    pub tax: i64,
}

/// What a line comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    pub gross: i64,
    /// Its own discount, and its share of that of the document.
    pub off: i64,
    pub net: i64,
    pub tax: i64,
}

/// What a document comes to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sums {
    pub lines: Vec<Line>,
    pub subtotal: i64,
    pub tax: i64,
    pub total: i64,
}

const WHOLE: i128 = 1_000_000;

/// Half away from zero.
pub fn round(n: i128, d: i128) -> i128 {
    let half = (2 * n.abs() + d) / (2 * d);
    if n < 0 { -half } else { half }
}

fn take(off: Off, whole: i128) -> Option<i128> {
    let taken = match off {
        Off::Nothing => 0,
        Off::Percent(percent) => round(whole * i128::from(percent), WHOLE),
        Off::Fixed(amount) => amount.into(),
    };
    (0..=whole).contains(&taken).then_some(taken)
}

/// By largest remainder; the first of equals comes first.
fn split(whole: i128, by: &[i128]) -> Vec<i128> {
    let all: i128 = by.iter().sum();
    if all == 0 {
        return vec![0; by.len()];
    }
    let mut parts: Vec<i128> = by.iter().map(|weight| whole * weight / all).collect();
    let mut order: Vec<usize> = (0..by.len()).collect();
    order.sort_by_key(|index| (-(whole * by[*index] % all), *index));
    let left = whole - parts.iter().sum::<i128>();
    order.into_iter().take(usize::try_from(left).unwrap_or(0)).for_each(|index| parts[index] += 1);
    parts
}

/// `None` for discounts that are more than there is, and for what is no quantity or price.
pub fn compute(lines: &[Entered], off: Off, inclusive: bool, exponent: u32) -> Option<Sums> {
    let mut own = vec![];
    for line in lines {
        if line.quantity <= 0 || line.price < 0 {
            return None;
        }
        let gross = round(i128::from(line.quantity) * i128::from(line.price) * 10_i128.pow(exponent), 10_i128.pow(10));
        own.push((gross, take(line.off, gross)?));
    }
    let amounts: Vec<i128> = own.iter().map(|(gross, off)| gross - off).collect();
    let shares = split(take(off, amounts.iter().sum())?, &amounts);
    let taxable: Vec<i128> = amounts.iter().zip(&shares).map(|(amount, share)| amount - share).collect();
    let mut taxes = vec![0; lines.len()];
    for (first, line) in lines.iter().enumerate() {
        let group: Vec<usize> = (0..lines.len()).filter(|other| lines[*other].tax == line.tax).collect();
        if group[0] != first {
            continue;
        }
        let bases: Vec<i128> = group.iter().map(|index| taxable[*index]).collect();
        let rate = i128::from(line.tax);
        let tax = round(bases.iter().sum::<i128>() * rate, if inclusive { WHOLE + rate } else { WHOLE });
        group.iter().zip(split(tax, &bases)).for_each(|(index, tax)| taxes[*index] = tax);
    }
    let small = |amount: i128| i64::try_from(amount).expect("stories are about small amounts");
    let mut sums = Sums::default();
    for (index, (gross, off)) in own.into_iter().enumerate() {
        let net = taxable[index] - if inclusive { taxes[index] } else { 0 };
        sums.lines.push(Line { gross: small(gross), off: small(off + shares[index]), net: small(net), tax: small(taxes[index]) });
        sums.subtotal += small(net);
        sums.tax += small(taxes[index]);
    }
    sums.total = sums.subtotal + sums.tax;
    Some(sums)
}
