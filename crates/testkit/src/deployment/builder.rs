//! What a deployment is to be, before it runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign_host::Seams;
use toml::Table;

use super::party::Party;
use super::place::{Place, connect_to};
use super::{Deployment, written};
use crate::audit::Recorder;
use crate::ca::CertificateAuthority;
use crate::clock::FixedClock;
use crate::directory::Directory;
use crate::ear::Ear;
use crate::names;
use crate::random::SeededRandom;
use crate::web::Web;

/// A change to a configuration before it is written.
pub type Change = Box<dyn FnOnce(&mut Table) + Send>;

/// What a deployment is to be.
#[derive(Default)]
pub struct Builder {
    hostile: bool,
    university: bool,
    claims_provider: bool,
    console: bool,
    overheard: bool,
    without: Vec<Party>,
    changes: BTreeMap<Party, Change>,
    hosts: Vec<&'static str>,
    seams: Option<Seams>,
}

impl Builder {
    /// With the hostile domain.
    #[must_use]
    pub fn with_hostile_domain(mut self) -> Self {
        self.hostile = true;
        self
    }

    /// With the university's identity provider.
    #[must_use]
    pub fn with_university(mut self) -> Self {
        self.university = true;
        self
    }

    /// With a claims provider of its own in front of Alice's STS.
    #[must_use]
    pub fn with_claims_provider(mut self) -> Self {
        self.claims_provider = true;
        self
    }

    /// With a console at Bob's UMA server, and the identity provider at which Bob signs in to it.
    #[must_use]
    pub fn with_console(mut self) -> Self {
        self.console = true;
        self
    }

    /// With somebody who listens to every server: [`Deployment::heard`].
    #[must_use]
    pub fn overheard(mut self) -> Self {
        self.overheard = true;
        self
    }

    /// Without a party, whose place the test takes: [`Deployment::take_place`].
    #[must_use]
    pub fn without(mut self, party: Party) -> Self {
        self.without.push(party);
        self
    }

    /// With another clock and other randomness: for software that cannot be told the time.
    /// [`Deployment::clock`] is nobody's then.
    #[must_use]
    pub fn with_seams(mut self, seams: Seams) -> Self {
        self.seams = Some(seams);
        self
    }

    /// With one more host, for the test to serve: [`Deployment::take_host`].
    #[must_use]
    pub fn with_host(mut self, host: &'static str) -> Self {
        self.hosts.push(host);
        self
    }

    /// With a party whose configuration is changed.
    #[must_use]
    pub fn with(mut self, party: Party, change: impl FnOnce(&mut Table) + Send + 'static) -> Self {
        self.changes.insert(party, Box::new(change));
        self
    }

    /// Starts it.
    ///
    /// # Panics
    /// If anything does not work: a test that has no deployment has nothing to say.
    #[expect(clippy::expect_used, reason = "a test stops at once without its deployment")]
    pub async fn start(self) -> Deployment {
        let authority = CertificateAuthority::generate().expect("a certificate authority");
        let directory = Directory::new().expect("a directory");
        let roots = directory.write("ca.pem", authority.certificate()).expect("a file");
        written::write_files(&directory).expect("files");

        let mut parties = Party::HONEST.to_vec();
        parties.extend(self.hostile.then_some(Party::HOSTILE).into_iter().flatten());
        parties.extend(self.university.then_some(Party::University));
        parties.extend(self.claims_provider.then_some(Party::ClaimsProvider));
        parties.extend(self.console.then_some(Party::BobsProvider));
        let hosts_of = |party: Party| match party {
            // The domain's own host is the claims provider's.
            Party::Sts if self.claims_provider => &["sts.alice.example"],
            _ => party.hosts(),
        };
        let places = parties.iter().map(|party| {
            let place = Place::reserve(&directory, &authority, party.file(), hosts_of(*party));
            (*party, place.expect("a place"))
        });
        let places: BTreeMap<Party, Place> = places.collect();
        let web_place =
            Place::reserve(&directory, &authority, "web", &names::SCRIPTED).expect("a place");

        let hosts = self.hosts.into_iter().map(|host| {
            let place = Place::reserve(&directory, &authority, host, &[host]);
            (host, place.expect("a place"))
        });
        let hosts: BTreeMap<&'static str, Place> = hosts.collect();

        let clock = FixedClock::default();
        let fixed =
            || Seams { clock: Arc::new(clock.clone()), random: Arc::new(SeededRandom::new(1)) };
        let mut deployment = Deployment {
            seams: self.seams.unwrap_or_else(fixed),
            clock,
            directory,
            roots,
            connect_to: connect_to(places.iter().map(|(party, place)| (hosts_of(*party), place)))
                .chain(connect_to([(&names::SCRIPTED[..], &web_place)].into_iter()))
                .chain(connect_to(
                    hosts.iter().map(|(host, place)| (std::slice::from_ref(host), place)),
                ))
                .collect(),
            places,
            hosts,
            running: BTreeMap::new(),
            configurations: BTreeMap::new(),
            web: Web::default(),
            recorder: Arc::new(Recorder::default()),
            umas: BTreeMap::new(),
            ear: self.overheard.then(Ear::default),
        };
        deployment.serve_web(web_place);
        let mut changes = self.changes;
        for party in parties {
            let mut table = written::configuration(party, &deployment.surroundings());
            if self.console && party == Party::UmaServer {
                written::add_console(&mut table);
            }
            if let Some(change) = changes.remove(&party) {
                change(&mut table);
            }
            deployment.configurations.insert(party, table);
            if !self.without.contains(&party) {
                deployment.run(party).await;
            }
        }
        deployment
    }
}
