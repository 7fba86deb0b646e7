//! What an authorization server keeps, by atomic operations: memory and SQLite keep the same
//! promises.
//!
//! | module | what is kept | specification |
//! |---|---|---|
//! | [`tickets`] | permission tickets: single use, bound to their first presenter; those that wait for a resource owner | UMA 2.0 Grant §3.3.1, §5.5 |
//! | [`codes`] | authorization codes: single use, a second use is recognised | [RFC 6749 §4.1.2] |
//! | [`grants`] | what people allowed clients: what derives from a grant ends with it | [RFC 6749 §1.3] |
//! | [`refresh_tokens`] | what a refresh token stands for | [RFC 6749 §6] |
//! | [`sessions`] | where people are signed in | |
//! | [`cases`] | what resource owners were asked about people, and what they said | UMA 2.0 Grant §3.3.6 |
//! | [`notices`] | what resource owners are still to be told of that | |
//! | [`shares`] | what resource owners share, and with whom | |
//! | [`messages`] | what was sent to inboxes at a resource server | |
//! | [`consents`] | what people allowed which client for good | |
//! | [`linked_identities`] | whose identity at another provider is whose here | OpenID Connect Core §5.7 |
//! | [`replay`] | `jti` values that were seen | [RFC 7523 §3] |
//! | [`access_tokens`] | what an opaque access token stands for | [RFC 7662 §2] |
//! | [`revoked`] | self-contained tokens revoked before their time; people whose tokens were | [RFC 6749 §4.1.2], UMA 2.0 Grant §3.7 |
//! | [`resources`] | registered resources, per resource owner and resource server | UMA 2.0 Federated Authorization §3.2 |
//! | [`registrations`] | a resource server's memory of what it registered | UMA 2.0 Federated Authorization §3.2 |
//! | [`engine`] | the operations an engine offers, object safe | |
//! | [`memory`], [`sqlite`] | the engines | |
//!
//! # What is promised
//!
//! - A single-use value succeeds at most once, over all tasks and restarts.
//! - What is acknowledged as durable survives a power cut; what a reader sees is durable.
//! - A failed store is an error, never an answer: nothing here turns it into "unknown ticket".
//! - Handles and tokens are kept as SHA-256 digests only: a stolen store holds nothing that can be
//!   presented.
//! - What expired is forgotten by itself, and not before its time whatever the wall clock shows.
//!
//! | operation | acknowledged when |
//! |---|---|
//! | [`OneTime::insert`](engine::OneTime::insert), lazy | every later operation of this engine sees it |
//! | [`OneTime::spend`](engine::OneTime::spend) | nothing can undo it |
//! | every other write | it is on the disk |
//!
//! ```
//! use std::sync::Arc;
//! use countersign_store::{MemoryEngine, Taken, Tickets};
//! use countersign_types::{ClientId, Timestamp};
//! # struct Fixed;
//! # impl countersign_types::random::Random for Fixed { fn fill(&self, out: &mut [u8]) { out.fill(7) } }
//!
//! # let random = Fixed;
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let tickets: Tickets<String> = Tickets::new(Arc::new(MemoryEngine::new()));
//! let (now, expires) = (Timestamp::from_unix(1000), Timestamp::from_unix(1300));
//! let ticket = tickets.issue(&random, &"RS API: get".to_owned(), None, expires).await?;
//!
//! let client = ClientId::parse("rqp-client")?;
//! let first = tickets.take(&ticket, &client, now).await?;
//! assert_eq!(first, Taken::First("RS API: get".to_owned()));
//! let second = tickets.take(&ticket, &client, now).await?;
//! assert_eq!(second, Taken::Again("RS API: get".to_owned()));
//! let stranger = tickets.take(&ticket, &ClientId::parse("another")?, now).await?;
//! assert_eq!(stranger, Taken::Bound);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is left out
//!
//! Stores for more than one node, and encryption of the file (leave that to the disk). Restoring
//! an older copy of the file brings spent values back that were live when the copy was made:
//! after a restore, let every ticket and code of before expire first.
//!
//! [RFC 6749 §1.3]: https://www.rfc-editor.org/rfc/rfc6749#section-1.3
//! [RFC 6749 §6]: https://www.rfc-editor.org/rfc/rfc6749#section-6
//! [RFC 6749 §4.1.2]: https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2
//! [RFC 7523 §3]: https://www.rfc-editor.org/rfc/rfc7523#section-3
//! [RFC 7662 §2]: https://www.rfc-editor.org/rfc/rfc7662#section-2

pub mod access_tokens;
pub mod cases;
pub mod codes;
pub mod consents;
pub mod engine;
pub mod error;
mod finish;
pub mod grants;
mod horizon;
pub mod linked_identities;
pub mod memory;
pub mod messages;
pub mod notices;
mod one_time;
mod record;
pub mod refresh_tokens;
pub mod registrations;
pub mod replay;
pub mod resources;
pub mod revoked;
pub mod sessions;
pub mod shares;
pub mod sqlite;
mod tables;
pub mod tickets;

pub use access_tokens::AccessTokens;
pub use cases::Cases;
pub use codes::Codes;
pub use consents::Consents;
pub use engine::{Engine, HandedOver};
pub use error::StoreError;
pub use finish::finish;
pub use grants::Grants;
pub use linked_identities::LinkedIdentities;
pub use memory::MemoryEngine;
pub use messages::Messages;
pub use notices::Notices;
pub use one_time::Taken;
pub use refresh_tokens::RefreshTokens;
pub use registrations::Registrations;
pub use replay::Replay;
pub use resources::Resources;
pub use revoked::{RevokedPeople, RevokedTokens};
pub use sessions::Sessions;
pub use shares::Shares;
pub use sqlite::SqliteEngine;
pub use tickets::Tickets;
