//! What each page shows, whatever the language. The templates put it among the texts of one.

use countersign_pages::in_a_language;

use crate::browser::BrowserKind;
use crate::texts::{Say, Text, Texts};

/// The page on which a person signs in, and by that allows what the client asks for.
pub(crate) struct SignInPage {
    pub(crate) provider: String,
    pub(crate) asking: Option<AskingClient>,
    pub(crate) problem: Option<Told>,
    pub(crate) action: String,
    /// The other providers that one may sign in through, and where the choice goes.
    pub(crate) upstreams: Vec<OfferedUpstream>,
    pub(crate) upstream_action: String,
    /// Whether one signs in by password, too.
    pub(crate) passwords: bool,
    pub(crate) stylesheet: String,
    pub(crate) form_token: String,
    pub(crate) username: String,
}

in_a_language!(Texts, SignInPage, "sign_in.html");

/// Another provider that one may sign in through.
pub(crate) struct OfferedUpstream {
    pub(crate) alias: String,
    pub(crate) name: String,
}

/// Whoever asks for something on a sign-in page.
pub(crate) struct AskingClient {
    pub(crate) name: String,
    pub(crate) scopes: Vec<Scope>,
    /// Where the answer goes.
    pub(crate) destination: String,
}

/// What somebody is told, by whom if it is about another provider.
#[derive(Clone)]
pub(crate) struct Told {
    pub(crate) say: Say,
    pub(crate) upstream: Option<String>,
}

impl From<Say> for Told {
    fn from(say: Say) -> Self {
        Self { say, upstream: None }
    }
}

impl Told {
    fn text(&self, t: &Texts) -> Text {
        (self.say)(t)
    }

    fn upstream(&self) -> &str {
        self.upstream.as_deref().unwrap_or_default()
    }
}

/// Whom a page is for.
#[derive(Clone)]
pub(crate) struct Person {
    /// What they are called: here, or at the provider that says who they are.
    pub(crate) name: String,
    /// What pages call that provider.
    pub(crate) upstream: Option<String>,
}

impl Person {
    fn called(&self, t: &Texts) -> String {
        match &self.upstream {
            Some(upstream) => {
                t.person_of.with("person", &self.name).with("upstream", upstream).plain()
            }
            None => self.name.clone(),
        }
    }
}

/// The page that leads on to another provider, or from one back to whoever asked.
pub(crate) struct OnwardPage {
    pub(crate) provider: String,
    /// What it is called there.
    pub(crate) place: String,
    pub(crate) is_back: bool,
    pub(crate) url: String,
    pub(crate) stylesheet: String,
}

in_a_language!(Texts, OnwardPage, "onward.html");

/// The pages on which somebody who comes from another provider links the account that they have
/// here.
pub(crate) struct LinkPage {
    pub(crate) provider: String,
    pub(crate) upstream: String,
    pub(crate) label: String,
    /// The account: its address, or what its person is called.
    pub(crate) account: Person,
    /// Whether the password was right, so that only the person's word is left to be asked for.
    pub(crate) confirms: bool,
    pub(crate) problem: Option<Told>,
    pub(crate) action: String,
    pub(crate) stylesheet: String,
    pub(crate) form_token: String,
    /// Where the answer goes, if a client asks.
    pub(crate) destination: Option<String>,
}

in_a_language!(Texts, LinkPage, "link.html");

/// An identity at another provider, which the account is linked to.
pub(crate) struct LinkedIdentity {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) label: String,
    /// Whether the person cannot end it.
    pub(crate) stays: bool,
    /// Whether the account would go with it.
    pub(crate) closes: bool,
    /// Why not, or what else would end.
    pub(crate) note: Option<Told>,
}

/// The page on which somebody who is signed in allows what a client asks for.
pub(crate) struct ConsentPage {
    pub(crate) provider: String,
    pub(crate) client: String,
    pub(crate) person: Person,
    pub(crate) scopes: Vec<Scope>,
    pub(crate) action: String,
    pub(crate) stylesheet: String,
    pub(crate) form_token: String,
    pub(crate) destination: String,
}

in_a_language!(Texts, ConsentPage, "consent.html");

/// The page on which a person signs out, or is told that they have.
pub(crate) struct SignOutPage {
    pub(crate) provider: String,
    /// Who is to be asked; nobody is signed in without.
    pub(crate) person: Option<Person>,
    /// Where they go then, or may go.
    pub(crate) onward: Option<Onward>,
    pub(crate) action: String,
    pub(crate) stylesheet: String,
    pub(crate) form_token: String,
}

/// The page on which a person closes their account, or has closed it.
pub(crate) struct ClosePage {
    pub(crate) provider: String,
    /// The last way in.
    pub(crate) upstream: String,
    /// What is asked; it is done without.
    pub(crate) closing: Option<Closing>,
    pub(crate) stylesheet: String,
}

/// What a person is asked who would end their last way in.
pub(crate) struct Closing {
    pub(crate) person: Person,
    /// The link.
    pub(crate) link: String,
    pub(crate) action: String,
    pub(crate) form_token: String,
}

in_a_language!(Texts, ClosePage, "close.html");

/// A URL, and the place that it leads to, for the person to see.
pub(crate) struct Onward {
    pub(crate) url: String,
    pub(crate) place: String,
}

in_a_language!(Texts, SignOutPage, "sign_out.html");

/// The page on which a person sees where they are signed in, and what they allowed.
pub(crate) struct AccountPage {
    pub(crate) provider: String,
    pub(crate) person: Person,
    pub(crate) problem: Option<Told>,
    pub(crate) sessions: Vec<KnownSession>,
    pub(crate) clients: Vec<AllowedClient>,
    pub(crate) linked: Vec<LinkedIdentity>,
    pub(crate) unlink: String,
    /// The other providers that the account could be linked to, and where the choice goes.
    pub(crate) further: Vec<OfferedUpstream>,
    pub(crate) link: String,
    pub(crate) action: String,
    pub(crate) sign_out: String,
    pub(crate) stylesheet: String,
    pub(crate) form_token: String,
}

in_a_language!(Texts, AccountPage, "account.html");

/// Where somebody is signed in.
pub(crate) struct KnownSession {
    pub(crate) sid: String,
    pub(crate) browser: BrowserKind,
    pub(crate) begun: String,
    /// When they proved themselves for the last time, if that was later.
    pub(crate) again: Option<String>,
    /// Whether it is the session of the browser that the page is for.
    pub(crate) is_this: bool,
}

/// What a client was allowed.
pub(crate) struct AllowedClient {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) scopes: Vec<Scope>,
    /// Whether it goes on while the person is away.
    pub(crate) is_lasting: bool,
}

/// A scope, and what it means for the person.
pub(crate) struct Scope {
    pub(crate) name: String,
    pub(crate) meaning: Option<Say>,
}

impl Scope {
    fn meaning(&self, t: &Texts) -> Option<Text> {
        self.meaning.map(|say| say(t))
    }
}

/// The page for a request that leads nowhere.
pub(super) struct ProblemPage {
    pub(super) explanation: Say,
    pub(super) stylesheet: String,
}

impl ProblemPage {
    fn explanation(&self, t: &Texts) -> Text {
        (self.explanation)(t)
    }
}

in_a_language!(Texts, ProblemPage, "problem.html");
