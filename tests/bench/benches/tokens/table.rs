//! The result: a line each, and the table of the README.

use std::fmt;
use std::time::Duration;

use countersign_bench_tests::machine;
use countersign_jwt::Algorithm;

const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../crates/jwt/README.md");
const BEGIN: &str = "<!-- measured: begin -->\n";
const END: &str = "<!-- measured: end -->\n";

/// One operation with one algorithm, by all of them.
pub(crate) struct Row {
    pub(crate) algorithm: Algorithm,
    pub(crate) signing: bool,
    /// The bare operation.
    pub(crate) raw: Duration,
    /// This crate, as a multiple of it.
    pub(crate) ours: f64,
    /// josekit and jsonwebtoken, likewise, where they know the algorithm.
    pub(crate) others: [Option<f64>; 2],
}

impl Row {
    fn operation(&self) -> &'static str {
        if self.signing { "sign" } else { "verify" }
    }

    /// Its cells: what, the bare operation, this crate, the others.
    fn cells(&self) -> [String; 5] {
        let [josekit, jsonwebtoken] = self.others.map(times);
        [
            format!("{} {}", self.algorithm, self.operation()),
            format!("{:.1} µs", self.raw.as_secs_f64() * 1e6),
            times(Some(self.ours)),
            josekit,
            jsonwebtoken,
        ]
    }
}

fn times(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2} x"))
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [what, raw, ours, josekit, jsonwebtoken] = self.cells();
        write!(f, "{what:<16} raw {raw:>10}  this crate {ours:>7}  josekit {josekit:>8}  ")?;
        write!(f, "jsonwebtoken {jsonwebtoken:>8}")
    }
}

/// A promise about one operation.
pub(crate) struct Goal {
    pub(crate) algorithm: Algorithm,
    pub(crate) signing: bool,
    pub(crate) at_most: f64,
}

impl Goal {
    /// Whether it is kept.
    pub(crate) fn judge(&self, rows: &[Row]) -> String {
        let row =
            rows.iter().find(|row| row.algorithm == self.algorithm && row.signing == self.signing);
        let row = row.unwrap();
        let verdict = if row.ours <= self.at_most { "met" } else { "not met" };
        let what = format!("{} {}", self.algorithm, row.operation());
        format!("{what}: {:.3} x, goal at most {:.2} x: {verdict}", row.ours, self.at_most)
    }
}

/// Puts the table between the marks of the README.
pub(crate) fn write(rows: &[Row], refused: &[(&'static str, f64)]) {
    let mut table = format!("Measured on {}.\n\n", machine());
    table.push_str("| | aws-lc-rs alone | this crate | josekit | jsonwebtoken |\n");
    table.push_str("|---|---|---|---|---|\n");
    for row in rows {
        table.push_str(&format!("| {} |\n", row.cells().join(" | ")));
    }
    table.push_str(
        "\n| a token that is refused (ES256) | beside one that is accepted |\n|---|---|\n",
    );
    for (name, ratio) in refused {
        table.push_str(&format!("| {name} | {ratio:.2} x |\n"));
    }
    let text = std::fs::read_to_string(README).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    std::fs::write(README, format!("{before}{BEGIN}\n{table}\n{END}{after}")).unwrap();
}
