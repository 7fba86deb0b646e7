//! The engines that compute, behind the seams of [`alg`](crate::alg).
//!
//! `aws_lc` serves every signature and MAC. `josekit`, behind the feature of that name, serves the
//! conversion of keys and the encryption of tokens. Neither appears in a public signature.

pub(crate) mod aws_lc;
