//! What a sample says of the whole, and how surely.

use serde::Serialize;

/// The quantile of the normal distribution for an interval of 95 %.
const Z: f64 = 1.959_963_984_540_054;

/// So many of so many, with the interval that holds the true share in 95 of 100 samples (Wilson's).
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Share {
    /// How many.
    pub hits: u64,
    /// Of how many.
    pub of: u64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Share {
    /// `hits` of `of`.
    #[must_use]
    pub fn new(hits: u64, of: u64) -> Self {
        if of == 0 {
            return Self { hits, of, low: 0.0, high: 1.0 };
        }
        let (n, share) = (of as f64, hits as f64 / of as f64);
        let middle = share + Z * Z / (2.0 * n);
        let half = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
        let whole = 1.0 + Z * Z / n;
        Self { hits, of, low: ((middle - half) / whole).max(0.0), high: ((middle + half) / whole).min(1.0) }
    }

    /// The share itself.
    #[must_use]
    pub fn value(&self) -> f64 {
        self.hits as f64 / self.of.max(1) as f64
    }

    /// Whether it is smaller than another beyond doubt: the intervals do not touch.
    #[must_use]
    pub fn is_below(&self, other: &Self) -> bool {
        self.high < other.low
    }
}

/// After so many trials without a single hit: the upper bound of the share, with 95 % confidence (the rule of three).
#[must_use]
pub fn rule_of_three(trials: u64) -> f64 {
    3.0 / trials.max(1) as f64
}

/// The value that so many of a thousand do not exceed. 0 of nothing.
#[must_use]
pub fn quantile(sorted: &[u64], per_mille: usize) -> u64 {
    let at = (sorted.len() * per_mille).div_ceil(1_000).saturating_sub(1);
    sorted.get(at).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilsons_interval_is_the_published_one() {
        // Agresti and Coull's example: no success in 10 trials.
        let none = Share::new(0, 10);
        assert!(none.low == 0.0 && (none.high - 0.2775).abs() < 1e-4, "{none:?}");
        let half = Share::new(50, 100);
        assert!((half.low - 0.4038).abs() < 1e-4 && (half.high - 0.5962).abs() < 1e-4, "{half:?}");
        assert!(none.is_below(&half) && !half.is_below(&none) && !Share::new(45, 100).is_below(&half));
        assert!(!Share::new(0, 0).is_below(&half), "nothing shows nothing");
    }

    #[test]
    fn bounds_and_quantiles() {
        assert!((rule_of_three(10_000_000) - 3e-7).abs() < 1e-12);
        let values: Vec<u64> = (1..=200).collect();
        assert_eq!(
            (quantile(&values, 500), quantile(&values, 990), quantile(&values, 1_000)),
            (100, 198, 200)
        );
        assert_eq!(quantile(&[], 500), 0);
    }
}
