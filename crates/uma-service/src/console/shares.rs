//! What owners share beforehand: how it is shown, made, and taken back.

use countersign_pages::page::{end_of_day, moment};
use countersign_store::StoreError;
use countersign_types::{EmailAddress, Params, ScopeSet, Timestamp};
use countersign_uma::policy::Share;
use countersign_uma::policy::shares::{Effect, MailDomain, ShareId, Terms, What, Who, values};
use countersign_uma::resource::ResourceId;
use countersign_uma::{Person, Protection};

use super::desk::Desk;
use super::notice::Notice;
use super::people::Cards;
use super::places::Place;
use super::refusal::Refusal;
use super::shell::ShareView;
use crate::shares::ShareError;

/// Everything that is shared at a place; `None` where owners share nothing.
pub(super) async fn of(
    desk: &Desk,
    protection: &Protection,
) -> Result<Option<Vec<Share>>, Refusal> {
    match desk.uma.shares(protection).await {
        Ok(shares) => Ok(Some(shares)),
        Err(ShareError::NotOffered) => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

/// Nothing but the store fails while something is looked up or taken back.
fn failed(error: ShareError) -> Refusal {
    match error {
        ShareError::Store(error) => error.into(),
        _ => Refusal::NotThere,
    }
}

/// Whether a share is about a person.
pub(super) fn is_about(share: &Share, person: &Person) -> bool {
    match share.terms.who() {
        Who::Person(email) => *email == person.email,
        Who::Domain(domain) => domain.as_str() == person.email.domain(),
        Who::Group { claim, value, domain } => {
            domain.as_str() == person.email.domain()
                && values(person, claim).any(|known| known == value)
        }
        Who::Anyone => true,
    }
}

/// Shares as they are shown.
pub(super) async fn views(
    cards: &mut Cards<'_>,
    place: &Place,
    shares: &[&Share],
) -> Result<Vec<ShareView>, StoreError> {
    let mut views = Vec::new();
    for Share { id, terms, since, by } in shares {
        let resource = match terms.what() {
            What::Resource(id) => Some(cards.name(place, id).await?),
            What::Everything => None,
        };
        views.push(ShareView {
            id: id.to_string(),
            who: terms.who().clone(),
            resource,
            scopes: terms.scopes().to_string(),
            effect: terms.effect(),
            issuer: terms.issuer().map(ToString::to_string),
            present: terms.present(),
            until: terms.until().map(moment),
            since: moment(*since),
            by: by.clone(),
        });
    }
    Ok(views)
}

/// What a form wants to be shared; `None` if it does not say so.
fn terms(params: &Params, resource: &ResourceId, now: Timestamp) -> Option<Terms> {
    let with = params.get("with").map(str::trim).unwrap_or_default();
    let who = match params.get("who")? {
        "person" => Who::Person(EmailAddress::parse(with).ok()?),
        "domain" => Who::Domain(MailDomain::parse(with)?),
        "group" => Who::Group {
            claim: params.get("claim")?.trim().to_owned(),
            value: params.get("value")?.trim().to_owned(),
            domain: MailDomain::parse(with)?,
        },
        "anyone" if with.is_empty() => Who::Anyone,
        _ => return None,
    };
    let effect = match params.get("effect")? {
        "permit" => Effect::Permit,
        "ask" => Effect::Ask,
        "forbid" => Effect::Forbid,
        _ => return None,
    };
    let what = match params.get("what")? {
        "resource" => What::Resource(resource.clone()),
        "everything" => What::Everything,
        _ => return None,
    };
    let scopes = ScopeSet::from_tokens(params.all("scope")).ok()?;
    let mut terms = Terms::new(what, scopes, who, effect).ok()?;
    if params.get("present").is_some() {
        terms = terms.with_present();
    }
    match params.get("until").map(end_of_day) {
        None => Some(terms),
        Some(until) => until.filter(|until| now < *until).map(|until| terms.with_until(until)),
    }
}

/// Does what the form of a resource's page says, or says why not.
pub(super) async fn change(
    desk: &Desk,
    place: &Place,
    resource: &ResourceId,
    params: &Params,
    by: &str,
    now: Timestamp,
) -> Result<Result<(), Notice>, Refusal> {
    let protection = &place.protection;
    if let Some(id) = params.get("unshare") {
        let id = ShareId::parse(id).ok_or(Refusal::Malformed)?;
        let ended = desk.uma.unshare(protection, &id, by).await.map_err(failed)?;
        return Ok(ended.map(drop).ok_or(Notice::NOTHING_LEFT));
    }
    let Some(terms) = terms(params, resource, now) else { return Ok(Err(Notice::NOT_SHARED)) };
    match desk.uma.share(protection, terms, by).await {
        Ok(_) => Ok(Ok(())),
        Err(ShareError::Limit) => Ok(Err(Notice::NO_MORE)),
        Err(ShareError::Scope) => Ok(Err(Notice::NOT_SHARED)),
        Err(error) => Err(failed(error)),
    }
}

/// Takes back what is shared with a person, and keeps them out of what is shared with more people than
/// them. Whether there was anything.
pub(super) async fn revoke(
    desk: &Desk,
    protection: &Protection,
    person: &Person,
    by: &str,
) -> Result<bool, Refusal> {
    let shares = of(desk, protection).await?.unwrap_or_default();
    let about_them = shares.iter().filter(|share| is_about(share, person));
    let (forbidding, letting_in): (Vec<&Share>, Vec<&Share>) =
        about_them.partition(|share| share.terms.effect() == Effect::Forbid);
    let is_theirs = |share: &&Share| matches!(share.terms.who(), Who::Person(_));
    let (theirs, wider): (Vec<&Share>, Vec<&Share>) = letting_in.into_iter().partition(is_theirs);
    let scopes = wider.iter().fold(ScopeSet::empty(), |all, share| all.union(share.terms.scopes()));
    let is_out = forbidding.iter().any(|share| {
        *share.terms.what() == What::Everything
            && !share.terms.present()
            && share.terms.issuer().is_none()
            && share.terms.until().is_none()
            && scopes.is_subset(share.terms.scopes())
    });
    let (mut done, who) = (false, Who::Person(person.email.clone()));
    if !scopes.is_empty() && !is_out {
        let terms = Terms::new(What::Everything, scopes, who, Effect::Forbid);
        let terms = terms.map_err(|_| Refusal::Malformed)?;
        desk.uma.share(protection, terms, by).await.map_err(failed)?;
        done = true;
    }
    for share in theirs {
        done |= desk.uma.unshare(protection, &share.id, by).await.map_err(failed)?.is_some();
    }
    Ok(done)
}
