//! `cargo xtask`: the project's own tools, one sub-command each.
//!
//! Owns the dispatch only; each tool lives in the module of its name. Tools read the checkout and
//! run the built binary as a user would. They must not link any crate of the workspace, so that a
//! broken engine can still be examined.

mod bench;
mod binary;
mod checkout;
mod documents;
mod fuzz;
mod golden;
mod soak;
mod tidy;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask <tool>

  tidy [--bless]    check the house rules; --bless rewrites the hash in docs/format.md
  bench [options]   measure Mainstay beside its peers (--help lists the options)
  fuzz [options]    feed every decoder to libFuzzer (--help lists the options)
  golden [--check]  write tests/golden/v<FORMAT> with the built binary, or restore every one
  docs [--check]    write docs/reference/cli.md and run the documents' shell blocks
  soak [options]    run the gates of reliability in their long form (--help lists the options)
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let tool = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    let outcome = match tool.as_str() {
        "tidy" => tidy::run(&rest),
        "bench" => bench::run(&rest),
        "fuzz" => fuzz::run(&rest),
        "golden" => golden::run(&rest),
        "docs" => documents::run(&rest),
        "soak" => soak::run(&rest),
        "help" | "--help" | "-h" => {
            print!("{USAGE}");
            Ok(())
        }
        _ => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{}", message.trim_end());
            ExitCode::FAILURE
        }
    }
}
