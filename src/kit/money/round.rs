//! The one rounding, and the one way to share an amount out.

/// Rounds the fraction `n / d` to a whole number, halves away from zero. `d` is positive, and neither reaches half of an `i128`.
pub fn round(n: i128, d: i128) -> i128 {
    n.signum() * ((2 * n.abs() + d) / (2 * d))
}

/// Shares `total` out in proportion to `weights`, whole units each, which add up to it: by largest remainder, ties to whoever comes
/// first. Neither is negative; weights that are all zero get nothing.
pub fn split(total: i128, weights: &[i128]) -> Vec<i128> {
    let whole: i128 = weights.iter().sum();
    if whole == 0 {
        return vec![0; weights.len()];
    }
    let mut shares: Vec<i128> = weights.iter().map(|weight| total * weight / whole).collect();
    let left = total - shares.iter().sum::<i128>();
    let mut places: Vec<usize> = (0..weights.len()).collect();
    // Stable: whoever comes first stays first among equals.
    places.sort_by_key(|place| std::cmp::Reverse(total * weights[*place] % whole));
    places.into_iter().take(usize::try_from(left).unwrap_or(0)).for_each(|place| shares[place] += 1);
    shares
}
