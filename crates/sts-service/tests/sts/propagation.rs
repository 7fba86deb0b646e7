//! Identity propagation, the security token service's part: F004-1 to F004-12.

mod clients;
mod documents;
mod issued;
mod requests;
