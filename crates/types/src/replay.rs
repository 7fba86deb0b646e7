//! What may be shown once only: assertions and proofs. [RFC 7519 §4.1.7], [RFC 9449 §11.1]
//!
//! [RFC 7519 §4.1.7]: https://www.rfc-editor.org/rfc/rfc7519#section-4.1.7
//! [RFC 9449 §11.1]: https://www.rfc-editor.org/rfc/rfc9449#section-11.1

/// What a memory says of a value in the one step in which it notes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It was not there: nobody has shown the value before.
    First,
    /// It was there already: the value is replayed.
    Again,
}
