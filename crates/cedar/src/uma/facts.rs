//! What a question is made of, as Cedar's entities.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{
    Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request,
    RestrictedExpression as Expression,
};
use countersign_types::{Issuer, Timestamp};
use countersign_uma::policy::PolicyRequest;
use countersign_uma::policy::shares::{What, Who};
use countersign_uma::{Person, Protection};
use serde_json::Value;

use crate::policies::PolicyError;

/// The names of the schema's types, parsed once.
#[derive(Clone, Debug)]
pub(super) struct Names {
    person: EntityTypeName,
    address: EntityTypeName,
    domain: EntityTypeName,
    issuer: EntityTypeName,
    audience: EntityTypeName,
    resource: EntityTypeName,
    owner: EntityTypeName,
    server: EntityTypeName,
    offer: EntityTypeName,
    client: EntityTypeName,
    scope: EntityTypeName,
    action: EntityTypeName,
}

impl Names {
    pub(super) fn new() -> Result<Self, PolicyError> {
        let name = |name: &str| {
            name.parse::<EntityTypeName>().map_err(|error| PolicyError::Schema(error.to_string()))
        };
        Ok(Self {
            person: name("Person")?,
            address: name("Address")?,
            domain: name("Domain")?,
            issuer: name("Issuer")?,
            audience: name("Audience")?,
            resource: name("Resource")?,
            owner: name("Owner")?,
            server: name("ResourceServer")?,
            offer: name("Offer")?,
            client: name("Client")?,
            scope: name("Scope")?,
            action: name("Action")?,
        })
    }

    /// The people whom a share is with.
    pub(super) fn audience(&self, who: &Who, issuer: Option<&Issuer>) -> EntityUid {
        // INVARIANT: both are made of text, so there is always JSON for them, and another for
        // others.
        uid(&self.audience, &serde_json::to_string(&(who, issuer)).unwrap_or_default())
    }

    /// What a share is of.
    pub(super) fn offer(&self, protection: &Protection, what: &What, scope: &str) -> EntityUid {
        uid(&self.offer, &serde_json::to_string(&(protection, what, scope)).unwrap_or_default())
    }

    /// What rules can say that a resource is or belongs to.
    pub(super) fn resources(&self, asked: &PolicyRequest<'_>) -> [EntityUid; 3] {
        let [owner, server] = self.places(asked.protection);
        [uid(&self.resource, asked.resource_id.as_str()), owner, server]
    }

    /// What rules can say that all of an owner's resources at a resource server belong to.
    pub(super) fn places(&self, protection: &Protection) -> [EntityUid; 2] {
        let Protection { owner, resource_server } = protection;
        [uid(&self.owner, owner.as_str()), uid(&self.server, resource_server.as_str())]
    }

    /// What rules can say that a person is or belongs to.
    pub(super) fn people(&self, person: &Person) -> [EntityUid; 4] {
        let parts = [person.iss.as_str(), &*person.sub, person.email.as_str()];
        [
            uid(&self.person, &serde_json::to_string(&parts).unwrap_or_default()),
            uid(&self.address, person.email.as_str()),
            uid(&self.domain, person.email.domain()),
            uid(&self.issuer, person.iss.as_str()),
        ]
    }
}

/// The identifier is text, whatever is in it: it is never parsed.
fn uid(name: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(name.clone(), EntityId::new(id))
}

/// What is known for questions about one person: made once, however much is asked.
pub(super) struct Facts<'a> {
    names: &'a Names,
    person: &'a Person,
    pub(super) people: [EntityUid; 4],
    entities: Entities,
}

impl<'a> Facts<'a> {
    /// What is known as far as it is asked for: that the person is among these, their claims of
    /// these names, and the resources. Of what else their provider says nothing is made, however
    /// much it is.
    ///
    /// What is [asked together](together) is so about one person.
    pub(super) fn new<'w>(
        names: &'a Names,
        asked: &[PolicyRequest<'_>],
        person: &'a Person,
        among: impl Iterator<Item = &'w Who>,
        claims: &BTreeSet<String>,
    ) -> Result<Self, String> {
        let people = names.people(person);
        let mut entities = vec![names.of_person(&people, person, among, claims)?];
        let mut by_resource: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for one in asked {
            by_resource.entry(one.resource_id).or_default().push(one);
        }
        for of_one in by_resource.values() {
            entities.push(names.of_resource(of_one)?);
        }
        let entities =
            Entities::from_entities(entities, None).map_err(|error| error.to_string())?;
        Ok(Self { names, person, people, entities })
    }

    /// Whether the person has this claim.
    pub(super) fn has(&self, claim: &str) -> bool {
        self.person.claims.contains_key(claim)
    }

    /// What is known.
    pub(super) const fn entities(&self) -> &Entities {
        &self.entities
    }

    /// One of the questions.
    pub(super) fn request(&self, asked: &PolicyRequest<'_>) -> Result<Request, String> {
        let Self { names, .. } = self;
        let [principal, ..] = self.people.clone();
        let resource = uid(&names.resource, asked.resource_id.as_str());
        let context = Context::from_pairs([
            ("scope".to_owned(), Expression::new_entity_uid(uid(&names.scope, asked.scope))),
            (
                "client".to_owned(),
                Expression::new_entity_uid(uid(&names.client, asked.client.as_str())),
            ),
            ("time".to_owned(), Expression::new_datetime(moment(asked.now))),
        ]);
        let context = context.map_err(|error| error.to_string())?;
        let action = uid(&names.action, "access");
        Request::new(principal, action, resource, context, None).map_err(|error| error.to_string())
    }
}

impl Names {
    fn of_person<'w>(
        &self,
        people: &[EntityUid; 4],
        person: &Person,
        among: impl Iterator<Item = &'w Who>,
        claims: &BTreeSet<String>,
    ) -> Result<Entity, String> {
        let [own, address, domain, issuer] = people.clone();
        let attributes = [
            ("issuer".to_owned(), Expression::new_entity_uid(issuer.clone())),
            ("subject".to_owned(), Expression::new_string(person.sub.clone())),
            ("email".to_owned(), Expression::new_string(person.email.as_str().to_owned())),
            ("domain".to_owned(), Expression::new_entity_uid(domain.clone())),
            ("present".to_owned(), Expression::new_bool(person.present)),
        ];
        let audiences =
            among.flat_map(|who| [None, Some(&person.iss)].map(|iss| self.audience(who, iss)));
        let parents = [address, domain, issuer].into_iter().chain(audiences);
        let named = claims.iter().filter_map(|name| person.claims.get_key_value(name));
        let tags = named.map(|(name, value)| (name.clone(), texts(value)));
        Entity::new_with_tags(own, attributes, parents, tags).map_err(|error| error.to_string())
    }

    /// A resource, with every scope that is asked for at it.
    fn of_resource(&self, asked: &[&PolicyRequest<'_>]) -> Result<Entity, String> {
        let first = asked.first().ok_or("nothing is asked")?;
        let [own, owner, server] = self.resources(first);
        let text = |text: &str| Expression::new_string(text.to_owned());
        let name = first.resource.name().map(|name| ("name".to_owned(), text(name)));
        let kind = first.resource.kind().map(|kind| ("type".to_owned(), text(kind)));
        let attributes = [
            ("owner".to_owned(), Expression::new_entity_uid(owner.clone())),
            ("server".to_owned(), Expression::new_entity_uid(server.clone())),
        ];
        let attributes = attributes.into_iter().chain(name).chain(kind);
        let whats = [What::Resource(first.resource_id.clone()), What::Everything];
        let offers = asked.iter().flat_map(|one| {
            whats.each_ref().map(|what| self.offer(one.protection, what, one.scope))
        });
        let parents = [owner, server].into_iter().chain(offers);
        Entity::new_with_tags(own, attributes, parents, []).map_err(|error| error.to_string())
    }
}

/// The questions in their order, in parts of which each is about one person through one client at
/// one moment, and describes a resource in one way.
pub(super) fn together<'q, 'a>(
    mut asked: &'q [PolicyRequest<'a>],
) -> impl Iterator<Item = &'q [PolicyRequest<'a>]> {
    std::iter::from_fn(move || {
        let first = asked.first()?;
        let mut described = BTreeMap::new();
        let is_of_it = |one: &&PolicyRequest<'a>| {
            let is_same = match (first.person, one.person) {
                (Some(first), Some(one)) => std::ptr::eq(first, one),
                (None, None) => true,
                _ => false,
            };
            is_same
                && std::ptr::eq(first.protection, one.protection)
                && std::ptr::eq(first.client, one.client)
                && first.now == one.now
                && std::ptr::eq(
                    *described.entry(one.resource_id).or_insert(one.resource),
                    one.resource,
                )
        };
        let (part, rest) = asked.split_at(asked.iter().take_while(is_of_it).count());
        asked = rest;
        Some(part)
    })
}

/// A claim as a set of texts.
fn texts(value: &Value) -> Expression {
    let text = |value: &Value| match value {
        Value::String(text) => Some(Expression::new_string(text.clone())),
        Value::Number(_) | Value::Bool(_) => Some(Expression::new_string(value.to_string())),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    match value {
        Value::Array(members) => Expression::new_set(members.iter().filter_map(text)),
        one => Expression::new_set(text(one)),
    }
}

/// A moment in Cedar's spelling. A year beyond 9999 has none.
fn moment(now: Timestamp) -> String {
    now.to_string()
}
