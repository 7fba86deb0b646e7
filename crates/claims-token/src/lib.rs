//! Mints and reads the tokens that carry a person across a border.
//!
//! A *claims token* is the signed statement of a person's identity provider that its bearer's
//! client pushes to a foreign UMA authorization server. It is bound to one permission ticket, one
//! authorization server and one resource server, and is of no use anywhere else.
//!
//! | module | what it holds | specification |
//! |---|---|---|
//! | [`claims`] | the token as its issuer makes it | the ticket-bound claims profile (`docs/PROFILE.md`), [RFC 7519 §4] |
//! | [`read`] | what the authorization server, and before it the client, checks | the profile, [UMA Grant §3.3.4, §5.7], [RFC 8725 §3] |
//! | [`email`] | an e-mail address whose issuer says it verified it | [OpenID Connect Core §5.1] |
//!
//! The checks come in an order that lets nobody make the server fetch a URL by sending it a token
//! ([`read::Step`]): everything a token can be refused for without a key comes first, then its
//! issuer is discovered from the e-mail address, and only then the signature is verified.
//!
//! ```
//! use countersign_claims_token::{ClaimsToken, Expected, VerifiedEmail, check};
//! use countersign_jwt::{Algorithm, KeySet, SigningKey};
//! use countersign_permission_ticket::TicketChallenge;
//! use countersign_types::secret::TicketHandle;
//! use countersign_types::{EmailAddress, Issuer, ResourceIdentifier, Timestamp};
//!
//! let now = Timestamp::from_unix(1_800_000_000);
//! let ticket = TicketHandle::new("016f84e8-f9b9-11e0-bd6f-0021cc6004de");
//! let sts = Issuer::parse("https://sts.alice.example")?;
//! let uma = Issuer::parse("https://uma.bob.example")?;
//! let resource = ResourceIdentifier::parse("https://rs.bob.example")?;
//!
//! // Alice's identity provider, which has seen the challenge and never the ticket.
//! let key = SigningKey::generate(Algorithm::Es256, None)?;
//! let token = ClaimsToken {
//!     iss: sts.clone(),
//!     sub: "alice".to_owned(),
//!     email: VerifiedEmail::of_own_account(EmailAddress::parse("alice@alice.example")?),
//!     ticket_challenge: TicketChallenge::of(&ticket),
//!     aud: uma.clone(),
//!     resource: resource.clone(),
//!     iat: now,
//!     exp: now.after(ClaimsToken::LIFETIME),
//!     jti: "1".to_owned(),
//!     client_id: None,
//!     act: None,
//!     amr: vec!["pwd".to_owned()],
//!     user_claims: serde_json::Map::new(),
//! }
//! .mint(&key)?;
//!
//! // Bob's authorization server, which issued the ticket.
//! let resources = [resource];
//! let checked = check(&token, &Expected::new(&uma, &ticket, &resources, now))?;
//! assert_eq!(checked.email().domain(), "alice.example");
//! let discovered = (sts, KeySet::from_keys(vec![key.public().clone()])?); // by WebFinger, OpenID discovery
//! let person = checked.verify(&discovered.1, &discovered.0)?;
//! assert_eq!(person.subject(), "alice");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is left out
//!
//! Discovery of the issuer (`countersign-resolver`), the life of the ticket and the policy
//! (`countersign-uma`), the decision to issue (`countersign-token-exchange`). Identity tokens,
//! which carry a person to a resource server without UMA, are `countersign-identity-propagation`'s.
//!
//! # Deviations
//!
//! `typ` (`uma-claims+jwt`), `ticket_challenge` and `resource` as a claim are unregistered names of
//! the profile. The drafts' former names `ticket_digest` and `email_address` are read, never
//! written.
//!
//! [RFC 7519 §4]: https://www.rfc-editor.org/rfc/rfc7519#section-4
//! [RFC 8725 §3]: https://www.rfc-editor.org/rfc/rfc8725#section-3
//! [UMA Grant §3.3.4, §5.7]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#claims-process
//! [OpenID Connect Core §5.1]: https://openid.net/specs/openid-connect-core-1_0.html#StandardClaims

pub mod claims;
pub mod email;
pub mod read;

pub use claims::{ClaimsToken, MintError};
pub use email::VerifiedEmail;
pub use read::{
    CheckedClaims, ClaimsTokenError, Expected, ExpectedByClient, VerifiedClaims, check,
    check_received,
};
