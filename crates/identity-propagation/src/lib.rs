//! Carries a person's identity to a relying party in another domain, through services that act for
//! the person.
//!
//! | module | token | from → to | specification |
//! |---|---|---|---|
//! | [`actor_token`](mod@actor_token) | actor token, `actor+jwt` | client → security token service | [RFC 8693 §2.1, §4.1] |
//! | [`identity_token`] | identity token, `identity-propagation+jwt` | security token service → relying party | [RFC 8693 §4.1, §4.3] |
//! | [`client_proof`](mod@client_proof) | client proof, `client-proof+jwt` | client → relying party | [RFC 7523 §3], [RFC 9449 §4.2] |
//! | [`presentation`] | identity token and its proofs | what the relying party checks | [RFC 8725 §3] |
//!
//! A client is a service with a URL as its identifier, under which it publishes its keys. It tells
//! the person's security token service that it acts (actor token), gets an identity token for one
//! relying party, checks that it got what it asked for, and shows it there beside a proof that it
//! is the client the token names. The relying party has never heard of either: it finds the issuer
//! from the address and the client's keys from the client's URL.
//!
//! ```
//! use countersign_claims_token::VerifiedEmail;
//! use countersign_identity_propagation::{
//!     ExpectedByClient, IdentityToken, PropagatedIdentity, check_received, client_proof, presentation,
//! };
//! use countersign_jwt::act::{Actor, ActorChain};
//! use countersign_jwt::{Algorithm, KeySet, SigningKey};
//! use countersign_types::replay::Seen;
//! use countersign_types::{ClientId, EmailAddress, Issuer, ResourceIdentifier, Timestamp};
//! # struct Zero;
//! # impl countersign_types::random::Random for Zero {
//! #     fn fill(&self, out: &mut [u8]) { out.fill(0) }
//! # }
//!
//! let now = Timestamp::from_unix(1_800_000_000);
//! let sts = Issuer::parse("https://sts.alice.example")?;
//! let rp = ResourceIdentifier::parse("https://rp.bob.example")?;
//! let client = ClientId::parse("https://mail.example/client")?;
//! let alice = EmailAddress::parse("alice@alice.example")?;
//! let sts_key = SigningKey::generate(Algorithm::Es256, None)?;
//! let client_key = SigningKey::generate(Algorithm::Es256, None)?;
//!
//! // Alice's security token service, after it decided on the exchange request.
//! let token = IdentityToken {
//!     iss: sts.clone(),
//!     sub: VerifiedEmail::of_own_account(alice.clone()),
//!     aud: rp.clone(),
//!     iat: now,
//!     exp: now.after(IdentityToken::LIFETIME),
//!     jti: "1".to_owned(),
//!     act: ActorChain::new(Actor::of_subject(client.as_str())),
//!     client_id: client.clone(),
//!     cnf: None,
//! }
//! .mint(&sts_key)?;
//!
//! // The client, which believes nobody.
//! check_received(&token, &ExpectedByClient {
//!     issuer: &sts,
//!     audience: &rp,
//!     person: &alice,
//!     client_id: &client,
//!     confirmation: None,
//!     now,
//! })?;
//! let proof = client_proof(&client_key, &client, &rp, &token, now, &Zero)?;
//!
//! // The relying party.
//! let checked = presentation::check(&token, Some(&proof), &rp, now)?; // and a DPoP proof, with `cnf`
//! assert_eq!(checked.email().domain(), "alice.example");
//! assert_eq!(checked.client(), &client);
//! let issuer_keys = KeySet::from_keys(vec![sts_key.public().clone()])?; // by discovery
//! let client_keys = KeySet::from_keys(vec![client_key.public().clone()])?; // from the client's URL
//! let presented = checked.verify(&sts, &issuer_keys, &client_keys)?;
//! let (_key, _until) = presented.once(); // into the store of used proofs
//! let caller: PropagatedIdentity = presented.if_new(Seen::First, None)?;
//! assert_eq!(caller.email(), &alice);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is left out
//!
//! The decision to issue (`countersign-token-exchange`), finding issuers and keys
//! (`countersign-resolver`), judging the proof of a key that a token is bound to
//! (`countersign-client-auth`): it comes in as one of the [`presentation::Proofs`].
//!
//! # Deviations
//!
//! `typ` values, the claim `ath` in a client proof and the header that carries it
//! ([`client_proof::HEADER`]) are unregistered names of the profile. The actor token's form for the
//! target has an audience that does not read it; it is taken because the flow draws it.
//!
//! [RFC 7523 §3]: https://www.rfc-editor.org/rfc/rfc7523#section-3
//! [RFC 8693 §2.1, §4.1]: https://www.rfc-editor.org/rfc/rfc8693#section-2.1
//! [RFC 8693 §4.1, §4.3]: https://www.rfc-editor.org/rfc/rfc8693#section-4.1
//! [RFC 8725 §3]: https://www.rfc-editor.org/rfc/rfc8725#section-3
//! [RFC 9449 §4.2]: https://www.rfc-editor.org/rfc/rfc9449#section-4.2

pub mod actor_token;
pub mod client_proof;
pub mod identity_token;
pub mod presentation;

pub use actor_token::{ActorAudience, MadeOutTo, actor_token};
pub use client_proof::client_proof;
pub use countersign_claims_token::read::ALGORITHMS;
pub use identity_token::{ExpectedByClient, IdentityToken, IdentityTokenError, check_received};
pub use presentation::{PresentationError, PropagatedIdentity};

#[cfg(test)]
mod testing;
