//! What the resolvers share: a bounded cache that loads each thing once for all who wait.

use std::future::Future;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwapOption;
use countersign_types::{Clock, Lifetime, Timestamp};
use moka::policy::EvictionPolicy;

/// How long an outcome of loading counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// A value is used without asking again.
    pub(crate) fresh: Lifetime,
    /// A value is used for so much longer if loading it again fails.
    pub(crate) stale: Lifetime,
    /// A failure that is not temporary is remembered.
    pub(crate) negative: Lifetime,
    /// Between two attempts to replace a value that could still be used.
    pub(crate) retry: Lifetime,
}

/// What can go wrong while loading.
pub(crate) trait Failure: Clone {
    /// Whether it says nothing about the thing, so that it is not remembered.
    fn is_temporary(&self) -> bool;

    /// Whether the value there was before may still be used.
    fn keeps_old(&self) -> bool {
        self.is_temporary()
    }
}

/// How long outcomes count, and which values are one.
struct Rule<V> {
    clock: Arc<dyn Clock>,
    times: Times,
    same: fn(&V, &V) -> bool,
}

/// What was found is kept apart from what was only asked about: strangers choose what is asked, and
/// what they make up does not push out what is there.
pub(crate) struct Cache<K, V, E> {
    /// Slots that have had a value.
    found: Slots<K, V, E>,
    /// Slots that have not.
    asked: Slots<K, V, E>,
    rule: Rule<V>,
}

type Slots<K, V, E> = moka::sync::Cache<K, Arc<Slot<V, E>>>;

struct Slot<V, E> {
    state: Mutex<State<V, E>>,
    /// The state's value, for those who only look at it. Changed by whoever holds the state.
    latest: ArcSwapOption<Dated<V>>,
    /// Held by whoever loads.
    loading: tokio::sync::Mutex<()>,
}

/// A value, and when it was loaded.
type Dated<V> = (Arc<V>, Timestamp);

struct State<V, E> {
    value: Option<Dated<V>>,
    failure: Option<(E, Timestamp)>,
    /// When a fresh value was last replaced because it was not what was wanted.
    reloaded: Option<Timestamp>,
    /// How often loading has ended.
    loads: u64,
}

impl<K, V, E> Cache<K, V, E>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: Send + Sync + 'static,
    E: Failure + Send + Sync + 'static,
{
    pub(crate) fn new(capacity: u64, clock: Arc<dyn Clock>, times: Times) -> Self {
        let slots = || {
            let slots = moka::sync::Cache::builder().max_capacity(capacity);
            slots.eviction_policy(EvictionPolicy::lru()).build()
        };
        Self { found: slots(), asked: slots(), rule: Rule { clock, times, same: |_, _| false } }
    }

    /// A value that is loaded again and is the `same` stays the one there is, so that what rests on
    /// it by identity lasts.
    pub(crate) fn with_same(mut self, same: fn(&V, &V) -> bool) -> Self {
        self.rule.same = same;
        self
    }

    /// Whether `key` has had a value, and not too long ago for this cache to know.
    pub(crate) fn has_found(&self, key: &K) -> bool {
        self.found.contains_key(key)
    }

    /// The value of `key`, loaded if need be. A fresh value that is not `wanted` is loaded again,
    /// at a bounded rate; what is returned may still not be what was wanted.
    pub(crate) async fn get<L, F>(
        &self,
        key: &K,
        wanted: impl Fn(&V) -> bool,
        load: L,
    ) -> Result<Arc<V>, E>
    where
        L: FnOnce() -> F,
        F: Future<Output = Result<V, E>>,
    {
        let slot = self.slot(key);
        let note_found = || {
            // In this order, so that nobody finds it in neither place.
            self.found.insert(key.clone(), Arc::clone(&slot));
            self.asked.invalidate(key);
        };
        slot.get(&self.rule, wanted, load, note_found).await
    }

    fn slot(&self, key: &K) -> Arc<Slot<V, E>> {
        self.found.get(key).unwrap_or_else(|| {
            let slot = self.asked.get_with_by_ref(key, || Arc::new(Slot::empty()));
            self.found.get(key).unwrap_or(slot)
        })
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> u64 {
        self.found.run_pending_tasks();
        self.asked.run_pending_tasks();
        self.found.entry_count() + self.asked.entry_count()
    }
}

/// A cache of one thing that is known beforehand: nothing is looked up.
pub(crate) struct One<V, E> {
    slot: Slot<V, E>,
    rule: Rule<V>,
}

impl<V, E: Failure> One<V, E> {
    pub(crate) fn new(clock: Arc<dyn Clock>, times: Times, same: fn(&V, &V) -> bool) -> Self {
        Self { slot: Slot::empty(), rule: Rule { clock, times, same } }
    }

    /// As [`Cache::get`].
    pub(crate) async fn get<L, F>(&self, wanted: impl Fn(&V) -> bool, load: L) -> Result<Arc<V>, E>
    where
        L: FnOnce() -> F,
        F: Future<Output = Result<V, E>>,
    {
        self.slot.get(&self.rule, wanted, load, || ()).await
    }

    /// Whether there is a fresh value, and it is the one `meant`. Takes no lock.
    pub(crate) fn is_fresh(&self, now: Timestamp, meant: impl FnOnce(&Arc<V>) -> bool) -> bool {
        let latest = self.slot.latest.load();
        latest.as_deref().is_some_and(|(value, since)| {
            is_within(now, *since, self.rule.times.fresh) && meant(value)
        })
    }
}

impl<V, E> Slot<V, E> {
    fn empty() -> Self {
        let state = State { value: None, failure: None, reloaded: None, loads: 0 };
        let (state, latest) = (Mutex::new(state), ArcSwapOption::empty());
        Self { state, latest, loading: tokio::sync::Mutex::new(()) }
    }

    /// No code panics while it holds this lock, and every state in between is a valid one.
    fn state(&self) -> MutexGuard<'_, State<V, E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V, E: Failure> Slot<V, E> {
    /// The value, loaded if need be; whoever has loaded one notes that it was found.
    async fn get<L, F>(
        &self,
        rule: &Rule<V>,
        wanted: impl Fn(&V) -> bool,
        load: L,
        note_found: impl FnOnce(),
    ) -> Result<Arc<V>, E>
    where
        L: FnOnce() -> F,
        F: Future<Output = Result<V, E>>,
    {
        let now = rule.clock.now();
        let seen = {
            let state = self.state();
            let in_flight = || self.loading.try_lock().is_err();
            if let Some(answer) = state.answer(now, &rule.times, &wanted, in_flight) {
                return answer;
            }
            state.loads
        };
        // Boxed, so that whoever finds an answer does not carry the state of a loading along.
        Box::pin(self.load(rule, now, seen, wanted, load, note_found)).await
    }

    /// Loads the value, or waits for whoever does; `seen` is how often that had ended when nothing
    /// could be answered.
    async fn load<L, F>(
        &self,
        rule: &Rule<V>,
        now: Timestamp,
        seen: u64,
        wanted: impl Fn(&V) -> bool,
        load: L,
        note_found: impl FnOnce(),
    ) -> Result<Arc<V>, E>
    where
        L: FnOnce() -> F,
        F: Future<Output = Result<V, E>>,
    {
        let Rule { times, same, .. } = rule;
        let _loading = self.loading.lock().await;
        {
            let mut state = self.state();
            let answer = if state.loads == seen {
                // Whoever was loading has gone away; what this call came for may still be settled.
                state.answer(now, times, &wanted, || false)
            } else {
                // Someone loaded it while this call waited: what came of that is the answer.
                state.outcome(now, times)
            };
            if let Some(answer) = answer {
                return answer;
            }
            if state.fresh_value(now, times).is_some() {
                // Before loading, so that an abandoned attempt counts against the rate, too.
                state.reloaded = Some(now);
            }
        }
        let loaded = load().await;
        let is_found = loaded.is_ok();
        let outcome = {
            let mut state = self.state();
            let outcome = state.note(loaded, now, times, *same);
            self.latest.store(state.value.clone().map(Arc::new));
            outcome
        };
        if is_found {
            note_found();
        }
        outcome
    }
}

impl<V, E: Failure> State<V, E> {
    /// What can be answered without loading. Whether a load is in flight is asked only where it
    /// counts.
    fn answer(
        &self,
        now: Timestamp,
        times: &Times,
        wanted: impl Fn(&V) -> bool,
        in_flight: impl FnOnce() -> bool,
    ) -> Option<Result<Arc<V>, E>> {
        let recently = |at: Timestamp| is_within(now, at, times.retry);
        if let Some(value) = self.fresh_value(now, times) {
            // A load in flight may bring what is wanted: it is worth waiting for.
            let is_settled = || self.reloaded.is_some_and(recently) && !in_flight();
            return (wanted(&value) || is_settled()).then_some(Ok(value));
        }
        let (failure, at) = self.failure.as_ref()?;
        if let Some(value) = self.usable_value(now, times) {
            return recently(*at).then_some(Ok(value));
        }
        let is_remembered = !failure.is_temporary() && is_within(now, *at, times.negative);
        is_remembered.then(|| Err(failure.clone()))
    }

    /// What the last loading came to.
    fn outcome(&self, now: Timestamp, times: &Times) -> Option<Result<Arc<V>, E>> {
        let failure = self.failure.as_ref().map(|(failure, _)| Err(failure.clone()));
        self.usable_value(now, times).map(Ok).or(failure)
    }

    /// Notes what was loaded, and says what it comes to.
    fn note(
        &mut self,
        loaded: Result<V, E>,
        now: Timestamp,
        times: &Times,
        same: fn(&V, &V) -> bool,
    ) -> Result<Arc<V>, E> {
        self.loads = self.loads.wrapping_add(1);
        match loaded {
            Ok(value) => {
                let old = self.value.take().map(|(old, _)| old).filter(|old| same(old, &value));
                let value = old.unwrap_or_else(|| Arc::new(value));
                self.value = Some((Arc::clone(&value), now));
                self.failure = None;
                Ok(value)
            }
            Err(failure) => {
                if !failure.keeps_old() {
                    self.value = None;
                }
                self.failure = Some((failure.clone(), now));
                self.usable_value(now, times).ok_or(failure)
            }
        }
    }

    fn fresh_value(&self, now: Timestamp, times: &Times) -> Option<Arc<V>> {
        self.value_younger_than(now, times.fresh)
    }

    fn usable_value(&self, now: Timestamp, times: &Times) -> Option<Arc<V>> {
        let total = times.fresh.as_secs().saturating_add(times.stale.as_secs());
        self.value_younger_than(now, Lifetime::from_secs(total))
    }

    fn value_younger_than(&self, now: Timestamp, age: Lifetime) -> Option<Arc<V>> {
        let (value, since) = self.value.as_ref()?;
        is_within(now, *since, age).then(|| Arc::clone(value))
    }
}

/// Calls that wait for one another have read the clock up to so much earlier.
const WAIT: Lifetime = Lifetime::from_secs(60);

/// Whether `at` is no longer ago than `span`. A moment that is still to come says that the clock
/// was set back: nobody knows how long ago it was, so it counts as too long.
fn is_within(now: Timestamp, at: Timestamp, span: Lifetime) -> bool {
    now.since(at) < span && at.since(now) < WAIT
}
