//! The program `firstlight`; everything is in the library.

use std::process::ExitCode;

use firstlight::endpoints::exec;

fn main() -> ExitCode {
    // The guard of an `exec` source is this program again; it must be as small as can be, so it comes before all else.
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some(exec::GUARD_ARGUMENT) {
        return exec::run_guard(&arguments.next().unwrap_or_default());
    }
    firstlight::cli::main()
}
