//! Streams of random numbers that can be made again.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use sha2::{Digest, Sha256};

/// ChaCha20 from a recorded seed; `purpose` names the stream, so that one draw never disturbs another.
///
/// ```
/// use vecino_stats::rand_chacha::rand_core::Rng;
/// use vecino_stats::random::seeded;
///
/// assert_eq!(seeded(1, "draw").next_u64(), seeded(1, "draw").next_u64());
/// assert_ne!(seeded(1, "draw").next_u64(), seeded(1, "bootstrap").next_u64());
/// ```
pub fn seeded(seed: u64, purpose: &str) -> ChaCha20Rng {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    hash.update(purpose.as_bytes());
    ChaCha20Rng::from_seed(hash.finalize().into())
}
