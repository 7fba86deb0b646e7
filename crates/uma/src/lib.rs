//! Registers resources, and takes a permission ticket from issue to redemption.
//!
//! The authorization server's half of User-Managed Access 2.0, without any I/O: values in, decision
//! out. `countersign-uma-service` does the waiting in between and speaks HTTP.
//!
//! | module | what it decides | specification |
//! |---|---|---|
//! | [`protection`] | whom a protection API access token (PAT) speaks for | [UF §1.3] |
//! | [`resource`] | resource descriptions and what may be registered | [UF §3] |
//! | [`permission`] | permission requests, from which a ticket is made | [UF §4] |
//! | [`process`] | the authorization process a ticket stands for, as a state machine | [UG §3.3], [UG §5.5] |
//! | [`grant`] | token requests, RPT responses, `need_info`, the error table | [UG §3.3.1], [UG §3.3.5], [UG §3.3.6] |
//! | [`assessment`] | every check between a token request and its answer, in order | [UG §3.3.4] |
//! | [`policy`] | who may reach a resource: the seam, and rules from configuration | [UG §3.3.4], [UG §5.6] |
//! | [`rpt`] | what an RPT stands for and what introspection says of it | [UF §5.1.1] |
//! | [`refresh`] | what a refresh token is worth | [UG §3.6] |
//! | [`case`] | what a resource owner is asked about a person, and what they say | [UG §3.3.6] |
//! | [`notice`] | what an owner is told when they are asked | [RFC 8417], [RFC 8935] |
//! | [`issuers`] | which issuer may say what of whose people, where that is limited | |
//! | [`person`] | the requesting party, as a verified claims token describes them | |
//! | [`check`] | the names of the checks, for logs and for people | |
//!
//! # One process, one ticket at a time
//!
//! A permission request opens a [`Process`]; the ticket is a handle to it. Presenting the ticket
//! consumes the process, and only [`need_info`](assessment::Outcome::NeedInfo) and
//! [`request_submitted`](assessment::Outcome::Submitted) make another one, under another ticket: a
//! spent ticket no longer exists as a value.
//!
//! ```
//! use countersign_types::{ClientId, Lifetime, Timestamp};
//! use countersign_uma::permission::{self, Registered};
//! use countersign_uma::protection::{OwnerId, Protection};
//! use countersign_uma::resource::{ResourceDescription, ResourceId};
//!
//! let id = ResourceId::parse("KX3A-39WE")?;
//! let description = ResourceDescription::parse(br#"{"resource_scopes":["get"],"name":"RS API"}"#)?;
//! let registered = Registered::from_iter([(id, description)]);
//!
//! let bob = Protection::new(OwnerId::parse("bob")?, ClientId::parse("rs")?);
//! let request =
//!     permission::parse(br#"{"resource_id":"KX3A-39WE","resource_scopes":["get"]}"#)?;
//! let now = Timestamp::from_unix(1_700_000_000);
//! let process = request.open(&registered, bob, "p-1".to_owned(), now, Lifetime::from_secs(300))?;
//! assert_eq!(process.expires(), now.after(Lifetime::from_secs(300)));
//!
//! let unknown = permission::parse(br#"{"resource_id":"other","resource_scopes":["get"]}"#)?;
//! assert!(unknown.check(&registered).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is left out
//!
//! Persisted claims tokens (PCT), upgrading an RPT and interactive claims gathering are not here: a
//! `pct` or `rpt` parameter is read and has no effect, which [UG §3.3.1] permits, and [`Outcome`]
//! and [`Decision`](policy::Decision) are open to more variants.
//!
//! DPoP is not here either: a claims token that is bound to a key (`cnf`) is answered with
//! `need_info`, since an RPT without the binding would be worth more than the token.
//!
//! # Deviations
//!
//! * The claims token is a signed JWT of the ticket-bound claims profile; other claim token
//!   formats are answered with `need_info`.
//! * A request says by `resource` which resource server the client called. [UG §3.3.1] has no such
//!   parameter; without it a ticket can be relayed from one resource server's clients to another's.
//!
//! [UG §3.3]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#rfc.section.3.3
//! [UG §3.3.1]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#rfc.section.3.3.1
//! [UG §3.3.4]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#rfc.section.3.3.4
//! [UG §3.3.5]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#rfc.section.3.3.5
//! [UG §3.3.6]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#rfc.section.3.3.6
//! [UG §3.6]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#rfc.section.3.6
//! [UG §5.5]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#rfc.section.5.5
//! [UG §5.6]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#rfc.section.5.6
//! [UF §1.3]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-federated-authz-2.0.html#rfc.section.1.3
//! [UF §3]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-federated-authz-2.0.html#rfc.section.3
//! [UF §4]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-federated-authz-2.0.html#rfc.section.4
//! [RFC 8417]: https://www.rfc-editor.org/rfc/rfc8417
//! [RFC 8935]: https://www.rfc-editor.org/rfc/rfc8935
//! [UF §5.1.1]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-federated-authz-2.0.html#rfc.section.5.1.1

pub mod assessment;
pub mod case;
pub mod check;
pub mod grant;
pub mod issuers;
pub mod notice;
pub mod permission;
pub mod person;
pub mod policy;
pub mod process;
pub mod protection;
pub mod refresh;
pub mod resource;
pub mod rpt;

pub use assessment::{Assessment, Ended, Outcome};
pub use case::{Case, PersonId};
pub use check::Check;
pub use grant::{GrantError, TokenRequest};
pub use issuers::Issuers;
pub use notice::Notice;
pub use person::{NamedBy, Person};
pub use policy::Policy;
pub use process::Process;
pub use protection::Protection;
pub use rpt::Rpt;
