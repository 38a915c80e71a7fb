//! `ortc serve`.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use ortc_server::{Kind, Running, SETTINGS, Server, ServerConfig, Settings};

use crate::failed::Failed;

/// The flags of a server: a file, and each setting by its name. Those that are not said come from
/// the environment, the file, or are as by default.
#[derive(Debug, Default)]
pub(crate) struct Serve {
    config: Option<PathBuf>,
    /// Name and value.
    said: Vec<(&'static str, String)>,
    check: bool,
}

impl Args for Serve {
    fn augment_args(command: Command) -> Command {
        let command = command
            .after_help(
                "Each flag is also a key of the TOML file, with underscores, and a variable of the \
                 environment: --rest-port, rest_port, ORTC_REST_PORT. Flags hold over the \
                 environment, and that over the file.",
            )
            .arg(
                Arg::new("config")
                    .long("config")
                    .value_name("FILE")
                    .value_parser(clap::value_parser!(PathBuf))
                    .env("ORTC_CONFIG")
                    .help("A TOML file with settings"),
            )
            .arg(
                Arg::new("check")
                    .long("check")
                    .action(ArgAction::SetTrue)
                    .help("Says whether the settings can be used, and ends"),
            );
        command.args(SETTINGS.iter().map(|setting| {
            let arg = Arg::new(setting.name)
                .long(setting.flag())
                .help(setting.help);
            match setting.kind {
                Kind::Switch => arg
                    .action(ArgAction::Set)
                    .num_args(0..=1)
                    .require_equals(true)
                    .default_missing_value("true")
                    .value_name("BOOL"),
                Kind::Number => arg.value_name("NUMBER"),
                Kind::List => arg.value_name("LIST").action(ArgAction::Append),
                _ => arg.value_name("TEXT"),
            }
        }))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Serve {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut serve = Self::default();
        serve.update_from_arg_matches(matches)?;
        Ok(serve)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.config = matches.get_one::<PathBuf>("config").cloned();
        self.check = matches.get_flag("check");
        for setting in SETTINGS {
            if let Some(said) = matches.get_many::<String>(setting.name) {
                let said: Vec<&str> = said.map(String::as_str).collect();
                self.said.push((setting.name, said.join(",")));
            }
        }
        Ok(())
    }
}

impl Serve {
    /// Serves until Ctrl-C or SIGTERM.
    pub(crate) fn run(self) -> Result<(), Failed> {
        let config = self.settings(std::env::vars())?;
        if self.check {
            println!("the settings can be used");
            return Ok(());
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let running = Server::bind(config).await?;
            tell(&running);
            asked_to_end().await?;
            eprintln!("clients are told to come back; ending");
            running.shut_down().await;
            Ok(())
        })
    }

    fn settings(
        &self,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<ServerConfig, Failed> {
        let mut settings = Settings::new();
        if let Some(file) = &self.config {
            settings.file(file)?;
        }
        settings.environment(environment)?;
        for (name, value) in &self.said {
            if let Some(setting) = SETTINGS.iter().find(|setting| setting.name == *name) {
                settings.value(setting, value, &format!("--{}", setting.flag()))?;
            }
        }
        Ok(settings.finish()?)
    }
}

fn tell(running: &Running) {
    println!("open {}", running.url());
    if let Some(fingerprint) = running.fingerprint() {
        println!("certificate SHA-256 {fingerprint}");
    }
    if let Some(address) = running.rest_address() {
        println!("REST and metrics on {address}");
    }
    if let Some(address) = running.stun_address() {
        println!("STUN on UDP {address}");
    }
}

async fn asked_to_end() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            ended = tokio::signal::ctrl_c() => ended,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serve(words: &[&str]) -> Serve {
        let command = Serve::augment_args(Command::new("serve"));
        let words = [&["serve"], words].concat();
        Serve::from_arg_matches(&command.try_get_matches_from(words).unwrap()).unwrap()
    }

    #[test]
    fn d6_each_setting_is_a_flag() {
        let serve = serve(&[
            "--https-port",
            "8086",
            "--rest-port=8087",
            "--js-debug",
            "--roles-free=false",
            "--allow-origins",
            "https://a.example",
            "--allow-origins",
            "https://b.example,https://c.example",
        ]);
        let environment = [
            ("ORTC_ROLES_FREE", "true"),
            ("ORTC_HTTPS_PORT", "1"),
            ("ORTC_MAX_ROOMS", "7"),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = serve.settings(environment).unwrap();
        assert_eq!(
            (config.https_port, config.rest_port),
            (Some(8086), Some(8087))
        );
        assert!(config.js_debug && !config.roles_free);
        assert_eq!(config.max_rooms, 7);
        assert_eq!(config.allow_origins.len(), 3);
        Serve::augment_args(Command::new("serve")).debug_assert();
    }

    #[test]
    fn d6_what_is_wrong_is_named_by_the_flag_or_the_variable() {
        let wrong = serve(&["--https-port", "http"]).settings([]).unwrap_err();
        assert_eq!(
            wrong.to_string(),
            "--https-port: \"http\" is no whole number"
        );
        let variable = [("ORTC_LISTEN".to_owned(), "here".to_owned())];
        let wrong = serve(&[]).settings(variable).unwrap_err().to_string();
        assert!(wrong.starts_with("ORTC_LISTEN: "), "{wrong}");
    }
}
