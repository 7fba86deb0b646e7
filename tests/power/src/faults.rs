//! Has calls fail: each, one after the other, then some at random.

use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::mem::discriminant;

use crate::Plan;
use crate::check::{check, check_records};
use crate::disk::{self, Disk, Extent, Honesty};
use crate::load::{Chooser, act_alone, checkpoint, filling};
use crate::model::{Action, Client, Model};
use crate::random::Random;
use crate::record::{self, Act, Call};
use crate::shim::{BROKEN, Control, Fault, NO_SPACE, Place, emptied};
use crate::store::Store;

/// Violations after which no more are looked for.
const ENOUGH: usize = 20;

/// What became of all faults.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Calls that could fail in a run in which none did.
    pub(crate) calls: usize,
    /// Runs in which one failed.
    pub(crate) faults: u64,
    /// After how many of them the store had stopped writing.
    pub(crate) stopped: u64,
    /// After how many of them it did not open at first.
    pub(crate) unopened: u64,
    pub(crate) violations: Vec<String>,
}

/// A step of a run.
#[derive(Clone, Copy)]
enum Step {
    Act,
    /// Time passes: what expired goes.
    Wait,
    Checkpoint,
    Reopen,
}

fn steps() -> Vec<Step> {
    let mut steps = vec![Step::Act; 26];
    steps.insert(8, Step::Wait);
    steps.insert(13, Step::Checkpoint);
    steps.insert(20, Step::Reopen);
    steps.insert(24, Step::Wait);
    steps
}

const KINDS: &str = "wtcsdu";

fn fault(error: i32, nth: u64) -> Fault {
    let (lasts, extending, is_short) = (false, false, false);
    Fault { kinds: KINDS, name: "*", nth, error, lasts, extending, is_short }
}

/// All faults of one run that makes these calls: of each kind of call on each file those of the
/// first and of the last, and of all syncs of the directory; then the others in any order.
fn each(calls: &[Call], random: &mut Random) -> Vec<Fault> {
    let (mut first, mut others) = (Vec::new(), Vec::new());
    let site = |call: &Call| (discriminant(&call.act), call.name.clone());
    let last: HashMap<_, u64> = calls.iter().map(site).zip(1..).collect();
    let mut seen = HashSet::new();
    for (nth, call) in (1..).zip(calls) {
        let is_first = seen.insert(site(call))
            || last.get(&site(call)) == Some(&nth)
            || matches!(call.act, Act::SyncDirectory);
        let once = [fault(BROKEN, nth), fault(NO_SPACE, nth)];
        if is_first { &mut first } else { &mut others }.extend(once);
        if matches!(call.act, Act::Write { .. }) {
            others.push(Fault { is_short: true, ..fault(NO_SPACE, nth) });
        }
        others.push(Fault { lasts: true, extending: true, kinds: "wtc", ..fault(NO_SPACE, nth) });
    }
    random.shuffle(&mut others);
    first.extend(others);
    first
}

/// Does the same to a store again and again, each time with another fault.
pub(crate) async fn run(place: &Place, plan: &Plan) -> Result<Report, Box<dyn Error>> {
    let control = Control::new(place)?;
    let mut random = Random::new(plan.seed);
    let mut report = Report::default();
    let mut seed = plan.seed;
    while report.faults < plan.faults && report.violations.len() < ENOUGH {
        let calls = Run::new(place, &control, seed, None)?.go().await?.calls;
        report.calls = calls.len();
        for fault in each(&calls, &mut random) {
            if report.faults >= plan.faults {
                break;
            }
            let run = Run::new(place, &control, seed, Some(fault))?.go().await?;
            // Some faults are of calls that this run does not make.
            report.faults += u64::from(run.has_failed);
            report.stopped += u64::from(run.has_stopped);
            report.unopened += u64::from(run.was_unopened);
            let violations = run.violations.into_iter();
            report.violations.extend(violations.map(|it| format!("seed {seed}, {fault:?}: {it}")));
            if report.violations.len() >= ENOUGH {
                break;
            }
        }
        seed += 1;
    }
    Ok(report)
}

/// The same where the store moves a log that is full into the database.
pub(crate) async fn run_filled(place: &Place, plan: &Plan) -> Result<Report, Box<dyn Error>> {
    let control = Control::new(place)?;
    let mut report = Report::default();
    let of_database = |kinds, error, lasts| {
        let (name, nth, extending, is_short) = ("store.db", 1, lasts, false);
        Fault { kinds, name, nth, error, lasts, extending, is_short }
    };
    let of_index = Fault { name: "-shm", ..of_database("w", NO_SPACE, true) };
    let faults = [
        of_database("w", BROKEN, false),
        of_database("s", BROKEN, false),
        of_database("w", NO_SPACE, true),
        Fault { name: "-wal", ..of_database("t", BROKEN, false) },
        of_index,
    ];
    for fault in faults.into_iter().take(plan.filled_faults) {
        let mut run = Run::new(place, &control, plan.seed, Some(fault))?;
        run.fill().await?;
        let run = run.end().await?;
        report.calls = run.calls.len();
        report.faults += u64::from(run.has_failed);
        report.stopped += u64::from(run.has_stopped);
        let violations = run.violations.into_iter();
        report.violations.extend(violations.map(|it| format!("log filled, {fault:?}: {it}")));
    }
    Ok(report)
}

/// One store, one client, one fault.
struct Run<'a> {
    place: &'a Place,
    control: &'a Control,
    fault: Option<Fault>,
    store: Option<Store>,
    client: Client,
    chooser: Chooser,
    seed: u64,
    /// All that could fail, once it is over.
    calls: Vec<Call>,
    /// Octets of the record.
    read: u64,
    has_failed: bool,
    has_stopped: bool,
    was_unopened: bool,
    violations: Vec<String>,
}

impl<'a> Run<'a> {
    fn new(
        place: &'a Place,
        control: &'a Control,
        seed: u64,
        fault: Option<Fault>,
    ) -> std::io::Result<Self> {
        place.begin()?;
        control.record(&place.record())?;
        let client = Client::default();
        let chooser = Chooser::new(seed, &client);
        Ok(Self {
            place,
            control,
            fault,
            store: None,
            client,
            chooser,
            seed,
            calls: Vec::new(),
            read: 0,
            has_failed: false,
            has_stopped: false,
            was_unopened: false,
            violations: Vec::new(),
        })
    }

    async fn go(mut self) -> Result<Self, Box<dyn Error>> {
        if let Some(fault) = &self.fault {
            self.control.arm(fault)?;
        }
        self.open()?;
        for step in steps() {
            match step {
                Step::Act => {
                    let action = self.chooser.choose(&self.client);
                    self.act(action).await?;
                }
                Step::Wait => {
                    if let Some(store) = &self.store {
                        store.clock.advance();
                    }
                }
                Step::Checkpoint => {
                    let moved = checkpoint(&self.place.disk());
                    let has_failed = !self.failed()?.is_empty();
                    if moved.is_err() && !has_failed {
                        self.violation(format!("a checkpoint failed, without a fault: {moved:?}"));
                    }
                    if has_failed {
                        self.control.heal()?;
                    }
                }
                Step::Reopen => self.reopen()?,
            }
        }
        self.end().await
    }

    /// Fills the log with a fault before the store moves it into the database.
    async fn fill(&mut self) -> Result<(), Box<dyn Error>> {
        self.open()?;
        for _ in 0..8 {
            let action = self.chooser.choose(&self.client);
            self.act(action).await?;
        }
        if let Some(fault) = &self.fault {
            self.control.arm(fault)?;
        }
        for action in filling() {
            self.act(action).await?;
        }
        for _ in 0..16 {
            let action = self.chooser.choose(&self.client);
            self.act(action).await?;
        }
        Ok(())
    }

    fn violation(&mut self, violation: impl Into<String>) {
        self.violations.push(violation.into());
    }

    /// The calls that failed since this was asked last.
    fn failed(&mut self) -> std::io::Result<Vec<Call>> {
        let calls = record::read_on(&self.place.record(), &mut self.read)?;
        let failed: Vec<Call> = calls.into_iter().filter(|call| call.error.is_some()).collect();
        self.has_failed |= !failed.is_empty();
        Ok(failed)
    }

    fn open(&mut self) -> Result<(), Box<dyn Error>> {
        match Store::open(&self.place.disk()) {
            Ok(store) => self.store = Some(store),
            Err(error) => {
                if self.failed()?.is_empty() {
                    self.violation(format!("it did not open, without a fault: {error}"));
                }
                self.was_unopened = true;
                self.control.heal()?;
                self.store = Some(Store::open(&self.place.disk())?);
            }
        }
        Ok(())
    }

    fn reopen(&mut self) -> Result<(), Box<dyn Error>> {
        self.store = None;
        // Whether an end was an orderly one is not known where calls fail.
        self.client.killed();
        self.failed()?;
        self.open()
    }

    async fn act(&mut self, action: Action) -> Result<(), Box<dyn Error>> {
        let is_done = self.try_to(action).await;
        let failed = self.failed()?;
        let log_unsynced =
            failed.iter().any(|call| matches!(call.act, Act::Sync) && call.name.ends_with("-wal"));
        if is_done {
            // It may have been a commit besides this one that failed: what comes now comes after
            // it.
            if log_unsynced {
                let next = self.chooser.choose_change();
                if self.try_to(next).await {
                    self.violation("writing went on after a sync of the log that failed");
                }
                self.restart().await?;
            }
            return Ok(());
        }
        let has_stopped = self.store.as_ref().is_some_and(|store| store.engine.has_stopped());
        let Some(last) = failed.last() else {
            if !has_stopped || !self.has_failed {
                self.violation(format!("{action:?} failed, without a fault"));
            }
            return self.restart().await;
        };
        let is_full =
            last.error == Some(NO_SPACE) && !last.is_sync() && !last.name.ends_with("-shm");
        self.compare().await;
        if !is_full {
            if !has_stopped {
                self.violation(format!("{last:?} failed, and writing goes on"));
            }
            let next = self.chooser.choose_change();
            if self.try_to(next).await {
                self.violation(format!("a change went well after {last:?} failed"));
            }
            self.compare().await;
            return self.restart().await;
        }
        if has_stopped {
            self.violation("a full disk ended writing");
            return self.restart().await;
        }
        // While it is full, whatever is answered is so.
        for _ in 0..3 {
            let next = self.chooser.choose(&self.client);
            self.try_to(next).await;
            self.compare().await;
        }
        self.control.heal()?;
        let next = self.chooser.choose_change();
        if !self.try_to(next).await {
            self.violation("there is space again, and a change failed");
        }
        Ok(())
    }

    async fn try_to(&mut self, action: Action) -> bool {
        let Some(store) = &self.store else { return false };
        act_alone(store, &mut self.client, action).await.unwrap_or_else(|surprise| {
            self.violations.push(surprise);
            true
        })
    }

    /// Reading goes on, whatever became of writing.
    async fn compare(&mut self) {
        let model = self.model();
        if let Some(store) = &self.store
            && let Err(violation) = check_records(store, &model).await
        {
            self.violation(format!("read after a failure: {violation}"));
        }
    }

    /// After writing ended.
    async fn restart(&mut self) -> Result<(), Box<dyn Error>> {
        self.has_stopped = true;
        self.control.heal()?;
        self.reopen()?;
        self.compare().await;
        Ok(())
    }

    fn model(&self) -> Model {
        Model { clients: [(0, self.client.clone())].into(), surprises: Vec::new() }
    }

    /// Looks at what is there: as the files are, and as they are after a power cut, before the
    /// store was closed and after that.
    async fn end(mut self) -> Result<Self, Box<dyn Error>> {
        let before = record::read(&self.place.record())?;
        let may_before = self.model();
        self.control.heal()?;
        self.store = None;
        self.client.killed();
        self.control.record_no_more()?;
        let all = record::read(&self.place.record())?;
        self.has_failed |= all.iter().any(|call| call.error.is_some());

        let mut random = Random::new(self.seed);
        for (what, calls, model, extent) in [
            ("in use", &before, may_before, Extent::Nothing),
            ("closed", &all, self.model(), Extent::Nothing),
            ("closed", &all, self.model(), Extent::Some(random.next())),
        ] {
            let mut disk = Disk::new(Honesty::Honest);
            calls.iter().for_each(|call| disk.apply(call));
            emptied(&self.place.cut())?;
            disk::write(&disk.after_a_cut(extent), &self.place.cut(), &mut random)?;
            if let Err(violation) = check(&self.place.cut(), &model).await {
                self.violation(format!("{what}, then a power cut, {extent:?}: {violation}"));
            }
        }
        let model = self.model();
        if let Err(violation) = check(&self.place.disk(), &model).await {
            self.violation(format!("opened again: {violation}"));
        }
        self.calls = all.into_iter().filter(Call::has_effect).collect();
        Ok(self)
    }
}
