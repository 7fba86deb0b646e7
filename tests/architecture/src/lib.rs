//! Tests of the whole: what the layers, the sources, the manifests and the documents promise.
//!
//! - `layers`: the picture of `docs/ARCHITECTURE.md`, read out of the manifests.
//! - `sources`: no clock, file, environment or socket in the pure layers; no test switched off.
//! - `manifests`: every package is fit to be published, and a verifier needs no OpenSSL.
//! - `templates`: what pages say stands in the files of their languages.
//! - `documents`: a row that names a test names one that exists; no attack class lacks its row.
//! - `models`: what is said of the models is what they are expected to find.
//! - `widths`: comments and documents are no wider than code.

#[cfg(test)]
mod documents;
#[cfg(test)]
mod layers;
#[cfg(test)]
mod manifests;
#[cfg(test)]
mod models;
#[cfg(test)]
mod sources;
#[cfg(test)]
mod templates;
#[cfg(test)]
mod widths;
#[cfg(test)]
mod workspace;
