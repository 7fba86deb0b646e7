//! Who is in at the moment, whoever let them in: all of them, or those who reach one resource.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use countersign_pages::in_a_language;
use countersign_store::resources::Beside;
use countersign_types::Timestamp;
use countersign_uma::PersonId;
use countersign_uma::resource::ResourceId;
use http::StatusCode;

use super::desk::{Desk, Visit};
use super::forms::{self, Form, Submitted};
use super::held::{self, Grounds, HoldView, WithWhom};
use super::in_path::InPath;
use super::notice::Notice;
use super::paging::{self, Asked, Cut, List};
use super::people::Cards;
use super::places::{self, Place};
use super::refusal::Refusal;
use super::shell::{Pager, Shell, Tab};
use super::texts::{Say, Text, Texts};
use super::views::ResourceName;
use crate::holds::{Hold, HoldId, Mark, Of};

/// Everybody who is in.
pub(super) struct AccessPage {
    shell: Shell,
    notice: Option<Say>,
    /// The resource, if it is about one.
    resource: Option<ResourceName>,
    holds: Vec<HoldView>,
    /// Whether all that is held was read.
    is_whole: bool,
    pager: Pager,
}

impl AccessPage {
    fn notice(&self, t: &Texts) -> Option<Text> {
        self.notice.map(|say| say(t))
    }
}

in_a_language!(Texts, AccessPage, "access.html");

/// A place and a resource there, where the page is about one.
type Named = Option<InPath<(String, String)>>;

pub(super) async fn get(
    State(desk): State<Arc<Desk>>,
    visit: Visit,
    named: Named,
    asked: Asked,
) -> Result<Response, Refusal> {
    let here = Here::find(&desk, &visit, named).await?;
    show(&desk, &visit, &here, &asked, None).await
}

/// What the page is about.
struct Here {
    places: Vec<Place>,
    resource: Option<ResourceId>,
    path: String,
}

impl Here {
    async fn find(desk: &Desk, visit: &Visit, named: Named) -> Result<Self, Refusal> {
        let base = format!("{}/access", desk.console.path());
        let Some(InPath((place, id))) = named else {
            let places = places::of(desk, &visit.active).await?;
            return Ok(Self { places, resource: None, path: base });
        };
        let place = places::named(desk, &visit.active, &place).await?;
        let resource = ResourceId::parse(&id).map_err(|_| Refusal::NotThere)?;
        let path = link(desk, &place, &resource);
        Ok(Self { places: vec![place], resource: Some(resource), path })
    }
}

/// The page of those who reach a resource.
pub(super) fn link(desk: &Desk, place: &Place, resource: &ResourceId) -> String {
    format!("{}/access/{}/{resource}", desk.console.path(), place.id())
}

async fn show(
    desk: &Desk,
    visit: &Visit,
    here: &Here,
    asked: &Asked,
    notice: Option<Notice>,
) -> Result<Response, Refusal> {
    let now = visit.now;
    let is_whole = held::know(desk, now).await?;
    let of = here.resource.as_ref().map_or(Of::Everybody, Of::Resource);
    let list = |place| Holders { desk, place, of, now };
    let lists: Vec<_> = here.places.iter().map(list).collect();
    let is_meant =
        |hold: &Option<Hold>| hold.as_ref().is_some_and(|hold| asked.finds(address(hold)));
    let Cut { shown, pager } = paging::cut(&lists, asked, is_meant).await?;
    let (mut cards, mut holds) = (Cards::new(desk, now), Vec::new());
    for (number, hold) in shown {
        let Some((place, hold)) = here.places.get(number).zip(hold) else { continue };
        let form = Form::Access { sid: visit.active.sid.clone(), place: place.id() };
        let form_token = desk.seal(&form, visit)?;
        let form = (&*here.path, &*form_token);
        holds.push(held::view(&mut cards, desk, place, &hold, form).await?);
    }
    let resource = match here.places.first().zip(here.resource.as_ref()) {
        Some((place, id)) => Some(cards.name(place, id).await?),
        None => None,
    };
    let status = notice.as_ref().map_or(StatusCode::OK, |notice| notice.status);
    let page = AccessPage {
        shell: desk.shell(visit, Tab::Access)?,
        notice: notice.map(|notice| notice.say),
        resource,
        holds,
        is_whole,
        pager,
    };
    Ok(desk.show(status, page, visit))
}

pub(super) async fn post(
    State(desk): State<Arc<Desk>>,
    named: Named,
    request: Request,
) -> Result<Response, Refusal> {
    let Submitted { params, form, visit, .. } = forms::read(&desk, request, &[]).await?;
    let Form::Access { place, .. } = form else { return Err(Refusal::NotOurs) };
    let place = places::named(&desk, &visit.active, &place).await?;
    let ended = held::end(&desk, &place, &params, visit.active.identity.label()).await?;
    let ended = ended.ok_or(Refusal::Malformed)?;
    let here = Here::find(&desk, &visit, named).await?;
    match ended {
        Ok(done) => Ok(desk.lead(&here.path, done)),
        Err(notice) => show(&desk, &visit, &here, &Asked::parse(None), Some(notice)).await,
    }
}

/// Those of one place who hold something, by what they got last; nothing of those of whom nothing
/// counts.
pub(super) struct Holders<'a> {
    pub(super) desk: &'a Desk,
    pub(super) place: &'a Place,
    pub(super) of: Of<'a>,
    pub(super) now: Timestamp,
}

impl List for Holders<'_> {
    type Item = Option<Hold>;

    const IS_NAMED: bool = true;

    fn id(&self) -> String {
        format!("h.{}", self.place.id())
    }

    async fn part(
        &self,
        beside: Beside<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Option<Hold>)>, Refusal> {
        let protection = &self.place.protection;
        let mark = match beside {
            Beside::After(key) | Beside::Before(key) => parse(key),
            Beside::Start | Beside::End => None,
        };
        let beside = match (beside, &mark) {
            (Beside::After(_), Some(mark)) => Beside::After(mark),
            (Beside::Before(_), Some(mark)) => Beside::Before(mark),
            (Beside::After(_) | Beside::Start, _) => Beside::Start,
            (Beside::Before(_) | Beside::End, _) => Beside::End,
        };
        let mut part = Vec::new();
        for found in self.desk.uma.found_holds(protection, self.of, beside, limit, self.now) {
            let hold = match self.of {
                Of::Person(_) => self.desk.uma.hold(protection, &found.mark, self.now).await?,
                Of::Everybody | Of::Resource(_) => {
                    self.desk.uma.latest_hold(protection, self.of, &found, self.now).await?
                }
            };
            let (since, id) = found.mark;
            part.push((format!("{since}.{id}"), hold));
        }
        Ok(part)
    }

    /// People by their addresses; what one of them holds, the latest first.
    fn name(hold: &Option<Hold>) -> (i64, String) {
        (0, hold.as_ref().map_or_else(String::new, |hold| address(hold).to_owned()))
    }
}

fn parse(key: &str) -> Option<Mark> {
    let (since, id) = key.split_once('.')?;
    Some((since.parse().ok()?, HoldId::parse(id)?))
}

fn address(hold: &Hold) -> &str {
    hold.rpt.person.as_ref().map_or("", |person| person.email.as_str())
}

/// Whether anything counts that a person holds at a place.
pub(super) async fn holds_anything(
    desk: &Desk,
    place: &Place,
    person: &PersonId,
    now: Timestamp,
) -> Result<Option<Hold>, Refusal> {
    let (protection, of) = (&place.protection, Of::Person(person));
    let Some(found) = desk.uma.found_holds(protection, of, Beside::Start, 1, now).pop() else {
        return Ok(None);
    };
    Ok(desk.uma.latest_hold(protection, of, &found, now).await?)
}
