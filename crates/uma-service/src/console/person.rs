//! Everything about one person, and the owner's decision on it.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use countersign_claims_token::claims::RESERVED;
use countersign_store::finish;
use countersign_types::{ClientId, Params, ScopeSet, Timestamp};
use countersign_uma::case::{OwnerDecision, Verdict};
use countersign_uma::permission::Permission;
use countersign_uma::resource::ResourceId;
use countersign_uma::{Case, Person, PersonId};
use http::StatusCode;

use super::access::{self, Holders};
use super::desk::{Desk, Visit};
use super::done::Done;
use super::filled::Filled;
use super::forms::{self, Form, Submitted};
use super::held;
use super::history;
use super::in_path::InPath;
use super::notice::Notice;
use super::paging::{self, Asked, Cut};
use super::people::{self, Cards};
use super::places::{self, Place};
use super::refusal::Refusal;
use super::shares;
use super::shell::Tab;
use super::turned_away;
use super::views::{EntryView, Group, PersonPage};
use super::vouched::{SignedIn, Vouched};
use crate::holds::Of;
use crate::owner::OwnerError;

/// So many claims can be asked for at a time, and so long is the name of one.
const MAX_CLAIMS: usize = 16;
const MAX_CLAIM_NAME: usize = 64;

/// The place and the person in a path.
type Named = InPath<(String, String)>;

pub(super) async fn get(
    State(desk): State<Arc<Desk>>,
    visit: Visit,
    InPath((place, person)): Named,
    asked: Asked,
) -> Result<Response, Refusal> {
    let place = places::named(&desk, &visit.active, &place).await?;
    let person = PersonId::parse(&person).ok_or(Refusal::NotThere)?;
    show(&desk, &visit, &place, &person, &asked, None).await
}

/// Who somebody is, by their case, by what they hold, or by what they were refused.
async fn known(
    desk: &Desk,
    place: &Place,
    id: &PersonId,
    case: Option<&Case>,
    now: Timestamp,
) -> Result<Option<Person>, Refusal> {
    if let Some(case) = case {
        return Ok(Some(case.person().clone()));
    }
    held::know(desk, now).await?;
    if let Some(hold) = access::holds_anything(desk, place, id, now).await? {
        return Ok(hold.rpt.person);
    }
    // What counts no more may count again.
    if let Some(holder) = desk.uma.holder(&place.protection, id, now).await? {
        return Ok(Some(holder));
    }
    let denied = turned_away::of_person(desk, place, id, now).await?;
    Ok(denied.first().map(|denial| denial.person.clone()))
}

/// The person as they are now.
async fn show(
    desk: &Desk,
    visit: &Visit,
    place: &Place,
    id: &PersonId,
    asked: &Asked,
    refused: Option<(Notice, Params)>,
) -> Result<Response, Refusal> {
    let case = desk.uma.case_at(&place.protection, id, visit.now).await?;
    let person = known(desk, place, id, case.as_ref(), visit.now).await?;
    let person = &person.ok_or(Refusal::NotThere)?;
    let mut cards = Cards::new(desk, visit.now);
    let mut entries = Vec::new();
    if let Some(case) = &case {
        entries = cards.entries(place, case).await?;
    }
    let is_whole = held::know(desk, visit.now).await?;
    let list = [Holders { desk, place, of: Of::Person(id), now: visit.now }];
    let Cut { shown, pager } = paging::cut(&list, asked, Option::is_some).await?;
    let mut denials = Vec::new();
    for denial in turned_away::of_person(desk, place, id, visit.now).await? {
        denials.push(turned_away::view(&mut cards, desk, place, &denial).await?);
    }
    let all = shares::about(desk, &place.protection, person).await?;
    let revocable = match &all {
        Some(all) => shares::may_be_in(all, person),
        None => {
            let has_more = || desk.uma.holder(&place.protection, id, visit.now);
            entries.iter().any(EntryView::is_revocable)
                || !shown.is_empty()
                || has_more().await?.is_some()
        }
    };
    let is_offered = all.is_some();
    let is_kept_out = is_offered && !revocable;
    let all = all.unwrap_or_default();
    let past = shares::past(desk, &place.protection, person, &all, visit.now).await?;
    let events = history::views(&mut cards, place, case.as_ref(), past).await?;
    let shared: Vec<_> = all.iter().collect();
    let shared = shares::views(&mut cards, place, &shared).await?;
    let form = Form::Person {
        sid: visit.active.sid.clone(),
        place: place.id(),
        person: id.to_string(),
        revision: case.as_ref().map_or(0, Case::revision),
    };
    let (action, form_token) = (people::link(desk, place, id), desk.seal(&form, visit)?);
    let mut holds = Vec::new();
    for hold in shown.into_iter().filter_map(|(_, hold)| hold) {
        let form = (&*action, &*form_token);
        holds.push(held::view(&mut cards, desk, place, &hold, form).await?);
    }
    let status = refused.as_ref().map_or(StatusCode::OK, |(notice, _)| notice.status);
    let mut groups = groups(entries);
    let say = refused.as_ref().map(|(notice, _)| notice.say);
    if let Some((Notice { wrong, .. }, sent)) = refused.filter(|(it, _)| !it.wrong.is_empty())
        && let Some(group) = groups.iter_mut().find(|group| group.is_of(&sent))
    {
        group.filled = Filled::new(sent, wrong);
    }
    let page = PersonPage {
        shell: desk.shell(visit, Tab::People)?,
        notice: say,
        action,
        form_token,
        email: person.email.to_string(),
        vouched: Vouched::of(person),
        signed_in: SignedIn::of(person),
        subject: history::short(person.sub.clone()),
        owner: place.protection.owner.to_string(),
        server: place.name(),
        claims: history::claims(&person.claims),
        revocable,
        is_offered,
        is_kept_out,
        shares: shared,
        has_case: !case.as_ref().is_none_or(|case| case.entries().is_empty()),
        holds,
        is_whole,
        pager,
        denials,
        groups,
        events,
    };
    Ok(desk.show(status, page, visit))
}

/// What was asked, by how it was asked.
fn groups(entries: Vec<EntryView>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for entry in entries {
        let is_open = entry.stands.is_open();
        let group = groups
            .iter_mut()
            .find(|group| group.client == entry.client && group.present == entry.present);
        match group {
            Some(group) => {
                group.is_open |= is_open;
                group.is_decided |= !is_open;
                group.entries.push(entry);
            }
            None => groups.push(Group {
                client: entry.client.clone(),
                present: entry.present,
                is_open,
                is_decided: !is_open,
                filled: Filled::default(),
                entries: vec![entry],
            }),
        }
    }
    groups
}

pub(super) async fn post(
    State(desk): State<Arc<Desk>>,
    InPath((place, person)): Named,
    request: Request,
) -> Result<Response, Refusal> {
    let Submitted { params, form, visit, .. } = forms::read(&desk, request, &["scope"]).await?;
    let Form::Person { place: of_place, person: of_person, revision, .. } = form else {
        return Err(Refusal::NotOurs);
    };
    if (of_place, of_person) != (place.clone(), person.clone()) {
        return Err(Refusal::NotOurs);
    }
    let place = places::named(&desk, &visit.active, &place).await?;
    let person = PersonId::parse(&person).ok_or(Refusal::NotThere)?;
    let (by, now) = (visit.active.identity.label(), visit.now);
    let (done, params) = {
        let (desk, place, by) = (Arc::clone(&desk), place.clone(), by.to_owned());
        finish(async move {
            let done = act(&desk, &place, &person, &params, revision, &by).await?;
            Ok::<_, Refusal>((done, params))
        })
        .await?
    };
    match done {
        Ok(done) => {
            // Whoever never asked, and holds nothing any more, has no page.
            let case = desk.uma.case_at(&place.protection, &person, now).await?;
            let has_page = known(&desk, &place, &person, case.as_ref(), now).await?.is_some();
            let page = || people::link(&desk, &place, &person);
            let access = || format!("{}/access", desk.console.path());
            Ok(desk.lead(&if has_page { page() } else { access() }, done))
        }
        Err(notice) => {
            let asked = Asked::parse(None);
            show(&desk, &visit, &place, &person, &asked, Some((notice, params))).await
        }
    }
}

/// Does what the form says, or says why not.
async fn act(
    desk: &Desk,
    place: &Place,
    person: &PersonId,
    params: &Params,
    seen: u64,
    by: &str,
) -> Result<Result<Done, Notice>, Refusal> {
    if let Some(id) = params.get("unshare") {
        let ended = shares::unshare(desk, &place.protection, id, by).await?;
        return Ok(ended.map(|()| Done::Unshared));
    }
    if let Some(ended) = held::end(desk, place, params, by).await? {
        return Ok(ended);
    }
    let (verdict, done) = match params.get("verdict") {
        Some("approve") => (Verdict::Approve, Done::Allowed),
        Some("deny") => (Verdict::Deny, Done::Refused),
        Some("reopen") => (Verdict::Reopen, Done::Reopened),
        Some("more") => match claims(params.get("claims").unwrap_or_default()) {
            Some(claims) => (Verdict::AskMore(claims), Done::AskedMore),
            None => return Ok(Err(Notice::claims())),
        },
        Some("revoke") => {
            let revoked = revoke(desk, place, person, by).await?;
            return Ok(revoked.map(|()| Done::TakenBack));
        }
        _ => return Ok(Err(Notice::NOTHING)),
    };
    let client = params.get("client").and_then(|id| ClientId::parse(id).ok());
    let client = client.ok_or(Refusal::Malformed)?;
    let present = match params.get("present") {
        Some("true") => true,
        Some("false") => false,
        _ => return Err(Refusal::Malformed),
    };
    let permissions = permissions(params).ok_or(Refusal::Malformed)?;
    let decision = OwnerDecision { client, present, permissions, verdict, seen, by: by.to_owned() };
    match desk.uma.decide(&place.protection, person, decision).await {
        Ok(_) => Ok(Ok(done)),
        Err(OwnerError::Case(error)) => Ok(Err(error.into())),
        Err(OwnerError::Store(error)) => Err(error.into()),
    }
}

async fn revoke(
    desk: &Desk,
    place: &Place,
    person: &PersonId,
    by: &str,
) -> Result<Result<(), Notice>, Refusal> {
    let (protection, now) = (&place.protection, desk.uma.seams.clock.now());
    let case = desk.uma.case_at(protection, person, now).await?;
    let known = known(desk, place, person, case.as_ref(), now).await?.ok_or(Refusal::NotThere)?;
    let held = desk.uma.holder(protection, person, now).await?;
    // What cannot be refused comes first; what is issued meanwhile by another way ends with the
    // rest.
    let revoked: Option<Case> = desk.uma.revoke(protection, person, by).await?;
    let kept_out = shares::keep_out(desk, protection, &known, by).await?;
    // Last, so that whatever was issued before they were kept out does not come back if they are
    // let in.
    desk.uma.revoke_tokens(protection, &known, by).await?;
    if revoked.is_none() && held.is_some() {
        desk.uma.note_end(protection, &known, None, Vec::new(), by, now).await?;
    }
    Ok(kept_out.and_then(|done| {
        let done = (done || revoked.is_some() || held.is_some()).then_some(());
        done.ok_or(Notice::NOTHING_LEFT)
    }))
}

/// The scopes that are ticked, by resource.
fn permissions(params: &Params) -> Option<Vec<Permission>> {
    let mut permissions: Vec<Permission> = Vec::new();
    for ticked in params.all("scope") {
        let (id, scope) = ticked.split_once(' ')?;
        let resource_id = ResourceId::parse(id).ok()?;
        let scope = ScopeSet::from_tokens([scope]).ok()?;
        match permissions.iter_mut().find(|known| known.resource_id == resource_id) {
            Some(known) => known.resource_scopes = known.resource_scopes.union(&scope),
            None => permissions.push(Permission { resource_id, resource_scopes: scope }),
        }
    }
    Some(permissions)
}

/// The names of claims that somebody can be asked for; none if one of them is none. A claim that a
/// claims token has a meaning of its own for says nothing about a person.
fn claims(text: &str) -> Option<BTreeSet<String>> {
    let names = text.split([' ', ',', ';']).filter(|name| !name.is_empty());
    let names: BTreeSet<String> = names.map(str::to_owned).collect();
    let is_name = |name: &String| {
        name.len() <= MAX_CLAIM_NAME
            && name.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\'))
            && !RESERVED.contains(&name.as_str())
    };
    let is_list = matches!(names.len(), 1..=MAX_CLAIMS) && names.iter().all(is_name);
    is_list.then_some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_named_with_spaces_or_commas_between_them() {
        let named = |text| claims(text).map(|names| names.into_iter().collect::<Vec<_>>());
        assert_eq!(named(" department,given_name ; department"), {
            Some(vec!["department".to_owned(), "given_name".to_owned()])
        });
        let many = (0..17).map(|n| format!("c{n}")).collect::<Vec<_>>().join(" ");
        for bad in ["", " , ", "sub", "department iss", "a\"b", "größe", &many, &"x".repeat(65)] {
            assert_eq!(named(bad), None, "{bad}");
        }
    }
}
