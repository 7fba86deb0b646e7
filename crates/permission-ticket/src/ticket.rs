//! The permission ticket.
//!
//! Its format is the issuer's own affair, and whoever else holds one must not look into it
//! ([UMA Grant §5.5]). Ours are 256 random bits ([`TicketHandle::generate`]); a client also meets
//! UUIDs and signed tokens. All that may be asked of a foreign ticket is that it can travel in a
//! quoted string and in a form.
//!
//! [UMA Grant §5.5]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#permission-ticket-management

use countersign_types::Lifetime;
use countersign_types::secret::TicketHandle;

/// A ticket longer than this is refused.
pub const MAX_LENGTH: usize = 8192;

/// How long a ticket lives unless configured otherwise.
pub const LIFETIME: Lifetime = Lifetime::from_secs(300);

/// Why a text is no ticket.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum TicketError {
    /// Empty, or longer than [`MAX_LENGTH`].
    #[error("the permission ticket is empty or too long")]
    Length,
    /// A character outside `%x20-7E`.
    #[error("the permission ticket has a character outside %x20-7E")]
    Character,
}

/// Takes a ticket as it was received, after the quoting of the message it came in was undone.
///
/// # Errors
/// [`TicketError`].
pub fn parse(text: &str) -> Result<TicketHandle, TicketError> {
    if text.is_empty() || text.len() > MAX_LENGTH {
        return Err(TicketError::Length);
    }
    if !text.bytes().all(|b| matches!(b, 0x20..=0x7e)) {
        return Err(TicketError::Character);
    }
    Ok(TicketHandle::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_printable_text_is_a_ticket_and_is_kept_as_it_is() {
        for text in ["x", " a b ", "eyJhbGciOiJSUzI1NiJ9.e30.c2ln", "\"\\", &"x".repeat(MAX_LENGTH)]
        {
            assert_eq!(parse(text).unwrap().expose(), text);
        }
    }

    #[test]
    fn what_cannot_travel_is_refused() {
        assert_eq!(parse("").unwrap_err(), TicketError::Length);
        assert_eq!(parse(&"x".repeat(MAX_LENGTH + 1)).unwrap_err(), TicketError::Length);
        for text in ["a\n", "a\0", "\u{7f}", "tické"] {
            assert_eq!(parse(text).unwrap_err(), TicketError::Character, "{text:?}");
        }
    }
}
