//! Hides small counts in a breakdown so that none comes back by subtraction from the total. Pure.

/// Fewer people than this are never shown.
pub const SMALLEST: i64 = 5;

/// Which cells of one breakdown are shown. The total of the cells is taken as published when it is at least [`SMALLEST`].
///
/// A cell of 1 to 4 is hidden. Then further cells, the smallest first, until each hidden cell could still be anything from 1 to at
/// least [`SMALLEST`] for somebody who knows the total and every shown cell: with k hidden cells of sum S, one of them reaches S − (k − 1).
/// A zero is shown: it tells of nobody. When not enough cells are left, the whole breakdown is hidden.
pub fn shown(cells: &[i64]) -> Vec<bool> {
    let mut hidden: Vec<bool> = cells.iter().map(|n| (1..SMALLEST).contains(n)).collect();
    if !hidden.contains(&true) {
        return vec![true; cells.len()];
    }
    let mut others: Vec<usize> = (0..cells.len()).filter(|index| cells[*index] >= SMALLEST).collect();
    others.sort_by_key(|index| (cells[*index], *index));
    let mut others = others.into_iter();
    loop {
        let count = hidden.iter().filter(|hidden| **hidden).count() as i64;
        let sum: i64 = cells.iter().zip(&hidden).filter(|(_, hidden)| **hidden).map(|(n, _)| n).sum();
        if count >= 2 && sum - (count - 1) >= SMALLEST {
            return hidden.into_iter().map(|hidden| !hidden).collect();
        }
        match others.next() {
            Some(index) => hidden[index] = true,
            None => return vec![false; cells.len()],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_small_cell_takes_the_smallest_other_with_it() {
        assert_eq!(shown(&[120, 3, 40, 0]), [true, false, false, true]);
        assert_eq!(shown(&[120, 40, 9]), [true, true, true]);
        assert_eq!(shown(&[1, 1, 90, 7]), [false, false, true, false]);
        assert_eq!(shown(&[2, 1]), [false, false]);
        assert_eq!(shown(&[4]), [false]);
        // The three could be five, beside a one.
        assert_eq!(shown(&[3, 3, 90]), [false, false, true]);
        assert_eq!(shown(&[3, 2, 90]), [false, false, false]);
    }

    /// Somebody who subtracts the shown cells from the total learns no hidden cell, nor that one is under five. Every breakdown of up to four
    /// cells of up to twelve: what is wrong shows at few of them.
    #[test]
    fn no_hidden_cell_comes_back_by_subtraction() {
        for cells in (1..=4).flat_map(|width| (0..13_i64.pow(width)).map(move |n| (0..width).map(|at| n / 13_i64.pow(at) % 13).collect::<Vec<_>>())) {
            let shown = shown(&cells);
            assert!(cells.iter().zip(&shown).all(|(n, shown)| !*shown || *n == 0 || *n >= SMALLEST), "{cells:?}");
            let total: i64 = cells.iter().sum();
            let rest = total - cells.iter().zip(&shown).filter(|(_, shown)| **shown).map(|(n, _)| n).sum::<i64>();
            let hidden = shown.iter().filter(|shown| !**shown).count() as i64;
            if hidden > 0 && total >= SMALLEST {
                if shown.iter().any(|shown| *shown) {
                    assert!(hidden >= 2 && rest - (hidden - 1) >= SMALLEST, "{cells:?}");
                } else if hidden == 1 {
                    // A breakdown of one cell says what the total says.
                    assert!(cells.len() == 1);
                }
            }
        }
    }
}
