//! Pure estimators: numbers in, numbers out. Everything about a clustered linear model is computed from sums by cluster, so its cost
//! does not grow with the number of observations.
//!
//! What cannot be computed is refused with a reason; no function answers NaN.

pub mod distribution;
pub mod icc;
pub mod interval;
pub mod multiple;
pub mod ols;
pub mod randomisation;
pub mod satterthwaite;
pub mod sums;
pub mod wild;

/// Why there is no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No rows, or no column with any weight.
    NoData,
    /// Every row has the same outcome.
    NoVariation,
    /// The column carries nothing the columns before it do not.
    Collinear,
    /// Fewer than two clusters: a clustered variance does not exist.
    OneCluster,
    /// As many coefficients as rows.
    NoResidual,
    /// The variance is zero: for instance a single cluster in an arm.
    NoVariance,
    /// A number that is not finite came in, or came out of an ill-conditioned matrix.
    NotFinite,
}

impl Refusal {
    /// In English, for warnings in files and on the command line.
    pub fn why(self) -> &'static str {
        match self {
            Refusal::NoData => "there are no data",
            Refusal::NoVariation => "the outcome does not vary",
            Refusal::Collinear => "the column carries nothing beyond the columns before it",
            Refusal::OneCluster => "fewer than two clusters: a clustered error does not exist",
            Refusal::NoResidual => "no residual degrees of freedom are left",
            Refusal::NoVariance => "the estimated variance is zero",
            Refusal::NotFinite => "the numbers are not finite or the matrix is ill-conditioned",
        }
    }
}
