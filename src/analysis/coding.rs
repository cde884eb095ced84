//! Arms as columns of a model.

use crate::trial::protocol::Protocol;

/// How arms become columns. A full factorial design is effect-coded: ± ½ for each factor and their products, so that a main effect is the mean
/// of its simple effects and is told apart from the interaction. Every other design has a column for each arm but the first.
#[derive(Debug, Clone)]
pub struct Coding {
    /// Codes of each arm.
    codes: Vec<Vec<f64>>,
    /// Whether a column is a product of factors.
    product: Vec<bool>,
}

impl Coding {
    pub fn of(protocol: &Protocol) -> Coding {
        let factors = protocol.factors();
        if factors.is_empty() {
            let arms = protocol.arms.len();
            let code = |arm: usize| (1..arms).map(|column| f64::from(u8::from(arm == column))).collect();
            return Coding { codes: (0..arms).map(code).collect(), product: vec![false; arms.saturating_sub(1)] };
        }
        // Single factors first, in their order, then pairs, then threes.
        let mut subsets: Vec<u32> = (1..1 << factors.len()).collect();
        subsets.sort_by_key(|subset| (subset.count_ones(), *subset));
        let code = |arm: &crate::trial::protocol::Arm| -> Vec<f64> {
            let half: Vec<f64> = factors.iter().map(|factor| if arm.factors.get(*factor) == Some(&true) { 0.5 } else { -0.5 }).collect();
            subsets.iter().map(|subset| (0..half.len()).filter(|at| subset >> at & 1 == 1).map(|at| half[at]).product()).collect()
        };
        Coding { codes: protocol.arms.iter().map(code).collect(), product: subsets.iter().map(|subset| subset.count_ones() > 1).collect() }
    }

    pub fn columns(&self) -> usize {
        self.product.len()
    }

    /// The codes of an arm, by its place among the protocol's arms.
    pub fn arm(&self, arm: usize) -> &[f64] {
        self.codes.get(arm).map_or(&[], Vec::as_slice)
    }

    /// A contrast over arms as weights of columns, from 0, without those that are 0.
    pub fn weights(&self, contrast: &[f64]) -> Vec<(usize, f64)> {
        let weight = |column: usize| contrast.iter().zip(&self.codes).map(|(weight, codes)| weight * codes[column]).sum::<f64>();
        (0..self.columns()).map(|column| (column, weight(column))).filter(|(_, weight)| weight.abs() > 1e-12).collect()
    }

    /// Whether a contrast is one of interaction alone.
    pub(super) fn is_interaction(&self, contrast: &[f64]) -> bool {
        let weights = self.weights(contrast);
        !weights.is_empty() && weights.iter().all(|(column, _)| self.product[*column])
    }
}
