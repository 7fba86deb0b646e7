//! the golden vectors, through the crates that compute them.

use countersign_permission_ticket::TicketChallenge;
use countersign_types::digest::Digest;
use countersign_types::secret::{CodeVerifier, TicketHandle};

/// The ticket of UMA 2.0 Grant §3.2.1.
#[test]
fn x_4_the_challenge_of_umas_example_ticket() {
    let ticket = TicketHandle::new("016f84e8-f9b9-11e0-bd6f-0021cc6004de");
    let challenge = TicketChallenge::of(&ticket).to_string();
    assert_eq!(challenge, "Pn3swUIhNUiYFpJdpL67uuVdjcbI1CPRsm04Z-Q77_c");
}

/// RFC 7636 Appendix B: the same arithmetic.
#[test]
fn x_4_the_challenge_of_pkces_example_verifier() {
    let verifier = CodeVerifier::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    assert_eq!(verifier.digest().to_base64url(), challenge);
    assert_eq!(Digest::of(verifier.expose().as_bytes()).to_base64url(), challenge);
    let as_ticket = TicketChallenge::of(&TicketHandle::new(verifier.expose()));
    assert_eq!(as_ticket.to_string(), challenge);
}
