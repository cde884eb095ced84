//! `vecino init`, `vecino serve`, `vecino openapi`.
