//! What owners share beforehand: how it is shown, made, and taken back.

use std::ops::Bound;
use std::sync::Arc;

use countersign_pages::page::{day_ended, end_of_day, moment};
use countersign_store::StoreError;
use countersign_store::resources::Beside;
use countersign_types::{EmailAddress, Params, ScopeSet, Timestamp};
use countersign_uma::policy::shares::{
    Effect, MAX_CLAIM, MailDomain, ShareId, Terms, What, Who, values,
};
use countersign_uma::policy::{Share, Shares};
use countersign_uma::resource::ResourceId;
use countersign_uma::{Person, Protection};

use super::desk::Desk;
use super::done::Done;
use super::filled::Wrong;
use super::notice::Notice;
use super::people::Cards;
use super::places::Place;
use super::refusal::Refusal;
use super::views::ShareView;
use crate::shares::{ShareError, ShareEvent};

/// Everything at a place that is shared with a person or keeps them out; `None` where owners share
/// nothing.
pub(super) async fn about(
    desk: &Desk,
    protection: &Protection,
    person: &Person,
) -> Result<Option<Vec<Share>>, Refusal> {
    offered(desk.uma.shares_that(protection, |share| is_about(share, person)).await)
}

/// Those shares of a place that are meant; none where owners share nothing.
pub(super) async fn that(
    desk: &Desk,
    protection: &Protection,
    are_meant: impl Fn(&Share) -> bool,
) -> Result<Vec<Share>, Refusal> {
    Ok(offered(desk.uma.shares_that(protection, are_meant).await)?.unwrap_or_default())
}

/// Some of what is shared with one person each at a place, or keeps one out.
pub(super) async fn of_people(
    desk: &Desk,
    place: &Place,
    beside: Beside<&str>,
    limit: usize,
    now: Timestamp,
) -> Result<Vec<Arc<Share>>, Refusal> {
    let protection = &place.protection;
    let key = match beside {
        Beside::After(key) | Beside::Before(key) => ShareId::parse(key),
        Beside::Start | Beside::End => None,
    };
    let is_back = matches!(beside, Beside::Before(_) | Beside::End);
    let bound = key.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
    let look = |shares: &Shares| {
        if is_back {
            let before = shares.of_people(protection, (Bound::Unbounded, bound), now).rev();
            let mut part: Vec<_> = before.take(limit).cloned().collect();
            part.reverse();
            part
        } else {
            let after = shares.of_people(protection, (bound, Bound::Unbounded), now);
            after.take(limit).cloned().collect()
        }
    };
    Ok(offered(desk.uma.in_shares(protection, look).await)?.unwrap_or_default())
}

/// Some of what is shared of a resource.
pub(super) async fn here(
    desk: &Desk,
    place: &Place,
    resource: &ResourceId,
    beside: Beside<&str>,
    limit: usize,
    now: Timestamp,
) -> Result<Vec<Arc<Share>>, Refusal> {
    let protection = &place.protection;
    let look = |shares: &Shares| {
        let is_there = |share: &&Arc<Share>| match beside {
            Beside::After(key) => share.id.as_str() > key,
            Beside::Before(key) => share.id.as_str() < key,
            Beside::Start | Beside::End => true,
        };
        let mut part: Vec<_> = shares.here(protection, resource, now).filter(is_there).collect();
        part.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        let first = match beside {
            Beside::Start | Beside::After(_) => 0,
            Beside::Before(_) | Beside::End => part.len().saturating_sub(limit),
        };
        part.into_iter().skip(first).take(limit).cloned().collect::<Vec<_>>()
    };
    Ok(offered(desk.uma.in_shares(protection, look).await)?.unwrap_or_default())
}

/// Whether owners share anything at all.
pub(super) async fn are_offered(desk: &Desk, place: &Place) -> Result<bool, Refusal> {
    Ok(offered(desk.uma.in_shares(&place.protection, |_| ()).await)?.is_some())
}

fn offered<T>(found: Result<T, ShareError>) -> Result<Option<T>, Refusal> {
    match found {
        Ok(found) => Ok(Some(found)),
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
fn is_about(share: &Share, person: &Person) -> bool {
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
            until_day: terms.until().and_then(day_ended),
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
        Ok(terms) if lets_everyone_in(&terms) && params.get("sure") != Some("yes") => {
            return Ok(Err(Notice::not_sure()));
        }
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

/// Whether it opens everything that an owner has somewhere to everyone there is: asked once more.
fn lets_everyone_in(terms: &Terms) -> bool {
    terms.effect() == Effect::Permit
        && *terms.who() == Who::Anyone
        && *terms.what() == What::Everything
}

/// What was shared with one person at a place or kept them out, and how it ended; with what of
/// `all` does so now though it was said of another address of theirs.
pub(super) async fn past(
    desk: &Desk,
    protection: &Protection,
    person: &Person,
    all: &[Share],
    now: Timestamp,
) -> Result<Vec<(Timestamp, ShareEvent)>, StoreError> {
    let is_of_one = |share: &&Share| matches!(share.terms.who(), Who::Person(_));
    let others = all.iter().filter(is_of_one).map(|share| share.id.clone());
    desk.uma.share_events_of(protection, &person.email, others, now).await
}

/// Whether a share lets one person in, or has the owner asked about them.
fn is_personal(share: &Share) -> bool {
    share.terms.effect() != Effect::Forbid && matches!(share.terms.who(), Who::Person(_))
}

/// Whether a share keeps a person out of everything, whatever else says that they may, by their
/// address and as whom their issuer knows.
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

/// Keeps a person out from now on, of what is shared with more people than them and of what rules
/// permit too, and takes back what is shared with them. Where owners share nothing, nothing is
/// done. Whether there was anything to do.
pub(super) async fn keep_out(
    desk: &Desk,
    protection: &Protection,
    person: &Person,
    by: &str,
) -> Result<Result<bool, Notice>, Refusal> {
    let Some(shares) = about(desk, protection, person).await? else { return Ok(Ok(false)) };
    // First, so that nothing else lets them in meanwhile.
    let mut kept_out = if may_be_in(&shares, person) {
        Some(forbid(desk, protection, person, by).await?)
    } else {
        None
    };
    let mut done = matches!(kept_out, Some(true));
    for share in shares.iter().filter(|share| is_personal(share)) {
        done |= desk.uma.unshare(protection, &share.id, by).await.map_err(failed)?.is_some();
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
