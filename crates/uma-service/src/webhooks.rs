//! Owners are told when a request begins to wait for them: by a signed POST to an endpoint of
//! theirs.
//!
//! What is sent is a security event token ([`countersign_uma::notice`]), pushed as [RFC 8935 §2]
//! says; who receives it verifies it with the keys at this server's `jwks_uri`. Where an owner's
//! endpoint is, the operator says: no URL here is a stranger's choice.
//!
//! - A notice is on the disk in the step that makes the request wait, so that an answer
//!   `request_submitted` and its notice survive a killed process together.
//! - It is told at least once, each time with the same `jti`, until the endpoint takes it (202),
//!   refuses it for what it is, the owner has answered anyway, or it is too old
//!   ([`WebhookSetup::lifetime`]).
//! - There is at most one of each case; a later question takes the place of one that was not told
//!   yet. So there are never more than there are [cases](crate::Limits::cases).
//! - Each owner has a line of their own, one notice at a time, and pauses that grow while their
//!   endpoint does not answer. So many go to one owner within an hour as
//!   [`Limits::notices`](crate::Limits::notices) says, and so many of them are about one person as
//!   [`Limits::notices_of_a_person`](crate::Limits::notices_of_a_person) does; and never more are
//!   about people of one mail domain than are left to all others. The rest waits.
//! - One that is not what this version writes is reported and removed: its owner finds the request
//!   in their list.
//! - What an attempt comes to, a panic too, is no other notice's trouble.
//!
//! [`Uma::tell_owners`] does it, for as long as it runs. Without webhooks nothing of this costs
//! anything.
//!
//! [RFC 8935 §2]: https://www.rfc-editor.org/rfc/rfc8935#section-2

mod attempt;
mod keys;
mod lines;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use countersign_fetch::Fetch;
use countersign_jwt::SigningRing;
use countersign_store::{Notices, StoreError, finish};
use countersign_types::{EndpointUrl, Lifetime};
use countersign_uma::protection::OwnerId;
use countersign_uma::{Notice, PersonId, Protection};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use self::attempt::Attempt;
use self::keys::{Current, Keys};
use self::lines::{Full, HOUR, Line, Lines, Place};
use crate::app::{Seams, Uma};

/// So many notices are on their way at a time.
const PLACES: usize = 16;

/// So many of them to one webhook, so that one that hangs leaves the others their places.
const PLACES_OF_ONE: usize = 4;

/// Where an owner is told.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Webhook {
    /// The endpoint.
    pub url: EndpointUrl,
    /// The owners who are told there; `None` stands for every owner without a webhook of their own.
    pub owners: Option<BTreeSet<OwnerId>>,
    /// The `aud` of what is sent there.
    pub audience: String,
    /// Whether it says who asks: their verified address, and who vouches for it.
    pub requesting_party: bool,
}

impl Webhook {
    /// An endpoint of these owners, or of everybody else. Its URL is the audience, and who asks is
    /// not said.
    #[must_use]
    pub fn new(url: EndpointUrl, owners: Option<BTreeSet<OwnerId>>) -> Self {
        let audience = url.to_string();
        Self { url, owners, audience, requesting_party: false }
    }
}

/// What the operator decides about webhooks.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WebhookSetup {
    /// Where owners are told.
    pub webhooks: Vec<Webhook>,
    /// The key that signs, and what is published of it and of others.
    pub keys: SigningRing,
    /// How long delivery is attempted; three days by default.
    pub lifetime: Lifetime,
    /// About how long to wait after the first failure. The pause doubles with each further one.
    pub first_pause: Duration,
    /// The longest pause between two attempts.
    pub longest_pause: Duration,
}

impl WebhookSetup {
    /// The defaults: a first pause of five seconds, pauses of at most an hour, and three days in
    /// all.
    #[must_use]
    pub const fn new(webhooks: Vec<Webhook>, keys: SigningRing) -> Self {
        Self {
            webhooks,
            keys,
            lifetime: LIFETIME,
            first_pause: Duration::from_secs(5),
            longest_pause: Duration::from_secs(3600),
        }
    }

    /// Whether it can be used: there is a key to sign with, no owner has two webhooks, and each
    /// pause is longer than zero and at most a day.
    ///
    /// # Errors
    /// [`WebhookError`].
    pub fn check(&self) -> Result<(), WebhookError> {
        Keys::of(self.keys.clone())?;
        let pauses = [self.first_pause, self.longest_pause];
        if pauses.iter().any(|pause| pause.is_zero() || *pause > LONGEST_PAUSE) {
            return Err(WebhookError::Pause);
        }
        let mut owners = BTreeSet::new();
        for (index, webhook) in self.webhooks.iter().enumerate() {
            let mut theirs: Vec<_> = webhook.owners.iter().flatten().map(Some).collect();
            if webhook.owners.is_none() {
                theirs.push(None);
            }
            if theirs.into_iter().any(|owner| !owners.insert(owner)) {
                return Err(WebhookError::Twice(index));
            }
        }
        Ok(())
    }
}

/// How long delivery is attempted, unless configured otherwise.
pub const LIFETIME: Lifetime = Lifetime::from_secs(3 * 86_400);

/// No pause is longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(86_400);

/// Why webhooks cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// There is no key to sign with.
    #[error("no key signs")]
    NoKey,
    /// A pause is zero, or longer than a day.
    #[error("a pause between attempts is none or longer than a day")]
    Pause,
    /// An owner has two, or there are two for everybody else: at the place of the second one.
    #[error("the owners of this webhook have another one")]
    Twice(usize),
    /// There are keys for webhooks, and no webhooks.
    #[error("there are no webhooks")]
    None,
}

/// What is told to whom.
pub(crate) struct Webhooks {
    setup: WebhookSetup,
    keys: Current,
    fetch: Arc<dyn Fetch>,
    notices: Notices<Notice>,
    lines: Lines,
    places: Semaphore,
    /// Those of each webhook, in the order of the setup.
    places_of: Vec<Semaphore>,
}

impl Webhooks {
    pub(crate) fn new(
        mut setup: WebhookSetup,
        fetch: Arc<dyn Fetch>,
        seams: &Seams,
        (an_hour, of_a_person): (u32, u32),
    ) -> Result<Self, WebhookError> {
        setup.check()?;
        Ok(Self {
            keys: Current::new(std::mem::take(&mut setup.keys))?,
            fetch,
            notices: Notices::new(Arc::clone(&seams.engine)),
            lines: Lines::new(an_hour, of_a_person),
            places: Semaphore::new(PLACES),
            places_of: setup.webhooks.iter().map(|_| Semaphore::new(PLACES_OF_ONE)).collect(),
            setup,
        })
    }

    /// Where this owner is told, if anywhere, and the places for it.
    fn of(&self, owner: &OwnerId) -> Option<(&Webhook, &Semaphore)> {
        let mut all = self.setup.webhooks.iter().zip(&self.places_of);
        let theirs = |hook: &Webhook| hook.owners.as_ref().is_some_and(|own| own.contains(owner));
        all.clone().find(|(hook, _)| theirs(hook)).or_else(|| all.find(|(h, _)| h.owners.is_none()))
    }

    pub(crate) fn serves(&self, owner: &OwnerId) -> bool {
        self.of(owner).is_some()
    }

    /// The keys of now.
    pub(crate) fn keys(&self) -> Arc<Keys> {
        self.keys.now()
    }

    /// For how long a notice is kept after its question is over: until its turn has come, so that
    /// its end is recorded like any other.
    pub(crate) fn kept_after(&self) -> Lifetime {
        // A pause is a day at most.
        let pause = u32::try_from(self.setup.longest_pause.as_secs()).unwrap_or_default();
        Lifetime::from_secs(HOUR.as_secs().saturating_add(pause))
    }

    /// Runs a change of a case to its end, whatever becomes of who asked for it, and has its owner
    /// told if that is what came of it.
    pub(crate) async fn follow<T: Send + 'static>(
        self: &Arc<Self>,
        protection: &Protection,
        person: PersonId,
        change: impl Future<Output = Result<(T, bool), StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (this, protection) = (Arc::clone(self), protection.clone());
        finish(async move {
            // After an error, or a panic, it may be there all the same.
            let to_add = this.lines.to_add((protection, person));
            let (outcome, tells) = change.await?;
            if !tells {
                to_add.withdraw();
            }
            Ok(outcome)
        })
        .await
    }

    /// About how long to wait after so many failures: between half of the pause and the whole of
    /// it, by a random number.
    fn pause(&self, failures: u32, random: [u8; 4]) -> Duration {
        let WebhookSetup { first_pause, longest_pause, .. } = self.setup;
        let doubled = first_pause.saturating_mul(1_u32.checked_shl(failures).unwrap_or(u32::MAX));
        let half = doubled.min(longest_pause) / 2;
        half + half.mul_f64(f64::from(u32::from_be_bytes(random)) / f64::from(u32::MAX))
    }
}

impl Uma {
    /// Signs what owners are told with these keys from now on, and publishes them; whether they are
    /// others than before. For rotation that no receiver notices, publish a key
    /// ([`SigningRing::with_next`]) before it signs, for longer than receivers keep the set (the
    /// answer allows five minutes), and the one before for as long as they may still have to verify
    /// it.
    ///
    /// # Errors
    /// [`WebhookError::NoKey`], [`WebhookError::None`]; the keys are as they were then.
    pub fn replace_webhook_keys(&self, keys: SigningRing) -> Result<bool, WebhookError> {
        self.webhooks.as_ref().ok_or(WebhookError::None)?.keys.replace(keys)
    }

    /// Tells owners what waits for them, at the webhooks of this server: what is left of before,
    /// and then whatever comes. Does not end; when it is dropped, what is on its way may or may not
    /// have arrived, and is told again after the next start. Without webhooks, nothing is ever
    /// told.
    pub async fn tell_owners(self: Arc<Self>) {
        let Some(webhooks) = self.webhooks.clone() else { return std::future::pending().await };
        let mut failures = 0;
        loop {
            let mut left = Vec::new();
            let place = |it: Notice| (it.at(), (it.protection().clone(), *it.person()));
            let now = self.seams.clock.now();
            match webhooks.notices.for_each(now, |notice| left.push(place(notice))).await {
                Ok(()) => break webhooks.lines.add_all(left),
                Err(error) => {
                    unreadable(&error);
                    sleep(webhooks.pause(failures, self.random_octets())).await;
                    failures += 1;
                }
            }
        }
        // They end with this value.
        let mut telling = JoinSet::new();
        loop {
            while let Some(line) = webhooks.lines.next() {
                telling.spawn(tell(Arc::clone(&self), Arc::clone(&webhooks), line));
            }
            let back = webhooks.lines.comes_back();
            tokio::select! {
                () = webhooks.lines.changed() => {}
                () = sleep_until(back.unwrap_or_else(Instant::now)), if back.is_some() => {}
                // Whoever panicked has been reported, and its line is free again.
                _ = telling.join_next(), if !telling.is_empty() => {}
            }
        }
    }

    fn random_octets(&self) -> [u8; 4] {
        let mut octets = [0; 4];
        self.seams.random.fill(&mut octets);
        octets
    }
}

fn unreadable(error: &StoreError) {
    let error = error as &dyn std::error::Error;
    tracing::error!(error, "it cannot be read what owners are to be told");
}

async fn acquire(places: Option<&Semaphore>) -> Option<SemaphorePermit<'_>> {
    // Nobody closes them.
    places?.acquire().await.ok()
}

/// Tells one owner what is in their line, until nothing is.
async fn tell(uma: Arc<Uma>, webhooks: Arc<Webhooks>, line: Line) {
    let mut failures = 0;
    while let Some(place) = webhooks.lines.take(&line) {
        // Its webhook's place first: who waits for that one holds none that another could use.
        let its = webhooks.of(&place.0.owner).map(|(_, places)| places);
        let permits = (acquire(its).await, acquire(Some(&webhooks.places)).await);
        let attempt = attempt_alone(&uma, &webhooks, &place).await;
        drop(permits);
        match attempt {
            Attempt::Told => failures = 0,
            Attempt::Over => {}
            Attempt::Failed { retry_after } => {
                // The others have their turn first.
                webhooks.lines.add(place);
                let asked = retry_after.unwrap_or_default().min(webhooks.setup.longest_pause);
                let pause = webhooks.pause(failures, uma.random_octets());
                sleep(pause.max(asked)).await;
                failures = failures.saturating_add(1);
            }
            Attempt::Full(Full::Owner(wait)) => {
                webhooks.lines.add(place);
                sleep(duration(wait)).await;
            }
            Attempt::Full(Full::Person(wait) | Full::Domain(wait)) => {
                webhooks.lines.set_aside(place, duration(wait))
            }
        }
    }
}

/// One attempt, in a task of its own: one that panics has failed like any other.
async fn attempt_alone(uma: &Arc<Uma>, webhooks: &Arc<Webhooks>, place: &Place) -> Attempt {
    let (uma, webhooks, place) = (Arc::clone(uma), Arc::clone(webhooks), place.clone());
    // It ends with this value.
    let mut alone = JoinSet::new();
    alone.spawn(async move { attempt::tell(&uma, &webhooks, &place).await });
    let failed = Attempt::Failed { retry_after: None };
    alone.join_next().await.and_then(Result::ok).unwrap_or(failed)
}

fn duration(lifetime: Lifetime) -> Duration {
    Duration::from_secs(lifetime.as_secs().into())
}
