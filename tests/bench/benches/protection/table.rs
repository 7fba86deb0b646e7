//! The result: what is printed, and the table of the README.

use std::fmt;

use countersign_bench_tests::machine;

use crate::LayerCost;
use crate::proxy::Shares;

const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../crates/resource/README.md");
const BEGIN: &str = "<!-- measured: begin -->\n";
const END: &str = "<!-- measured: end -->\n";

/// The layer may add so much to a request with a token that was seen before, in microseconds.
const WARM: f64 = 15.0;
/// And so many times the bare verification to one with a token that nobody has seen.
const COLD: f64 = 1.15;
/// The proxy has to make so much of the bare one's rate.
const SHARE: f64 = 0.85;

/// Everything that was measured.
pub(crate) struct Measured {
    pub(crate) layer: LayerCost,
    pub(crate) proxy: Shares,
}

impl Measured {
    /// What, beside what, how it came out, the goal, and whether it is met.
    fn rows(&self) -> [(String, String, String, String, bool); 3] {
        let Self { layer, proxy } = self;
        let us = |duration: std::time::Duration| duration.as_secs_f64() * 1e6;
        [
            (
                "the layer, token seen before".to_owned(),
                format!("bare handler {:.1} µs", us(layer.bare)),
                format!("{:.1} µs more", us(layer.warm)),
                format!("less than {WARM} µs more"),
                us(layer.warm) < WARM,
            ),
            (
                "the layer, token never seen".to_owned(),
                format!("bare verification {:.1} µs", us(layer.verification)),
                format!("{:.3} x", layer.cold),
                format!("less than {COLD} x"),
                layer.cold < COLD,
            ),
            (
                "the proxy, tokens seen before".to_owned(),
                format!("bare proxy {:.0} a second", proxy.bare),
                format!(
                    "{:.0} a second, {:.0} % (by processor time {:.0} %)",
                    proxy.ours,
                    proxy.share * 100.0,
                    proxy.by_processor * 100.0
                ),
                format!("at least {:.0} %", SHARE * 100.0),
                proxy.share >= SHARE,
            ),
        ]
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, beside, came_out, goal, met) in self.rows() {
            let verdict = if met { "met" } else { "not met" };
            writeln!(f, "{what}: {came_out}; {beside}; goal {goal}: {verdict}")?;
        }
        Ok(())
    }
}

/// Puts the table between the marks of the README.
pub(crate) fn write(measured: &Measured) {
    let mut table = format!("Measured on {}.\n\n", machine());
    table.push_str("| | beside | cost | goal |\n|---|---|---|---|\n");
    for (what, beside, came_out, goal, met) in measured.rows() {
        let verdict = if met { "met" } else { "not met" };
        table.push_str(&format!("| {what} | {beside} | {came_out} | {goal}: {verdict} |\n"));
    }
    let text = std::fs::read_to_string(README).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    std::fs::write(README, format!("{before}{BEGIN}\n{table}\n{END}{after}")).unwrap();
}
