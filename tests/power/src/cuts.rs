//! Cuts the power at every write.

use std::collections::BTreeMap;
use std::error::Error;
use std::os::unix::process::ExitStatusExt as _;

use crate::Plan;
use crate::check::check;
use crate::disk::{self, Disk, Extent, Honesty};
use crate::load::Phase;
use crate::model::Model;
use crate::random::Random;
use crate::record::{self, Act, Call};
use crate::shim::{Place, emptied};

/// Processes one after the other; all but the last are killed.
const PHASES: u64 = 6;

/// Rounds of actions of each.
const ROUNDS: u64 = 6;

/// Violations after which no more are looked for.
const ENOUGH: usize = 20;

const SIGKILL: i32 = 9;

/// What became of all cuts.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) calls: usize,
    pub(crate) syncs: usize,
    /// How often the log was begun anew where it was.
    pub(crate) wraps: usize,
    pub(crate) cuts: usize,
    pub(crate) violations: Vec<String>,
}

/// A cut before the call of this number.
type Cuts = BTreeMap<usize, Vec<Extent>>;

/// Has processes write to a store and be killed, and cuts the power so many times within.
pub(crate) async fn run(place: &Place, plan: &Plan) -> Result<Report, Box<dyn Error>> {
    place.begin()?;
    let mut random = Random::new(plan.seed);
    for phase in 0..PHASES {
        let dies = phase + 1 < PHASES;
        work(place, Phase { seed: random.next(), rounds: ROUNDS, dies })?;
    }
    let calls = whole(place)?;
    let cuts = chosen(&calls, 0, plan.cuts, &mut random);
    cut(place, &calls, &cuts, plan.disk).await
}

/// The same around the moment when the log is full.
pub(crate) async fn run_filled(place: &Place, plan: &Plan) -> Result<Report, Box<dyn Error>> {
    place.begin()?;
    let mut filler = place.program()?;
    filler.args(["fill", "--seed", &plan.seed.to_string()]).arg(place.root());
    if !filler.status()?.success() {
        return Err("the process that fills the log failed".into());
    }
    let calls = whole(place)?;
    // Where the store moves it into the database: behind the opening, nothing else writes there.
    let first = calls.iter().rposition(|call| call.name.ends_with("-wal") && is_long(call));
    let first = first.ok_or("the log was not filled")?;
    let cuts = chosen(&calls, first, plan.filled_cuts, &mut Random::new(plan.seed));
    cut(place, &calls, &cuts, plan.disk).await
}

/// Whether a call writes behind what the store moves at a time.
fn is_long(call: &Call) -> bool {
    matches!(call.act, Act::Write { at, .. } if at > 64 * 1024 * 1024)
}

/// A process that does its part and is killed, or ends.
fn work(place: &Place, phase: Phase) -> Result<(), Box<dyn Error>> {
    let mut worker = place.program()?;
    worker.args(["work", "--seed", &phase.seed.to_string()]);
    worker.args(["--rounds", &phase.rounds.to_string()]).arg(place.root());
    if phase.dies {
        worker.arg("--dies");
    }
    let status = worker.status()?;
    if status.success() || (phase.dies && status.signal() == Some(SIGKILL)) {
        return Ok(());
    }
    Err(format!("a process that writes to the store ended with {status}").into())
}

/// The record, if it has all that was done.
fn whole(place: &Place) -> Result<Vec<Call>, Box<dyn Error>> {
    let calls = record::read(&place.record())?;
    let mut disk = Disk::new(Honesty::Honest);
    calls.iter().for_each(|call| disk.apply(call));
    if disk.is_what_is_seen(&place.disk())? {
        return Ok(calls);
    }
    Err("the record is not all that was done: the store makes calls that the shim does not see"
        .into())
}

/// So many cuts: both sides of each sync, or of some; then anywhere.
fn chosen(calls: &[Call], first: usize, most: usize, random: &mut Random) -> Cuts {
    // A cut before a call is one behind all marks that stand before it.
    let mut points: Vec<usize> =
        (first..calls.len()).filter(|at| calls.get(*at).is_some_and(Call::has_effect)).collect();
    points.push(calls.len());
    let is_sync = |at: usize| calls.get(at).is_some_and(Call::is_sync);
    let mut sides = Vec::new();
    for pair in points.windows(2) {
        if let [before, behind] = pair
            && is_sync(*before)
        {
            sides.extend([*before, *behind]);
        }
    }
    random.shuffle(&mut sides);
    let after_kills = after_kills(calls, first);
    sides.truncate((most * 2 / 3).saturating_sub(after_kills.len()));
    let mut cuts = Cuts::new();
    let extents = |number: usize, seed: u64| match number % 4 {
        0 => Extent::Nothing,
        1 => Extent::Torn(seed),
        2 => Extent::Some(seed),
        _ if seed.is_multiple_of(4) => Extent::Everything,
        _ => Extent::Some(seed),
    };
    let anywhere = most.saturating_sub(sides.len() + after_kills.len());
    for at in after_kills {
        cuts.entry(at).or_default().push(Extent::Nothing);
    }
    for (number, at) in sides.into_iter().enumerate() {
        cuts.entry(at).or_default().push(extents(number, random.next()));
    }
    for number in 0..anywhere {
        let at = random.one_of(&points).copied().unwrap_or(first);
        cuts.entry(at).or_default().push(extents(number, random.next()));
    }
    cuts
}

/// Where the next process of one that was killed has read what it found, and written nothing.
fn after_kills(calls: &[Call], first: usize) -> Vec<usize> {
    let mut found = Vec::new();
    let (mut was_killed, mut has_read) = (false, false);
    for (at, call) in calls.iter().enumerate().skip(first) {
        match &call.act {
            Act::Mark(mark) if mark.starts_with("killed") => (was_killed, has_read) = (true, false),
            Act::Mark(mark) => has_read |= was_killed && mark.starts_with("hears"),
            _ if has_read && !call.name.ends_with("-shm") => {
                found.push(at);
                (was_killed, has_read) = (false, false);
            }
            _ => {}
        }
    }
    found
}

async fn cut(
    place: &Place,
    calls: &[Call],
    cuts: &Cuts,
    honesty: Honesty,
) -> Result<Report, Box<dyn Error>> {
    let (mut disk, mut model) = (Disk::new(honesty), Model::default());
    let mut report = Report { calls: calls.len(), ..Report::default() };
    let mut log = None;
    for at in 0..=calls.len() {
        for extent in cuts.get(&at).into_iter().flatten() {
            report.cuts += 1;
            let after = disk.after_a_cut(*extent);
            emptied(&place.cut())?;
            disk::write(&after, &place.cut(), &mut Random::new(at as u64))?;
            if let Err(violation) = check(&place.cut(), &model).await {
                report.violations.push(format!("cut before call {at}, {extent:?}: {violation}"));
            }
        }
        let Some(call) = calls.get(at) else { continue };
        if report.violations.len() >= ENOUGH {
            break;
        }
        disk.apply(call);
        report.syncs += usize::from(call.is_sync());
        match &call.act {
            Act::Mark(mark) => model.mark(mark),
            Act::Write { at: 0, .. } if call.name.ends_with("-wal") => {
                report.wraps += usize::from(log.replace(call.inode) == Some(call.inode));
            }
            _ => {}
        }
    }
    report.violations.append(&mut model.surprises);
    Ok(report)
}
