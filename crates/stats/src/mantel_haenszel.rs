//! The common risk ratio of a two-by-two table in each block.
//!
//! With a of n1 treated and c of n0 others in a block of N: R = Σ a n0/N, S = Σ c n1/N, ratio R/S (Mantel and Haenszel 1959) and
//! var(ln R/S) = Σ ((n1 n0 (a + c) − a c N)/N²) / (R S) (Greenland and Robins 1985).

use super::Refusal;

/// One block: events and rows, treated and not.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Block {
    /// Events among the treated.
    pub a: f64,
    /// Treated rows.
    pub n1: f64,
    /// Events among the others.
    pub c: f64,
    /// Other rows.
    pub n0: f64,
}

/// R/S, its logarithm, and that logarithm's standard error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RiskRatio {
    /// R/S.
    pub ratio: f64,
    /// `None` where no treated row has the event.
    pub log_ratio: Option<f64>,
    /// `None` also where every row has the event, and the variance is 0.
    pub log_se: Option<f64>,
    /// Blocks with both arms; the others say nothing and are left out.
    pub blocks: usize,
}

/// The common risk ratio R/S of the blocks with both arms. Refuses no such block, no event at all, no event among the untreated, and counts
/// outside their rows.
///
/// ```
/// # use vecino_stats::mantel_haenszel::{Block, risk_ratio};
/// // R = 4·10/20 + 2·20/30, S = 5·10/20 + 6·10/30.
/// let blocks = [Block { a: 4.0, n1: 10.0, c: 5.0, n0: 10.0 }, Block { a: 2.0, n1: 10.0, c: 6.0, n0: 20.0 }];
/// assert!((risk_ratio(&blocks)?.ratio - (2.0 + 4.0 / 3.0) / 4.5).abs() < 1e-15);
/// # Ok::<(), vecino_stats::Refusal>(())
/// ```
pub fn risk_ratio(blocks: &[Block]) -> Result<RiskRatio, Refusal> {
    let (mut r, mut s, mut v, mut used) = (0.0, 0.0, 0.0, 0);
    for &Block { a, n1, c, n0 } in blocks {
        if !(a >= 0.0 && a <= n1 && c >= 0.0 && c <= n0 && n1.is_finite() && n0.is_finite()) {
            return Err(Refusal::NotFinite);
        }
        if n1 > 0.0 && n0 > 0.0 {
            let n = n1 + n0;
            used += 1;
            r += a * n0 / n;
            s += c * n1 / n;
            v += (n1 * n0 * (a + c) - a * c * n) / (n * n);
        }
    }
    match () {
        _ if used == 0 => Err(Refusal::NoData),
        _ if r == 0.0 && s == 0.0 => Err(Refusal::NoVariation),
        _ if s == 0.0 || !(r / s).is_finite() || !(v / (r * s)).is_finite() && r > 0.0 => Err(Refusal::NotFinite),
        _ if r == 0.0 => Ok(RiskRatio { ratio: 0.0, log_ratio: None, log_se: None, blocks: used }),
        _ => {
            let variance = v / (r * s);
            let log_se = (variance > 1e-14).then(|| variance.sqrt());
            Ok(RiskRatio { ratio: r / s, log_ratio: Some((r / s).ln()), log_se, blocks: used })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // By hand: R = 4·10/20 + 2·20/30, S = 5·10/20 + 6·10/30.
    #[test]
    fn the_ratio_of_two_blocks_is_the_one_worked_by_hand() {
        let blocks = [Block { a: 4.0, n1: 10.0, c: 5.0, n0: 10.0 }, Block { a: 2.0, n1: 10.0, c: 6.0, n0: 20.0 }];
        let (r, s) = (2.0 + 4.0 / 3.0, 2.5 + 2.0);
        let v = (100.0 * 9.0 - 400.0) / 400.0 + (200.0 * 8.0 - 360.0) / 900.0;
        let found = risk_ratio(&blocks).unwrap();
        assert!((found.ratio - r / s).abs() < 1e-15 && (found.log_se.unwrap() - (v / (r * s)).sqrt()).abs() < 1e-15);
        let one_armed = [blocks[0], blocks[1], Block { a: 3.0, n1: 3.0, c: 0.0, n0: 0.0 }];
        assert_eq!(risk_ratio(&one_armed).unwrap(), found);
    }

    #[test]
    fn one_block_is_the_plain_ratio() {
        let found = risk_ratio(&[Block { a: 3.0, n1: 12.0, c: 8.0, n0: 16.0 }]).unwrap();
        assert!((found.ratio - 0.5).abs() < 1e-15);
        let plain: f64 = 1.0 / 3.0 - 1.0 / 12.0 + 1.0 / 8.0 - 1.0 / 16.0;
        assert!((found.log_se.unwrap() - plain.sqrt()).abs() < 1e-15);
    }

    #[test]
    fn tables_without_events_have_no_log() {
        let block = |a, c| [Block { a, n1: 5.0, c, n0: 5.0 }];
        assert_eq!(risk_ratio(&block(0.0, 2.0)).unwrap().log_ratio, None);
        assert_eq!(risk_ratio(&block(0.0, 0.0)), Err(Refusal::NoVariation));
        assert_eq!(risk_ratio(&block(2.0, 0.0)), Err(Refusal::NotFinite));
        assert_eq!(risk_ratio(&block(5.0, 5.0)).unwrap().log_se, None);
    }
}
