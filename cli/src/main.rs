//! The stock binary: every role and command, with the kinds that ship.

use std::process::ExitCode;

/// Enqueues and attempts are many small allocations on several threads; with the system's allocator they cost a fifth more of a processor.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    longshore::app().main()
}
