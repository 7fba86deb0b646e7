//! What owners share beforehand: how it is shown, made, and taken back.

use countersign_pages::page::{end_of_day, moment};
use countersign_store::StoreError;
use countersign_types::{EmailAddress, Params, ScopeSet, Timestamp};
use countersign_uma::policy::Share;
use countersign_uma::policy::shares::{
    Effect, MAX_CLAIM, MailDomain, ShareId, Terms, What, Who, values,
};
use countersign_uma::resource::ResourceId;
use countersign_uma::{Person, Protection};

use super::desk::Desk;
use super::done::Done;
use super::filled::Wrong;
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

/// What a form wants to be shared, or which of its fields do not say that.
fn terms(params: &Params, resource: &ResourceId, now: Timestamp) -> Result<Terms, Notice> {
    let mut wrong = Wrong::default();
    let who = who(params, &mut wrong)?;
    let effect = match params.get("effect") {
        Some("permit") => Effect::Permit,
        Some("ask") => Effect::Ask,
        Some("forbid") => Effect::Forbid,
        _ => return Err(Notice::NOT_SHARED),
    };
    let scopes = ScopeSet::from_tokens(params.all("scope")).map_err(|_| Notice::NOT_SHARED)?;
    if scopes.is_empty() {
        wrong.note("scope", |t| t.tick_something);
    }
    let what = match params.get("what") {
        Some("resource") => What::Resource(resource.clone()),
        Some("everything") => What::Everything,
        _ => return Err(Notice::NOT_SHARED),
    };
    let present = params.get("present").is_some();
    // Whoever is kept out in person is not let in by an agent.
    if present && effect == Effect::Forbid {
        wrong.note("present", |t| t.wrong_present);
    }
    let until = params.get("until").map(end_of_day);
    match until {
        Some(None) => wrong.note("until", |t| t.wrong_day),
        Some(Some(until)) if until <= now => wrong.note("until", |t| t.day_over),
        _ => {}
    }
    let (Some(who), true) = (who, wrong.is_empty()) else { return Err(Notice::not_shared(wrong)) };
    let mut terms = Terms::new(what, scopes, who, effect).map_err(|_| Notice::NOT_SHARED)?;
    if present {
        terms = terms.with_present();
    }
    Ok(until.flatten().into_iter().fold(terms, Terms::with_until))
}

/// With whom; nothing, and what is wrong is noted, if the fields do not say so.
fn who(params: &Params, wrong: &mut Wrong) -> Result<Option<Who>, Notice> {
    let typed = |field| params.get(field).map(str::trim).unwrap_or_default();
    let with = typed("with");
    let domain = |wrong: &mut Wrong| {
        let domain = MailDomain::parse(with);
        if domain.is_none() {
            wrong.note("with", |t| t.wrong_domain);
        }
        domain
    };
    Ok(match params.get("who") {
        Some("person") => {
            let email = EmailAddress::parse(with).ok();
            if email.is_none() {
                wrong.note("with", |t| t.wrong_address);
            }
            email.map(Who::Person)
        }
        Some("domain") => domain(wrong).map(Who::Domain),
        Some("group") => {
            let domain = domain(wrong);
            let (claim, value) = (typed("claim"), typed("value"));
            for (field, text) in [("claim", claim), ("value", value)] {
                if !matches!(text.len(), 1..=MAX_CLAIM) {
                    wrong.note(field, |t| t.wrong_claim);
                }
            }
            let (claim, value) = (claim.to_owned(), value.to_owned());
            domain.map(|domain| Who::Group { claim, value, domain })
        }
        Some("anyone") if with.is_empty() => Some(Who::Anyone),
        Some("anyone") => {
            wrong.note("with", |t| t.not_anyone);
            None
        }
        _ => return Err(Notice::NOT_SHARED),
    })
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
) -> Result<Result<Done, Notice>, Refusal> {
    let protection = &place.protection;
    if let Some(id) = params.get("unshare") {
        let ended = unshare(desk, protection, id, by).await?;
        return Ok(ended.map(|()| Done::Unshared));
    }
    let terms = match terms(params, resource, now) {
        Ok(terms) => terms,
        Err(notice) => return Ok(Err(notice)),
    };
    match desk.uma.share(protection, terms, by).await {
        Ok(_) => Ok(Ok(Done::Shared)),
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
