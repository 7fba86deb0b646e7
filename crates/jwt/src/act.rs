//! Who acts for the subject: the `act` and `may_act` claims. [RFC 8693 §4.1], [RFC 8693 §4.4]
//!
//! Only identity members (`iss`, `sub`, `client_id`) are read and written: anything else inside
//! `act` says nothing about the token's validity, and is dropped. The outermost actor is the one
//! that acts now; those inside it are history and never the ground of a decision.
//!
//! [RFC 8693 §4.1]: https://www.rfc-editor.org/rfc/rfc8693#section-4.1
//! [RFC 8693 §4.4]: https://www.rfc-editor.org/rfc/rfc8693#section-4.4

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

/// A chain of more actors than this is refused, read or made.
pub const MAX_DEPTH: usize = 5;

/// The longest identity member of an actor.
const MAX_MEMBER: usize = 2048;

/// Why a claim names no actor.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ActError {
    /// Not an object, or a member of another type than string.
    #[error("not an object of strings")]
    Shape,
    /// No `sub`, or an empty one.
    #[error("an actor without a subject")]
    Subject,
    /// More than [`MAX_DEPTH`] actors.
    #[error("more than {MAX_DEPTH} actors")]
    Depth,
}

/// One party that acts, or acted, for the subject.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Actor {
    /// Who it is, in the name space of `iss`.
    pub sub: String,
    /// Whose name space that is; absent, it is that of the token's own issuer.
    pub iss: Option<String>,
    /// The client it is, where the actor is one.
    pub client_id: Option<String>,
}

impl Actor {
    /// An actor known by its subject alone.
    #[must_use]
    pub fn of_subject(sub: impl Into<String>) -> Self {
        Self { sub: sub.into(), iss: None, client_id: None }
    }

    fn from_object(object: &Map<String, Value>) -> Result<Self, ActError> {
        let sub = member(object, "sub")?.ok_or(ActError::Subject)?;
        Ok(Self { sub, iss: member(object, "iss")?, client_id: member(object, "client_id")? })
    }

    fn to_object(&self) -> Map<String, Value> {
        let members = [
            ("sub", Some(&self.sub)),
            ("iss", self.iss.as_ref()),
            ("client_id", self.client_id.as_ref()),
        ];
        let mut object = Map::new();
        for (name, value) in members {
            if let Some(value) = value {
                object.insert(name.to_owned(), Value::String(value.clone()));
            }
        }
        object
    }
}

/// The `act` claim: the party that acts now, and those that acted before it. [RFC 8693 §4.1]
///
/// ```
/// use countersign_jwt::act::{Actor, ActorChain};
///
/// let mail = ActorChain::new(Actor::of_subject("https://mail.example/app"));
/// let relay = mail.delegated_to(Actor::of_subject("https://relay.example/app"))?;
/// assert_eq!(relay.current().sub, "https://relay.example/app");
/// assert_eq!(relay.prior().len(), 1);
/// assert_eq!(ActorChain::from_claim(&relay.to_claim())?, relay);
/// # Ok::<(), countersign_jwt::act::ActError>(())
/// ```
///
/// [RFC 8693 §4.1]: https://www.rfc-editor.org/rfc/rfc8693#section-4.1
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ActorChain {
    current: Actor,
    // INVARIANT: shorter than MAX_DEPTH, the latest first.
    prior: Vec<Actor>,
}

impl ActorChain {
    /// A chain of one actor.
    #[must_use]
    pub const fn new(current: Actor) -> Self {
        Self { current, prior: Vec::new() }
    }

    /// Reads an `act` claim.
    ///
    /// # Errors
    /// Any [`ActError`].
    pub fn from_claim(claim: &Value) -> Result<Self, ActError> {
        let mut actors = Vec::new();
        let mut next = Some(claim);
        while let Some(claim) = next {
            if actors.len() == MAX_DEPTH {
                return Err(ActError::Depth);
            }
            let object = claim.as_object().ok_or(ActError::Shape)?;
            actors.push(Actor::from_object(object)?);
            next = object.get("act");
        }
        let mut actors = actors.into_iter();
        let current = actors.next().ok_or(ActError::Shape)?;
        Ok(Self { current, prior: actors.collect() })
    }

    /// The party that acts now: the only one a decision may rest on.
    #[must_use]
    pub const fn current(&self) -> &Actor {
        &self.current
    }

    /// Those that acted before, the latest first.
    #[must_use]
    pub fn prior(&self) -> &[Actor] {
        &self.prior
    }

    /// How many actors there are.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.prior.len().saturating_add(1)
    }

    /// The chain after `actor` took over from the current one.
    ///
    /// # Errors
    /// [`ActError::Depth`].
    pub fn delegated_to(self, actor: Actor) -> Result<Self, ActError> {
        if self.depth() >= MAX_DEPTH {
            return Err(ActError::Depth);
        }
        let mut prior = self.prior;
        prior.insert(0, self.current);
        Ok(Self { current: actor, prior })
    }

    /// The claim, each former actor nested in the one that followed it.
    #[must_use]
    pub fn to_claim(&self) -> Value {
        let mut inner: Option<Map<String, Value>> = None;
        for actor in self.prior.iter().rev().chain([&self.current]) {
            let mut object = actor.to_object();
            if let Some(inner) = inner {
                object.insert("act".to_owned(), Value::Object(inner));
            }
            inner = Some(object);
        }
        inner.map_or(Value::Null, Value::Object)
    }
}

impl Serialize for ActorChain {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_claim().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ActorChain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let claim = Value::deserialize(deserializer)?;
        Self::from_claim(&claim).map_err(serde::de::Error::custom)
    }
}

/// The `may_act` claim: who may become the actor for this subject. [RFC 8693 §4.4]
///
/// [RFC 8693 §4.4]: https://www.rfc-editor.org/rfc/rfc8693#section-4.4
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MayAct {
    sub: Option<String>,
    iss: Option<String>,
    client_id: Option<String>,
    understood: bool,
}

impl MayAct {
    /// Reads a `may_act` claim.
    ///
    /// # Errors
    /// [`ActError::Shape`]; [`ActError::Subject`] if it names neither `sub` nor `client_id`.
    pub fn from_claim(claim: &Value) -> Result<Self, ActError> {
        let object = claim.as_object().ok_or(ActError::Shape)?;
        let may_act = Self {
            sub: member(object, "sub")?,
            iss: member(object, "iss")?,
            client_id: member(object, "client_id")?,
            understood: object.keys().all(|k| matches!(k.as_str(), "sub" | "iss" | "client_id")),
        };
        if may_act.sub.is_none() && may_act.client_id.is_none() {
            return Err(ActError::Subject);
        }
        Ok(may_act)
    }

    /// Whether it names `actor`: each member that is there equals the actor's, and none is there
    /// that we do not understand. An actor without `iss` belongs to `token_issuer`.
    #[must_use]
    pub fn names(&self, actor: &Actor, token_issuer: &str) -> bool {
        let issuer = |iss: &Option<String>| iss.clone().unwrap_or_else(|| token_issuer.to_owned());
        self.understood
            && issuer(&self.iss) == issuer(&actor.iss)
            && self.sub.as_ref().is_none_or(|sub| *sub == actor.sub)
            && (self.client_id.is_none() || self.client_id == actor.client_id)
    }
}

fn member(object: &Map<String, Value>, name: &str) -> Result<Option<String>, ActError> {
    match object.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if !text.is_empty() && text.len() <= MAX_MEMBER => {
            Ok(Some(text.clone()))
        }
        Some(_) => Err(ActError::Shape),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_example_of_rfc_8693_section_4_1_nests() {
        let claim = json!({
            "sub": "https://service16.example.com",
            "act": { "sub": "https://service77.example.com" },
        });
        let chain = ActorChain::from_claim(&claim).unwrap();
        assert_eq!(chain.current().sub, "https://service16.example.com");
        assert_eq!(chain.prior(), [Actor::of_subject("https://service77.example.com")]);
        assert_eq!(chain.to_claim(), claim);
    }

    #[test]
    fn only_identity_members_are_kept() {
        let claim = json!({ "sub": "a", "iss": "https://i.example", "client_id": "c",
            "aud": "x", "exp": 1, "email": "a@b.example" });
        let chain = ActorChain::from_claim(&claim).unwrap();
        let kept = json!({ "sub": "a", "iss": "https://i.example", "client_id": "c" });
        assert_eq!(chain.to_claim(), kept);
    }

    #[test]
    fn a_chain_has_an_end() {
        let mut chain = ActorChain::new(Actor::of_subject("0"));
        for n in 1..MAX_DEPTH {
            chain = chain.delegated_to(Actor::of_subject(n.to_string())).unwrap();
        }
        assert_eq!(ActorChain::from_claim(&chain.to_claim()), Ok(chain.clone()));
        let deeper = json!({ "sub": "x", "act": chain.to_claim() });
        assert_eq!(ActorChain::from_claim(&deeper), Err(ActError::Depth));
        assert_eq!(chain.delegated_to(Actor::of_subject("x")), Err(ActError::Depth));
    }

    #[test]
    fn an_actor_is_an_object_with_a_subject() {
        for (claim, error) in [
            (json!("a"), ActError::Shape),
            (json!(null), ActError::Shape),
            (json!(["a"]), ActError::Shape),
            (json!({}), ActError::Subject),
            (json!({ "client_id": "c" }), ActError::Subject),
            (json!({ "sub": 7 }), ActError::Shape),
            (json!({ "sub": "" }), ActError::Shape),
            (json!({ "sub": "a", "iss": {} }), ActError::Shape),
            (json!({ "sub": "a", "act": "b" }), ActError::Shape),
            (json!({ "sub": "a", "act": null }), ActError::Shape),
        ] {
            assert_eq!(ActorChain::from_claim(&claim), Err(error), "{claim}");
        }
    }

    #[test]
    fn may_act_names_by_every_member() {
        let issuer = "https://i.example";
        let actor = Actor { sub: "a".into(), iss: None, client_id: Some("c".into()) };
        let names = |claim| MayAct::from_claim(&claim).unwrap().names(&actor, issuer);
        assert!(names(json!({ "sub": "a" })));
        assert!(names(json!({ "sub": "a", "iss": issuer })));
        assert!(names(json!({ "client_id": "c" })));
        assert!(!names(json!({ "sub": "b" })));
        assert!(!names(json!({ "sub": "a", "iss": "https://other.example" })));
        assert!(!names(json!({ "sub": "a", "client_id": "d" })));
        // A condition that we cannot check is not met.
        assert!(!names(json!({ "sub": "a", "groups": ["x"] })));
        assert_eq!(MayAct::from_claim(&json!({})), Err(ActError::Subject));
    }
}
