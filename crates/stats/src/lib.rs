//! Pure estimators: numbers in, numbers out. Everything about an unweighted clustered linear model is computed from sums by cluster, so its
//! cost does not grow with the number of observations.
//!
//! What cannot be computed is refused with a reason; no function answers NaN.

#![warn(missing_docs)]

// Matrices and streams are part of what is passed in and out.
pub use nalgebra;
pub use rand_chacha;

pub mod random;
pub mod distribution;
pub mod passes;
pub mod cells;
mod absorb;
mod basis;
mod root;
pub mod block;
pub mod sandwich;
pub mod ols;
mod leverage;
pub mod bands;
mod orthonormal;
pub mod family;
pub mod generalised;
pub mod robust;
pub mod hazard;
mod working_correlation;
pub mod gee;
pub mod quadrature;
mod random_levels;
mod mixed_likelihood;
pub mod mixed;
pub mod survival;
pub mod log_rank;
mod risk_sets;
pub mod cox;
pub mod randomisation;
pub mod studentised;
pub mod wild;
pub mod multiple;
pub mod icc;
pub mod interval;
pub mod mantel_haenszel;
pub mod bounds;
pub mod power;
pub mod sequential;
pub mod confidence_sequence;

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
    /// Clusters are fitted exactly where the contrast lies, so they say nothing about its error.
    Saturated,
    /// Satterthwaite's degrees of freedom need rows or one clustering that the variance takes for independent.
    NoDegrees,
    /// A block has one unit in an arm, so it has no variance within.
    LoneUnit,
    /// A block holds half of the weight or more, where the weighted variance between blocks is not defined.
    HalfBlock,
    /// Two clusterings have no leverage adjustment.
    TwoWay,
    /// More absorbed levels than can stand beside each other.
    TooManyLevels,
    /// The passes did not come to an end.
    NotConverged,
    /// The coefficient is infinite: its rows all have one outcome.
    Separated,
    /// An outcome the family does not have.
    OutsideFamily,
    /// A combination the method does not have.
    NotOffered,
    /// Times that are not whole periods.
    Periods,
    /// Two rows of a cluster at one time.
    Times,
    /// More than memory should hold.
    TooLarge,
    /// A number that is not finite came in, or came out of an ill-conditioned matrix.
    NotFinite,
}

impl Refusal {
    /// In English, for warnings in files and on the command line.
    ///
    /// ```
    /// # use vecino_stats::Refusal;
    /// assert_eq!(Refusal::NoData.why(), "there are no data");
    /// ```
    pub fn why(self) -> &'static str {
        match self {
            Refusal::NoData => "there are no data",
            Refusal::NoVariation => "the outcome does not vary",
            Refusal::Collinear => "the column carries nothing beyond the columns before it",
            Refusal::OneCluster => "fewer than two clusters: a clustered error does not exist",
            Refusal::NoResidual => "no residual degrees of freedom are left",
            Refusal::NoVariance => "the estimated variance is zero",
            Refusal::Saturated => "the model fits clusters exactly where this contrast lies, so they say nothing about its error",
            Refusal::NoDegrees => "this variance has no Satterthwaite degrees of freedom; give df cluster or residual",
            Refusal::LoneUnit => "a block has one unit in an arm, so it has no variance within; use vcov between",
            Refusal::HalfBlock => "a block holds half of the weight or more, which between-weighted cannot have; use vcov between",
            Refusal::TwoWay => "two clusterings are defined for cr0, cr1 and cr1s only",
            Refusal::TooManyLevels => "the absorbed effects have too many levels to stand beside each other; use cr1s, or fewer effects",
            Refusal::NotConverged => "the computation did not converge",
            Refusal::Separated => "rows of one kind all have the same outcome, so a coefficient is infinite",
            Refusal::OutsideFamily => "an outcome is not one the family has",
            Refusal::NotOffered => "the method does not offer this combination",
            Refusal::Periods => "times must be whole numbers of periods from 1 to 10,000",
            Refusal::Times => "two rows of a cluster stand at the same time",
            Refusal::TooLarge => "the problem is larger than memory should hold",
            Refusal::NotFinite => "the numbers are not finite or the matrix is ill-conditioned",
        }
    }
}
