//! The command `ortc`.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod failed;
mod log;
mod serve;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// WebRTC in rooms, without SDP: a server, and what calls it.
#[derive(Debug, Parser)]
#[command(name = "ortc", version, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves page, signalling, REST and metrics
    Serve(serve::Serve),
    /// Prints what a shell completes the command by
    Completions {
        /// For which shell
        shell: clap_complete::Shell,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    log::install();
    let done = match arguments.command {
        Command::Serve(serve) => serve.run(),
        Command::Completions { shell } => {
            let mut command = Arguments::command();
            clap_complete::generate(shell, &mut command, "ortc", &mut std::io::stdout());
            Ok(())
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ortc: {error}");
            ExitCode::FAILURE
        }
    }
}
