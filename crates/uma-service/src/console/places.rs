//! Where an owner has something: one owner at one resource server.

use countersign_store::StoreError;
use countersign_types::digest::Digest;
use countersign_uma::Protection;

use super::desk::Desk;
use super::refusal::Refusal;
use super::sessions::Active;

/// One owner at one resource server, as the person who is signed in may see it.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) protection: Protection,
}

impl Place {
    /// What it is called in a URL: neither part has to fit there.
    pub(super) fn id(&self) -> String {
        place_id(&self.protection)
    }

    /// For people.
    pub(super) fn name(&self) -> String {
        self.protection.resource_server.to_string()
    }
}

/// What a place is called in a URL.
pub(super) fn place_id(protection: &Protection) -> String {
    let Protection { owner, resource_server } = protection;
    let parts = [owner.as_str().as_bytes(), resource_server.as_str().as_bytes()];
    Digest::of_parts(&parts).to_base64url()
}

/// Every place of the owners that somebody is.
pub(super) async fn of(desk: &Desk, active: &Active) -> Result<Vec<Place>, StoreError> {
    let mut places = Vec::new();
    for id in &desk.console.resource_servers {
        let Some(server) = desk.uma.resource_server(id).await? else { continue };
        // What people let it protect is theirs, and what it has for its own owner that owner's.
        for owner in &active.owners {
            if server.protection.owner == *owner || desk.console.asks_people(id) {
                let protection = Protection::new(owner.clone(), id.clone());
                places.push(Place { protection });
            }
        }
    }
    Ok(places)
}

/// The place of this name, if it is one of theirs.
pub(super) async fn named(desk: &Desk, active: &Active, id: &str) -> Result<Place, Refusal> {
    let places = of(desk, active).await?;
    places.into_iter().find(|place| place.id() == id).ok_or(Refusal::NotThere)
}
