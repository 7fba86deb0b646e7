//! Authentication requests, grants, refresh tokens, ID Tokens and PKCE, as pure decisions.
//!
//! | module | what it holds | specification |
//! |---|---|---|
//! | [`authorize`] | the authorization request, and which answer goes where | [RFC 6749 §4.1.1, §4.1.2], [OpenID Connect Core §3.1.2], [RFC 9207] |
//! | [`interaction`] | what the person has to do first: sign in, be asked, nothing | [OpenID Connect Core §3.1.2.1, §3.1.2.3, §3.1.2.4] |
//! | [`grant`] | what a person allowed a client: everything that is issued for it derives from it | [RFC 6749 §1.3] |
//! | [`code`] | redemption of an authorization code | [RFC 6749 §4.1.3] |
//! | [`refresh`] | refresh tokens: rotation, reuse, binding to a key | [RFC 6749 §6], [RFC 9700 §4.14.2], [RFC 9449 §5] |
//! | [`dpop_jkt`](mod@dpop_jkt) | the key that a code is bound to | [RFC 9449 §10] |
//! | [`pkce`] | proof keys, method `S256` | [RFC 7636] |
//! | [`id_token`] | ID tokens with `at_hash` | [OpenID Connect Core §2, §3.1.3.6] |
//! | [`userinfo`] | claims about a person, by scope | [OpenID Connect Core §5.3, §5.4] |
//! | [`logout`] | where the browser goes when a client signs somebody out | [OpenID Connect RP-Initiated Logout §2, §3] |
//! | [`introspection`] | what a resource server is told of an access token | [RFC 7662 §2] |
//!
//! Nothing here waits, reads a clock or opens a socket; the codes live in a store and are spent
//! there before [`code::redeem`] looks at what they stand for.
//!
//! ```
//! use countersign_oidc::{AuthorizationError, PageError, Registration, authorize};
//! use countersign_types::{ClientId, Issuer, RedirectUri, ScopeSet};
//!
//! let app = ClientId::parse("app")?;
//! let redirect_uris = [RedirectUri::parse("https://app.example/callback")?];
//! let scopes = ScopeSet::parse("openid email")?;
//! let registration = Registration {
//!     client_id: &app,
//!     redirect_uris: &redirect_uris,
//!     scopes: &scopes,
//!     authorization_code: true,
//!     resources: &[],
//! };
//!
//! let request = authorize::read(
//!     b"response_type=code&client_id=app&redirect_uri=https://app.example/callback&scope=openid\
//!       &state=s&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256",
//! )?
//! .check(Some(registration))?;
//! let issuer = Issuer::parse("https://sts.alice.example")?;
//! assert_eq!(
//!     request.success_location("c", &issuer),
//!     "https://app.example/callback?code=c&state=s&iss=https%3A%2F%2Fsts.alice.example",
//! );
//!
//! // Nobody is redirected to a place that is not registered.
//! let elsewhere = authorize::read(b"client_id=app&redirect_uri=https://evil.example/")?;
//! let elsewhere = elsewhere.check(Some(registration));
//! assert_eq!(elsewhere, Err(AuthorizationError::Page(PageError::RedirectUri)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is left out
//!
//! Response types other than `code`, request objects, logout at other clients.
//!
//! # Deviations
//!
//! Stricter than OpenID Connect Core: PKCE and `redirect_uri` are demanded of every client, at the
//! authorization and at the token endpoint; `scope` need not have `openid`, and then there is no ID
//! token, as in plain OAuth.
//!
//! [RFC 6749 §1.3]: https://www.rfc-editor.org/rfc/rfc6749#section-1.3
//! [RFC 6749 §4.1.1, §4.1.2]: https://www.rfc-editor.org/rfc/rfc6749#section-4.1.1
//! [RFC 6749 §4.1.3]: https://www.rfc-editor.org/rfc/rfc6749#section-4.1.3
//! [RFC 6749 §6]: https://www.rfc-editor.org/rfc/rfc6749#section-6
//! [RFC 7662 §2]: https://www.rfc-editor.org/rfc/rfc7662#section-2
//! [RFC 7636]: https://www.rfc-editor.org/rfc/rfc7636
//! [RFC 9449 §5]: https://www.rfc-editor.org/rfc/rfc9449#section-5
//! [RFC 9700 §4.14.2]: https://www.rfc-editor.org/rfc/rfc9700#section-4.14.2
//! [RFC 9449 §10]: https://www.rfc-editor.org/rfc/rfc9449#section-10
//! [RFC 9207]: https://www.rfc-editor.org/rfc/rfc9207
//! [OpenID Connect Core §2, §3.1.3.6]: https://openid.net/specs/openid-connect-core-1_0.html#IDToken
//! [OpenID Connect Core §5.3, §5.4]: https://openid.net/specs/openid-connect-core-1_0.html#UserInfo
//! [OpenID Connect Core §3.1.2.1, §3.1.2.3, §3.1.2.4]: https://openid.net/specs/openid-connect-core-1_0.html#AuthRequest
//! [OpenID Connect RP-Initiated Logout §2, §3]: https://openid.net/specs/openid-connect-rpinitiated-1_0.html#RPLogout
//! [OpenID Connect Core §3.1.2]: https://openid.net/specs/openid-connect-core-1_0.html#AuthorizationEndpoint

pub mod authorize;
pub mod code;
pub mod dpop_jkt;
pub mod grant;
pub mod id_token;
pub mod interaction;
pub mod introspection;
pub mod logout;
pub mod pkce;
pub mod refresh;
pub mod userinfo;

pub use authorize::{
    AuthorizationError, AuthorizationRequest, ErrorResponse, PageError, Registration,
};
pub use code::{CodeGrant, RedeemError, Redemption};
pub use dpop_jkt::DpopJkt;
pub use grant::{Grant, SignIn, Through};
pub use id_token::IdToken;
pub use pkce::CodeChallenge;
pub use refresh::{RefreshError, RefreshRecord};
