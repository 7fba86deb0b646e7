//! Measures whether the time of an answer tells who is known, and how much of a secret is right.
//!
//! ```sh
//! cargo run -rp countersign-timing-tests
//! ```
//!
//! What is measured is processor time, of classes of questions that take turns by chance, so that
//! other work of the machine is in neither. First the judges are shown leaks that were made for
//! them, and the program ends if they do not see those.

#![allow(clippy::print_stdout, reason = "a measurement says what it found")]

mod provider;
mod secrets;
mod statistics;
mod work;

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;

use crate::provider::Provider;
use crate::secrets::{ALL, LEAKY};
use crate::work::Samples;

type Failure = Box<dyn Error + Send + Sync>;

/// How far apart medians may be.
const APART: f64 = 0.02;
/// How well the best threshold may tell the classes apart.
const AREA: f64 = 0.55;
/// How large Welch's t may be.
const T: f64 = 4.5;
/// The leak that the judges are shown: so much more work for somebody than for nobody.
const LEAK: f64 = 0.04;

/// Measures whether the time of an answer tells who is known, and how much of a secret is right.
#[derive(Parser)]
struct Arguments {
    /// How many answers of each class are compared.
    #[arg(long, default_value_t = 2000)]
    samples: usize,
    /// How many comparisons of secrets are made.
    #[arg(long, default_value_t = 1_000_000)]
    comparisons: usize,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("{error}");
            ExitCode::from(2)
        }
    }
}

/// Whether everything stayed within its bounds.
async fn run(arguments: &Arguments) -> Result<bool, Failure> {
    let Arguments { samples, comparisons } = *arguments;
    println!("Leaks that have to be found:");
    let few = samples.min(400);
    let provider = Provider::start(few).await?;
    let leak = answers("people, 4 % more work for somebody", &provider.people(few, LEAK).await?);
    provider.stop().await;
    let stops = comparison(LEAKY.name, &LEAKY.samples(comparisons.min(200_000))?);
    if leak || stops {
        return Err("a leak was not found: what is measured here says nothing".into());
    }
    println!("\nWhat answers and compares:");
    let provider = Provider::start(samples).await?;
    let mut holds =
        answers("people: wrong password, nobody", &provider.people(samples, 0.0).await?);
    holds &= answers("clients: wrong secret, none", &provider.clients(samples).await?);
    provider.stop().await;
    for secret in ALL {
        holds &= comparison(secret.name, &secret.samples(comparisons)?);
    }
    Ok(holds)
}

/// H13: whether answers about somebody and about nobody cannot be told apart.
fn answers(what: &str, Samples { one, other }: &Samples) -> bool {
    let (apart, area) = (statistics::apart(one, other), statistics::area_under_curve(one, other));
    let holds = apart <= APART && area < AREA;
    println!(
        "  {what:<44}{:>6} + {:<6} medians {:>8.1} and {:>8.1} µs, {:>5.2} % apart, AUC {area:.3}  {}",
        one.len(),
        other.len(),
        statistics::median(one) / 1e3,
        statistics::median(other) / 1e3,
        apart * 100.0,
        verdict(holds),
    );
    holds
}

/// H14: whether the first character that is wrong cannot be told from the last.
fn comparison(what: &str, Samples { one, other }: &Samples) -> bool {
    let (one, other) = statistics::cropped(one, other);
    let t = statistics::welch(&one, &other);
    let holds = t.abs() < T;
    println!(
        "  {what:<44}{:>6} + {:<6} samples of {} comparisons, t = {t:>7.2}{:>24}{}",
        one.len(),
        other.len(),
        secrets::BATCH,
        "",
        verdict(holds),
    );
    holds
}

const fn verdict(holds: bool) -> &'static str {
    if holds { "not told apart" } else { "TOLD APART" }
}
