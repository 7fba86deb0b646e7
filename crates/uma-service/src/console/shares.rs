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
        Who::Person(email) => *email == person.email || share.terms.keeps_out(person),
        Who::Domain(domain) => domain.as_str() == person.email.domain(),
        Who::Group { claim, value, domain } => {
            domain.as_str() == person.email.domain()
                && values(&person.claims, claim).any(|known| known == value)
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
            scopes: (!terms.is_of_every_scope()).then(|| terms.scopes().to_string()),
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
    match (params.get("present"), effect) {
        (None, _) => {}
        // Whoever is kept out in person is not let in by an agent.
        (Some(_), Effect::Forbid) => return None,
        (Some(_), Effect::Permit | Effect::Ask) => terms = terms.with_present(),
    }
    match params.get("until").map(end_of_day) {
        None => Some(terms),
        Some(until) => until.filter(|until| now < *until).map(|until| terms.with_until(until)),
    }
}

/// Takes a share back.
pub(super) async fn unshare(
    desk: &Desk,
    protection: &Protection,
    id: &str,
    by: &str,
) -> Result<Result<(), Notice>, Refusal> {
    let id = ShareId::parse(id).ok_or(Refusal::Malformed)?;
    let ended = desk.uma.unshare(protection, &id, by).await.map_err(failed)?;
    Ok(ended.map(drop).ok_or(Notice::NOTHING_LEFT))
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
        return unshare(desk, protection, id, by).await;
    }
    let Some(terms) = terms(params, resource, now) else { return Ok(Err(Notice::NOT_SHARED)) };
    match desk.uma.share(protection, terms, by).await {
        Ok(_) => Ok(Ok(())),
        Err(ShareError::Limit) => Ok(Err(Notice::NO_MORE)),
        Err(ShareError::Scope) => Ok(Err(Notice::NOT_SHARED)),
        Err(error) => Err(failed(error)),
    }
}

/// Whether a share would let a person in, now or with other claims: what a group needs to see of them is
/// what they come with the next time.
fn lets_in(share: &Share, person: &Person) -> bool {
    share.terms.effect() != Effect::Forbid
        && match share.terms.who() {
            Who::Group { domain, .. } => domain.as_str() == person.email.domain(),
            _ => is_about(share, person),
        }
}

/// Whether a share keeps a person out of everything, whatever else says that they may, by their address
/// and as whom their issuer knows.
fn keeps_out(share: &Share, person: &Person) -> bool {
    let terms = &share.terms;
    terms.is_of_every_scope()
        && terms.keeps_out_by_address(&person.email)
        && terms.knows(person)
        && *terms.what() == What::Everything
        && !terms.present()
        && terms.issuer().is_none()
        && terms.until().is_none()
}

/// Whether something is left by which a person is let in, or may be.
pub(super) fn may_be_in(shares: &[Share], person: &Person) -> bool {
    !shares.iter().any(|share| keeps_out(share, person))
}

/// Keeps a person out from now on, of what is shared with more people than them and of what rules permit
/// too, and takes back what is shared with them. Where owners share nothing, nothing is done. Whether there
/// was anything to do.
pub(super) async fn keep_out(
    desk: &Desk,
    protection: &Protection,
    person: &Person,
    by: &str,
) -> Result<Result<bool, Notice>, Refusal> {
    let Some(shares) = of(desk, protection).await? else { return Ok(Ok(false)) };
    // First, so that nothing else lets them in meanwhile.
    let mut kept_out = if may_be_in(&shares, person) {
        Some(forbid(desk, protection, person, by).await?)
    } else {
        None
    };
    let mut done = matches!(kept_out, Some(true));
    for share in shares.iter().filter(|share| lets_in(share, person)) {
        if matches!(share.terms.who(), Who::Person(_)) {
            done |= desk.uma.unshare(protection, &share.id, by).await.map_err(failed)?.is_some();
        }
    }
    // What was taken back may have made room for it.
    if kept_out == Some(false) {
        kept_out = Some(forbid(desk, protection, person, by).await?);
    }
    Ok(match kept_out {
        Some(false) => Err(Notice::NO_MORE),
        Some(true) => Ok(true),
        None => Ok(done),
    })
}

/// Forbids a person everything, if there is room for it.
async fn forbid(
    desk: &Desk,
    protection: &Protection,
    person: &Person,
    by: &str,
) -> Result<bool, Refusal> {
    let terms = Terms::keeping_out(person, What::Everything);
    match desk.uma.share(protection, terms, by).await {
        Ok(_) => Ok(true),
        Err(ShareError::Limit) => Ok(false),
        Err(error) => Err(failed(error)),
    }
}
