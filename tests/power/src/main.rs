//! Cuts the power of a store at every write, and has its disk be full or fail at every call.

use std::process::ExitCode;

#[cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    countersign_power_tests::main().await
}

#[cfg(not(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64")))]
fn main() -> ExitCode {
    use std::io::Write as _;
    // Nothing is left to be done if standard output is gone.
    drop(writeln!(std::io::stdout(), "skipped: a program's calls are seen on Linux (glibc) alone"));
    ExitCode::SUCCESS
}
