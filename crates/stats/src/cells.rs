//! Rows of a model, and cells: rows that share cluster, effects, weight and covariates, counted once with the sums of their outcome.
//!
//! Every linear estimator reads `Rows`: a table of single rows is the case n = 1, tallies are cells with n > 1, one code answers both.

/// What a linear model needs to know of its data. A row stands for `n` rows with the same covariates.
pub trait Rows: Sync {
    /// Number of rows as they stand here.
    fn len(&self) -> usize;
    /// Number of covariates, the intercept among them.
    fn width(&self) -> usize;
    /// Writes the covariates of a row.
    fn x(&self, row: usize, into: &mut [f64]);
    /// n, Σ y and Σ (y − ȳ)² of a row, the last apart so that an outcome far from 0 keeps its digits.
    fn sums(&self, row: usize) -> (f64, f64, f64);
    /// n of a row.
    fn count(&self, row: usize) -> f64 {
        self.sums(row).0
    }
    /// Weight of each of the n rows; positive.
    fn weight(&self, _row: usize) -> f64 {
        1.0
    }
    /// Whether any weight is not 1.
    fn is_weighted(&self) -> bool {
        false
    }
    /// Cluster in each clustering, 0..clusters. Without a clustering there are none.
    fn cluster(&self, clustering: usize, row: usize) -> u32;
    /// Number of clusters of each clustering.
    fn clusters(&self) -> &[usize];
    /// Level of each absorbed effect, 0..levels.
    fn effect(&self, _effect: usize, _row: usize) -> u32 {
        0
    }
    /// Number of levels of each absorbed effect.
    fn levels(&self) -> &[usize] {
        &[]
    }
    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A sum of squares around a mean or a fit below this share of Σ w y² is rounding: the outcome does not vary, or the fit is perfect.
pub const PERFECT: f64 = 1e-26;

/// n, Σ y and Σ (y − ȳ)² of two sets of rows together: they scatter as each does, and by the distance of their means (Chan, Golub and
/// LeVeque 1983).
///
/// ```
/// # use vecino_stats::cells::together;
/// // 1 and 3, with 5.
/// assert_eq!(together((2.0, 4.0, 2.0), (1.0, 5.0, 0.0)), (3.0, 9.0, 8.0));
/// ```
pub fn together(a: (f64, f64, f64), b: (f64, f64, f64)) -> (f64, f64, f64) {
    if a.0 == 0.0 || b.0 == 0.0 {
        return if a.0 == 0.0 { b } else { a };
    }
    let (n, apart) = (a.0 + b.0, a.1 / a.0 - b.1 / b.0);
    (n, a.1 + b.1, a.2 + b.2 + apart * apart * a.0 * b.0 / n)
}

/// Cells in memory, with at most one clustering. `x` holds `width` covariates a cell, one cell after the other.
#[derive(Debug, Clone, Default)]
pub struct Cells {
    /// Covariates a cell.
    pub width: usize,
    /// Cell after cell.
    pub x: Vec<f64>,
    /// 0..clusters.
    pub cluster: Vec<u32>,
    /// Number of clusters.
    pub clusters: usize,
    /// Rows in the cell, and Σ y and Σ (y − ȳ)² over them.
    pub n: Vec<f64>,
    /// Σ y of each cell.
    pub y: Vec<f64>,
    /// Σ (y − ȳ)² of each cell.
    pub within: Vec<f64>,
}

impl Cells {
    /// No cells of `width` covariates.
    ///
    /// ```
    /// # use vecino_stats::cells::Cells;
    /// assert_eq!((Cells::new(2).width, Cells::new(2).len()), (2, 0));
    /// ```
    pub fn new(width: usize) -> Cells {
        Cells { width, ..Cells::default() }
    }

    /// Number of cells.
    ///
    /// ```
    /// # use vecino_stats::cells::Cells;
    /// let mut cells = Cells::new(1);
    /// cells.push(0, &[1.0], 10.0, 4.0, 4.0);
    /// assert_eq!(cells.len(), 1);
    /// ```
    pub fn len(&self) -> usize {
        self.n.len()
    }

    /// Whether there are none.
    ///
    /// ```
    /// # use vecino_stats::cells::Cells;
    /// assert!(Cells::new(1).is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.n.is_empty()
    }

    /// The covariates of a cell.
    ///
    /// ```
    /// # use vecino_stats::cells::Cells;
    /// let mut cells = Cells::new(2);
    /// cells.push(0, &[1.0, 0.0], 10.0, 4.0, 4.0);
    /// cells.push(1, &[1.0, 1.0], 10.0, 6.0, 6.0);
    /// assert_eq!(cells.row(1), [1.0, 1.0]);
    /// ```
    pub fn row(&self, cell: usize) -> &[f64] {
        &self.x[cell * self.width..(cell + 1) * self.width]
    }

    /// Adds a cell of n rows with Σ y and Σ y²; for a 0/1 outcome both are the number of ones.
    ///
    /// ```
    /// # use vecino_stats::cells::Cells;
    /// let mut cells = Cells::new(1);
    /// cells.push(0, &[1.0], 2.0, 4.0, 10.0); // 1 and 3
    /// assert_eq!((cells.clusters, cells.within[0]), (1, 2.0));
    /// ```
    pub fn push(&mut self, cluster: u32, x: &[f64], n: f64, y: f64, yy: f64) {
        self.push_centred(cluster, x, n, y, if n > 0.0 { (yy - y * y / n).max(0.0) } else { 0.0 });
    }

    /// Adds a cell of n rows with Σ y and Σ (y − ȳ)².
    ///
    /// ```
    /// # use vecino_stats::cells::Cells;
    /// let mut cells = Cells::new(1);
    /// cells.push_centred(0, &[1.0], 2.0, 2e9 + 4.0, 2.0); // 1e9 + 1 and 1e9 + 3: their squares would round
    /// assert_eq!(cells.within[0], 2.0);
    /// ```
    pub fn push_centred(&mut self, cluster: u32, x: &[f64], n: f64, y: f64, within: f64) {
        self.x.extend_from_slice(x);
        self.cluster.push(cluster);
        self.clusters = self.clusters.max(cluster as usize + 1);
        self.n.push(n);
        self.y.push(y);
        self.within.push(within);
    }

    /// Whether every row has the same outcome, to rounding.
    ///
    /// ```
    /// # use vecino_stats::cells::Cells;
    /// let mut cells = Cells::new(1);
    /// cells.push(0, &[1.0], 5.0, 5.0, 5.0);
    /// assert!(cells.is_flat());
    /// cells.push(0, &[1.0], 5.0, 4.0, 4.0);
    /// assert!(!cells.is_flat());
    /// ```
    pub fn is_flat(&self) -> bool {
        let n = self.rows();
        let mean = self.y.iter().sum::<f64>() / n;
        let cells = (0..self.len()).filter(|c| self.n[*c] > 0.0).map(|c| (self.n[c], self.y[c] / self.n[c], self.within[c]));
        let (apart, size) = cells
            .fold((0.0, 0.0), |(apart, size), (n, own, within)| (apart + within + n * (own - mean) * (own - mean), size + within + n * own * own));
        n > 0.0 && apart <= PERFECT * size.max(f64::MIN_POSITIVE)
    }

    /// Number of rows.
    ///
    /// ```
    /// # use vecino_stats::cells::Cells;
    /// let mut cells = Cells::new(1);
    /// cells.push(0, &[1.0], 10.0, 4.0, 4.0);
    /// cells.push(1, &[1.0], 5.0, 3.0, 3.0);
    /// assert_eq!(cells.rows(), 15.0);
    /// ```
    pub fn rows(&self) -> f64 {
        self.n.iter().sum()
    }
}

impl Rows for Cells {
    fn len(&self) -> usize {
        self.n.len()
    }

    fn width(&self) -> usize {
        self.width
    }

    fn x(&self, row: usize, into: &mut [f64]) {
        into.copy_from_slice(self.row(row));
    }

    fn sums(&self, row: usize) -> (f64, f64, f64) {
        (self.n[row], self.y[row], self.within[row])
    }

    fn cluster(&self, _clustering: usize, row: usize) -> u32 {
        self.cluster[row]
    }

    fn clusters(&self) -> &[usize] {
        std::slice::from_ref(&self.clusters)
    }
}
