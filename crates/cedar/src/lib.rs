//! Policies in Cedar: parsed, validated against a schema, evaluated, and explained by rule.
//!
//! | type | what it does |
//! |---|---|
//! | [`Policies`] | a set of rules that was parsed and validated as a whole, and answers questions |
//! | [`Question`], [`Decision`] | who wants to do what to what; whether they may, and by which rules |
//! | [`PolicyFiles`] | the rules of files, read again on demand: a bad file keeps the old set and says so |
//! | [`CedarDelegation`] | who may act for whom at a security token service |
//! | [`CedarUma`] | who may reach what at a UMA authorization server: what owners share, and the rules of administrators |
//!
//! A rule has a name, its annotation `@id("…")`, which is what a decision names it by. Silence is
//! denial, and so is a rule that cannot be evaluated: Cedar itself leaves such a rule out, even one
//! that forbids.
//!
//! ```
//! use countersign_cedar::{Policies, Question, Source};
//! use serde_json::json;
//!
//! let schema = r#"
//!     entity Service = { host: String };
//!     entity Album;
//!     action read appliesTo { principal: [Service], resource: [Album], context: { hour: Long } };
//! "#;
//! let rules = Source::new("albums.cedar", r#"
//!     @id("mail reads by day")
//!     permit (principal, action == Action::"read", resource)
//!     when { principal.host == "mail.example" && context.hour >= 8 && context.hour < 18 };
//! "#);
//! let policies = Policies::parse(schema, &[rules])?;
//!
//! let question = Question {
//!     principal: ("Service", "https://mail.example/client"),
//!     action: "read",
//!     resource: ("Album", "1"),
//!     context: json!({ "hour": 9 }),
//!     entities: json!([{
//!         "uid": { "type": "Service", "id": "https://mail.example/client" },
//!         "attrs": { "host": "mail.example" }, "parents": [],
//!     }]),
//! };
//! let decision = policies.decide(&question);
//! assert!(decision.permitted);
//! assert_eq!(decision.rules, ["mail reads by day"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is left out
//!
//! Templates in files, partial evaluation, and entity hierarchies of any depth: an entity's parents
//! are named in the question.
//!
//! # Deviations
//!
//! In the JSON of a question the members `__entity` and `__extn` mean something to Cedar: what
//! another party sent goes into it as text, never as an object of theirs.

pub mod delegation;
pub mod files;
pub mod policies;
pub mod uma;

pub use delegation::CedarDelegation;
pub use files::PolicyFiles;
pub use policies::{Decision, Policies, PolicyError, Question, Source};
pub use uma::CedarUma;
