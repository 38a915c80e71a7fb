//! What the user's own file says where flags and environment say nothing.
//!
//! `~/.config/ortc/config.toml` (under `XDG_CONFIG_HOME`, `%APPDATA%` on Windows), or what
//! `ORTC_CONFIG_FILE` names: `server = "example.org"` at its beginning holds for each command that
//! has a flag `--server`, below `[recv]` for that command alone.

use std::path::PathBuf;

use clap::{ArgAction, Command};
use toml::{Table, Value};

use crate::failed::Failed;

/// The command, with what the file says as defaults.
pub(crate) fn applied(command: Command) -> Result<Command, Failed> {
    let Some(path) = path() else {
        return Ok(command);
    };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(command),
        Err(error) => return Err(format!("{}: {error}", path.display()).into()),
    };
    let applied = with(command, &text);
    applied.map_err(|error| format!("{}: {error}", path.display()).into())
}

fn path() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("ORTC_CONFIG_FILE") {
        return Some(named.into());
    }
    let folder = std::env::var_os("XDG_CONFIG_HOME")
        .or_else(|| std::env::var_os("APPDATA"))
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".config")))?;
    Some(folder.join("ortc").join("config.toml"))
}

fn with(mut command: Command, text: &str) -> Result<Command, String> {
    let table: Table = text.parse().map_err(|error| format!("{error}"))?;
    let names: Vec<String> = subcommands(&command);
    let mut known = Vec::new();
    for (key, value) in &table {
        if !value.is_table() {
            known.push((key.clone(), false));
        }
    }
    for name in &names {
        // A server has a file of its own.
        if name == "serve" {
            continue;
        }
        let own = match table.get(name) {
            Some(Value::Table(own)) => Some(own),
            _ => None,
        };
        for key in own.into_iter().flat_map(Table::keys) {
            let sub = command.find_subcommand(name);
            if !sub.is_some_and(|sub| has(sub, key)) {
                return Err(format!("`{key}` is no flag of `ortc {name}`"));
            }
        }
        for (key, used) in &mut known {
            *used |= command
                .find_subcommand(name)
                .is_some_and(|sub| has(sub, key));
        }
        command = command.mut_subcommand(name, |sub| {
            set(set(sub, &table), own.unwrap_or(&Table::new()))
        });
    }
    if let Some((key, _)) = known.iter().find(|(_, used)| !used) {
        return Err(format!("`{key}` is a flag of no command"));
    }
    let unknown = table
        .iter()
        .find(|(key, value)| value.is_table() && !names.contains(key));
    match unknown {
        Some((key, _)) => Err(format!("`[{key}]` is no command")),
        None => Ok(command),
    }
}

fn subcommands(command: &Command) -> Vec<String> {
    command
        .get_subcommands()
        .map(|sub| sub.get_name().to_owned())
        .collect()
}

/// Whether it, or a command below it, has that flag.
fn has(command: &Command, key: &str) -> bool {
    let flag = key.replace('_', "-");
    let own = command
        .get_arguments()
        .any(|arg| arg.get_long() == Some(&flag));
    own || command.get_subcommands().any(|sub| has(sub, key))
}

/// Sets the defaults of all that the command and those below it have.
fn set(mut command: Command, table: &Table) -> Command {
    for (key, value) in table {
        let flag = key.replace('_', "-");
        let arg = command
            .get_arguments()
            .find(|arg| arg.get_long() == Some(&flag));
        let (Some(id), Some(text)) = (arg.map(|arg| arg.get_id().clone()), text(value)) else {
            continue;
        };
        let switch = arg_is_switch(&command, &flag);
        command = command.mut_arg(id, |arg| match switch {
            true if text != "true" => arg,
            _ => arg.default_value(text),
        });
    }
    for name in subcommands(&command) {
        command = command.mut_subcommand(name, |sub| set(sub, table));
    }
    command
}

fn arg_is_switch(command: &Command, flag: &str) -> bool {
    let mut arguments = command.get_arguments();
    let arg = arguments.find(|arg| arg.get_long() == Some(flag));
    arg.is_some_and(|arg| matches!(arg.get_action(), ArgAction::SetTrue))
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(yes) => Some(yes.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use clap::Arg;

    use super::*;

    fn command() -> Command {
        let server = || Arg::new("server").long("server").env("ORTC_TEST_NO_SUCH");
        let yes = Arg::new("yes").long("yes").action(ArgAction::SetTrue);
        let to = Arg::new("to").long("to").default_value(".");
        Command::new("ortc")
            .subcommand(Command::new("send").arg(server()))
            .subcommand(Command::new("recv").arg(server()).arg(yes).arg(to))
            .subcommand(Command::new("room").subcommand(Command::new("list").arg(server())))
    }

    #[test]
    fn what_the_file_says_holds_unless_a_flag_does() {
        let file = "server = \"a.example\"\n[recv]\nyes = true\nto = \"in\"\n";
        let command = || with(command(), file).unwrap();
        let read = |words: &[&str]| command().try_get_matches_from(words).unwrap();
        let (_, recv) = read(&["ortc", "recv"]).remove_subcommand().unwrap();
        assert_eq!(recv.get_one::<String>("server").unwrap(), "a.example");
        assert_eq!(recv.get_one::<String>("to").unwrap(), "in");
        assert!(recv.get_flag("yes"));
        let said = ["ortc", "recv", "--server", "b.example", "--to", "out"];
        let (_, recv) = read(&said).remove_subcommand().unwrap();
        assert_eq!(recv.get_one::<String>("server").unwrap(), "b.example");
        assert_eq!(recv.get_one::<String>("to").unwrap(), "out");
        let (_, mut room) = read(&["ortc", "room", "list"]).remove_subcommand().unwrap();
        let (_, list) = room.remove_subcommand().unwrap();
        assert_eq!(list.get_one::<String>("server").unwrap(), "a.example");
    }

    #[test]
    fn what_is_wrong_in_the_file_is_named() {
        for (file, what) in [
            ("sever = \"a\"", "`sever` is a flag of no command"),
            ("[recv]\nlimt = 1", "`limt` is no flag of `ortc recv`"),
            ("[rec]\nyes = true", "`[rec]` is no command"),
        ] {
            assert_eq!(with(command(), file).unwrap_err(), what);
        }
        assert!(with(command(), "server = ").unwrap_err().contains("line 1"));
    }
}
