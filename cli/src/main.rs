//! The command `ortc`.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod bundle;
mod call;
mod clock;
mod code;
mod defaults;
mod doctor;
mod failed;
mod http;
mod lan;
mod load;
mod log;
mod media;
mod meeting;
mod pin;
mod pipe;
mod plot;
mod progress;
mod qr;
mod reach;
mod record;
mod recv;
mod report;
mod ring;
mod room;
mod scrub;
mod send;
mod serve;
mod stats;
mod zip;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use failed::Failed;

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
    Call(call::Call),
    Room(room::RoomCommand),
    Record(record::Record),
    Stats(stats::Stats),
    LoadTest(Box<load::LoadTest>),
    Send(send::Send),
    Recv(recv::Recv),
    Doctor(doctor::Doctor),
    /// Prints what a shell completes the command by
    Completions {
        /// For which shell
        shell: clap_complete::Shell,
    },
    /// Writes the manual into a folder, a page for each command
    Man {
        /// The folder, for instance ~/.local/share/man/man1
        folder: std::path::PathBuf,
    },
}

fn main() -> ExitCode {
    let arguments = match read() {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("ortc: {error}");
            return ExitCode::from(2);
        }
    };
    log::install();
    let done = match arguments.command {
        Command::Serve(serve) => serve.run(),
        Command::Call(call) => wait_for(call.run()),
        Command::Room(room) => wait_for(room.run()),
        Command::Record(record) => wait_for(record.run()),
        Command::Stats(stats) => wait_for(stats.run()),
        Command::LoadTest(test) => wait_for(test.run()),
        Command::Send(send) => wait_for(send.run()),
        Command::Recv(recv) => wait_for(recv.run()),
        Command::Doctor(doctor) => wait_for(doctor.run()),
        Command::Completions { shell } => {
            let mut command = Arguments::command();
            clap_complete::generate(shell, &mut command, "ortc", &mut std::io::stdout());
            Ok(())
        }
        Command::Man { folder } => manual(&folder),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ortc: {error}");
            code(&error)
        }
    }
}

/// What was typed, above what the user's file says.
fn read() -> Result<Arguments, Failed> {
    let command = defaults::applied(Arguments::command())?;
    let matches = command.get_matches();
    Ok(Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit()))
}

fn manual(folder: &std::path::Path) -> Result<(), Failed> {
    std::fs::create_dir_all(folder)?;
    clap_mangen::generate_to(Arguments::command(), folder)?;
    Ok(())
}

fn wait_for(command: impl Future<Output = Result<(), Failed>>) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let done = runtime.block_on(async {
        let done = command.await;
        // A session that ended says so to the server; that goes out by a task of its own.
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        done
    });
    // Standard input may be read for ever.
    runtime.shutdown_background();
    done
}

/// 1, but 3 if the server refused, and 4 if it was not reached; 2 is clap's, of wrong usage. Some
/// failures have a code of their own.
fn code(error: &Failed) -> ExitCode {
    use ortc_rooms::session::Error;
    if let Some(exit) = error.downcast_ref::<failed::Exit>() {
        return exit.code();
    }
    use ortc_rooms::signalling::SignalError;
    match error.downcast_ref::<Error>() {
        Some(Error::Refused { .. } | Error::Signal(SignalError::Refused(_))) => ExitCode::from(3),
        Some(Error::Signal(_)) => {
            eprintln!("ortc: is `ortc serve` running? --server, or ORTC_SERVER, names another");
            ExitCode::from(4)
        }
        _ => ExitCode::FAILURE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_arguments_that_fit() {
        Arguments::command().debug_assert();
    }
}
