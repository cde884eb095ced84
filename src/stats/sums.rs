//! Sums by cluster: all that a clustered linear model needs to know about its rows.
//!
//! With rows x (k columns) and outcome y, cluster g keeps A_g = Σ x x', b_g = Σ x y, n_g, Σ y and Σ y². From these the coefficients,
//! CR0 to CR3, Satterthwaite degrees of freedom and the wild bootstrap are exact (Wong, Forsell, Lewis, Mao and Wardrop 2021, "You Only
//! Compress Once", for the first; the identities for the rest stand at `ols` and `wild`). 0/1 outcomes are summed without rounding.

use nalgebra::{DMatrix, DVector};

/// Rows that share cluster and covariates: how many, and the sums of their outcome. A single row is `n = 1`, `y`, `yy = y²`.
#[derive(Debug, Clone)]
pub struct Cell {
    pub cluster: usize,
    /// The k covariates, the intercept included.
    pub x: Vec<f64>,
    pub n: f64,
    pub y: f64,
    pub yy: f64,
}

impl Cell {
    pub fn row(cluster: usize, x: Vec<f64>, y: f64) -> Cell {
        Cell { cluster, x, n: 1.0, y, yy: y * y }
    }

    /// `n` rows of a 0/1 outcome, `ones` of them 1.
    pub fn counts(cluster: usize, x: Vec<f64>, n: f64, ones: f64) -> Cell {
        Cell { cluster, x, n, y: ones, yy: ones }
    }
}

/// One cluster's sums: `a` is k × k, `b` has k entries.
#[derive(Debug, Clone)]
pub struct Cluster {
    pub a: DMatrix<f64>,
    pub b: DVector<f64>,
    pub n: f64,
    pub y: f64,
    pub yy: f64,
}

/// The sums of all clusters that have rows. `names[i]` is the caller's number of cluster `i`.
#[derive(Debug, Clone)]
pub struct Sums {
    pub width: usize,
    pub clusters: Vec<Cluster>,
    pub names: Vec<usize>,
}

impl Sums {
    /// Adds up cells of `width` covariates; cells without rows and cells whose numbers are not finite are left out.
    pub fn collect(width: usize, cells: impl IntoIterator<Item = Cell>) -> Sums {
        let mut found: std::collections::BTreeMap<usize, Cluster> = std::collections::BTreeMap::new();
        for cell in cells {
            let finite = cell.x.len() == width && cell.x.iter().chain([&cell.n, &cell.y, &cell.yy]).all(|v| v.is_finite());
            if !finite || cell.n <= 0.0 {
                continue;
            }
            let cluster = found.entry(cell.cluster).or_insert_with(|| Cluster {
                a: DMatrix::zeros(width, width),
                b: DVector::zeros(width),
                n: 0.0,
                y: 0.0,
                yy: 0.0,
            });
            for (i, left) in cell.x.iter().enumerate().filter(|(_, v)| **v != 0.0) {
                for (j, right) in cell.x.iter().enumerate() {
                    cluster.a[(i, j)] += cell.n * left * right;
                }
                cluster.b[i] += left * cell.y;
            }
            cluster.n += cell.n;
            cluster.y += cell.y;
            cluster.yy += cell.yy;
        }
        let (names, clusters) = found.into_iter().unzip();
        Sums { width, clusters, names }
    }

    /// The same sums for a model in these columns only.
    pub fn columns(&self, keep: &[usize]) -> Sums {
        let clusters = self
            .clusters
            .iter()
            .map(|cluster| Cluster {
                a: cluster.a.select_rows(keep).select_columns(keep),
                b: cluster.b.select_rows(keep),
                n: cluster.n,
                y: cluster.y,
                yy: cluster.yy,
            })
            .collect();
        Sums { width: keep.len(), clusters, names: self.names.clone() }
    }

    /// Number of rows.
    pub fn rows(&self) -> f64 {
        self.clusters.iter().map(|c| c.n).sum()
    }

    /// Σ A_g and Σ b_g.
    pub fn total(&self) -> (DMatrix<f64>, DVector<f64>) {
        let mut a = DMatrix::zeros(self.width, self.width);
        let mut b = DVector::zeros(self.width);
        for cluster in &self.clusters {
            a += &cluster.a;
            b += &cluster.b;
        }
        (a, b)
    }

    /// Whether the outcome takes a single value: Σ (y − ȳ)² is zero to rounding.
    pub fn is_flat(&self) -> bool {
        let n = self.rows();
        let (y, yy) = self.clusters.iter().fold((0.0, 0.0), |(y, yy), c| (y + c.y, yy + c.yy));
        n <= 0.0 || yy - y * y / n <= 1e-12 * yy.max(f64::MIN_POSITIVE)
    }
}
