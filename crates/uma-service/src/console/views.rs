//! What each page shows, whatever the language. The templates put it among the texts of one.

use countersign_pages::in_a_language;
use countersign_types::Params;
use countersign_uma::policy::shares::{Effect, Who};

use super::because::Because;
use super::filled::Filled;
use super::held::{Grounds, HoldView, WithWhom};
use super::shell::{Pager, Shell};
use super::texts::{Say, Text, Texts};
use super::turned_away::DenialView;
use super::vouched::{SignedIn, Vouched};

/// The page that says that something did not work, or that one has to sign in.
pub(super) struct ProblemPage {
    pub(super) shell: Shell,
    pub(super) explanation: Say,
    /// Where one signs in, if that helps, and what the provider is called.
    pub(super) sign_in: Option<(String, String)>,
    /// Whether nothing is wrong but that nobody is signed in.
    pub(super) asks: bool,
}

impl ProblemPage {
    fn explanation(&self, t: &Texts) -> Text {
        (self.explanation)(t)
    }
}

in_a_language!(Texts, ProblemPage, "problem.html");

/// The page that leads to where one signs out at the provider.
pub(super) struct LeavingPage {
    pub(super) shell: Shell,
    pub(super) provider: String,
    pub(super) url: String,
}

in_a_language!(Texts, LeavingPage, "leaving.html");

/// The page of who has signed out.
pub(super) struct SignedOutPage {
    pub(super) shell: Shell,
    pub(super) provider: String,
    pub(super) sign_in: String,
    /// Whether the provider sent them back, where they went to sign out.
    pub(super) came_back: bool,
}

in_a_language!(Texts, SignedOutPage, "signed_out.html");

/// What waits.
pub(super) struct OverviewPage {
    pub(super) shell: Shell,
    pub(super) waiting: Vec<Card>,
    pub(super) pager: Pager,
}

in_a_language!(Texts, OverviewPage, "overview.html");

/// A person in a list.
pub(super) struct Card {
    pub(super) link: String,
    pub(super) email: String,
    pub(super) vouched: Vouched,
    /// The first things that the provider says of them, and whether there are more.
    pub(super) claims: Vec<(String, String)>,
    pub(super) says_more: bool,
    pub(super) owner: String,
    pub(super) server: String,
    pub(super) entries: Vec<EntryView>,
}

impl Card {
    const fn vouched(&self) -> &Vouched {
        &self.vouched
    }
}

/// One scope at one resource.
pub(super) struct EntryView {
    pub(super) value: String,
    pub(super) resource: ResourceName,
    pub(super) scope: String,
    pub(super) client: String,
    pub(super) present: bool,
    pub(super) stands: Stands,
    pub(super) since: String,
    /// When it is over without an answer.
    pub(super) until: Option<String>,
    /// Who allowed it, and when.
    pub(super) allowed: Option<(String, String)>,
}

impl EntryView {
    const fn is_waiting(&self) -> bool {
        matches!(self.stands, Stands::Waiting)
    }

    /// Whether there is anything to take back.
    pub(super) const fn is_revocable(&self) -> bool {
        !matches!(self.stands, Stands::Refused)
    }
}

/// How it stands.
pub(super) enum Stands {
    Waiting,
    More(String),
    Allowed,
    Refused,
}

/// What a resource is called.
#[derive(Clone)]
pub(super) enum ResourceName {
    Known(String),
    Gone(String),
}

/// Who has what.
pub(super) struct PeoplePage {
    pub(super) shell: Shell,
    pub(super) notice: Option<Say>,
    pub(super) people: Vec<Card>,
    /// What is shared with one person each, or keeps one out.
    pub(super) shares: Vec<PersonalShare>,
    /// Where these are, if they are on another page.
    pub(super) shares_link: Option<String>,
    pub(super) action: String,
    pub(super) pager: Pager,
}

impl PeoplePage {
    fn notice(&self, t: &Texts) -> Option<Text> {
        self.notice.map(|say| say(t))
    }
}

/// What is shared with one person, or keeps one out, and where.
pub(super) struct PersonalShare {
    pub(super) share: ShareView,
    pub(super) owner: String,
    pub(super) server: String,
    pub(super) form_token: String,
}

impl PersonalShare {
    const fn share(&self) -> &ShareView {
        &self.share
    }
}

in_a_language!(Texts, PeoplePage, "people.html");

/// Everything about one person.
pub(super) struct PersonPage {
    pub(super) shell: Shell,
    pub(super) notice: Option<Say>,
    pub(super) action: String,
    pub(super) form_token: String,
    pub(super) email: String,
    pub(super) vouched: Vouched,
    pub(super) signed_in: SignedIn,
    pub(super) subject: String,
    pub(super) owner: String,
    pub(super) server: String,
    pub(super) claims: Vec<(String, String)>,
    pub(super) groups: Vec<Group>,
    /// Whether there is anything to take back.
    pub(super) revocable: bool,
    /// Whether owners share here, so that they can keep somebody out of what rules permit.
    pub(super) is_offered: bool,
    /// Whether this owner keeps them out of everything, so that nothing allowed counts.
    pub(super) is_kept_out: bool,
    /// What is shared with them, beforehand.
    pub(super) shares: Vec<ShareView>,
    /// Whether they ever asked their owner for something.
    pub(super) has_case: bool,
    /// What they hold at the moment, and whether all that is held was read.
    pub(super) holds: Vec<HoldView>,
    pub(super) is_whole: bool,
    pub(super) pager: Pager,
    /// Where they were turned away lately.
    pub(super) denials: Vec<DenialView>,
    pub(super) events: Vec<EventView>,
}

impl PersonPage {
    const fn vouched(&self) -> &Vouched {
        &self.vouched
    }

    fn notice(&self, t: &Texts) -> Option<Text> {
        self.notice.map(|say| say(t))
    }
}

/// What is asked through one client, in person or not.
pub(super) struct Group {
    pub(super) client: String,
    pub(super) present: bool,
    pub(super) entries: Vec<EntryView>,
    /// Whether more can be asked for.
    pub(super) is_open: bool,
    /// Whether there is anything to be asked about again.
    pub(super) is_decided: bool,
    /// Its form as it was sent, if something is wrong with that.
    pub(super) filled: Filled,
}

impl Group {
    /// Whether a form was this one's.
    pub(super) fn is_of(&self, sent: &Params) -> bool {
        let present = if self.present { "true" } else { "false" };
        sent.get("client") == Some(&self.client) && sent.get("present") == Some(present)
    }

    /// Ticked is what waits, unless the owner ticked otherwise.
    fn is_ticked(&self, entry: &EntryView) -> bool {
        if self.filled.is_sent() {
            self.filled.has("scope", &entry.value)
        } else {
            entry.is_waiting()
        }
    }
}

in_a_language!(Texts, PersonPage, "person.html");

/// Something that happened.
pub(super) struct EventView {
    pub(super) at: String,
    pub(super) what: What,
    pub(super) by: String,
    pub(super) through: Option<(String, bool)>,
    pub(super) permissions: Vec<(ResourceName, String)>,
    /// Why the owner was asked.
    pub(super) why: Vec<Because>,
    pub(super) claims: Vec<(String, String)>,
    /// Whom it is about, where that is not said otherwise.
    pub(super) person: Option<(String, String)>,
    /// The share that it is about, with its owner and where it is.
    pub(super) share: Option<(ShareView, (String, String))>,
}

impl EventView {
    /// Whether rules decided it.
    const fn is_ruled(&self) -> bool {
        matches!(self.what, What::Ruled)
    }
}

/// What it was.
pub(super) enum What {
    Asked,
    Allowed,
    Refused,
    AskedMore(String),
    Reopened,
    Revoked,
    Ended,
    Ruled,
    Shared,
    KeptOut,
    Unshared,
    LetIn,
    EndedWithResource,
}

/// Every decision.
pub(super) struct HistoryPage {
    pub(super) shell: Shell,
    pub(super) events: Vec<EventView>,
    pub(super) pager: Pager,
}

in_a_language!(Texts, HistoryPage, "history.html");

/// What is protected.
pub(super) struct ResourcesPage {
    pub(super) shell: Shell,
    pub(super) places: Vec<PlaceView>,
    pub(super) mandates: Vec<KnownMandate>,
    pub(super) form_token: String,
    pub(super) pager: Pager,
}

/// What a resource server asks a person.
pub(super) struct MandatePage {
    pub(super) shell: Shell,
    pub(super) server: String,
    /// Where the answer goes.
    pub(super) destination: String,
    pub(super) owners: Vec<String>,
    pub(super) action: String,
    pub(super) form_token: String,
}

in_a_language!(Texts, MandatePage, "mandate.html");

/// What a resource server may do in an owner's name.
pub(super) struct KnownMandate {
    pub(super) id: String,
    pub(super) owner: String,
    pub(super) server: String,
    pub(super) by: String,
    pub(super) since: String,
}

/// What one resource server protects for one owner.
pub(super) struct PlaceView {
    pub(super) owner: String,
    pub(super) server: String,
    /// Link and name.
    pub(super) resources: Vec<(String, String)>,
}

in_a_language!(Texts, ResourcesPage, "resources.html");

/// One resource.
pub(super) struct ResourcePage {
    pub(super) shell: Shell,
    pub(super) name: String,
    pub(super) kind: Option<String>,
    pub(super) description: Option<String>,
    pub(super) owner: String,
    pub(super) server: String,
    pub(super) scopes: Vec<String>,
    pub(super) people: Vec<Card>,
    /// Some of those who are in at the moment, and whether all that is held was read.
    pub(super) holds: Vec<HoldView>,
    pub(super) is_whole: bool,
    /// Where all of them are, if there are more.
    pub(super) all_who_are_in: Option<String>,
    pub(super) notice: Option<Say>,
    pub(super) action: String,
    pub(super) form_token: String,
    /// The form to share by, as it was sent if something is wrong with it.
    pub(super) filled: Filled,
    /// What is shared there; nothing can be where that is not offered.
    pub(super) shares: Option<Vec<ShareView>>,
    pub(super) pager: Pager,
}

impl ResourcePage {
    fn notice(&self, t: &Texts) -> Option<Text> {
        self.notice.map(|say| say(t))
    }
}

/// What is shared.
pub(super) struct ShareView {
    pub(super) id: String,
    pub(super) who: Who,
    /// The resource; everything there is without.
    pub(super) resource: Option<ResourceName>,
    /// The scopes; every one there is without.
    pub(super) scopes: Option<String>,
    pub(super) effect: Effect,
    pub(super) issuer: Option<String>,
    pub(super) present: bool,
    pub(super) until: Option<String>,
    /// The day at whose end that is, as it was said.
    pub(super) until_day: Option<String>,
    pub(super) since: String,
    pub(super) by: String,
}

impl ShareView {
    /// Whether it is about one person, and about nobody else.
    const fn is_personal(&self) -> bool {
        matches!(self.who, Who::Person(_))
    }
}

in_a_language!(Texts, ResourcePage, "resource.html");
