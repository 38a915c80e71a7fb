//! File, environment and flags laid over each other.

use std::path::Path;

use toml::{Table, Value};

use super::error::ConfigError;
use super::fields::ServerConfig;
use super::settings::{Kind, SETTINGS, Setting, meant};

/// Settings from several places: what is said later holds. In a program: a file first, then the
/// environment, then flags.
#[derive(Clone, Default)]
pub struct Settings {
    table: Table,
}

impl Settings {
    /// None: all as it is by default.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a TOML file.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if it cannot be read, or with the line that says what cannot be.
    pub fn file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::Unreadable(path.to_owned(), error))?;
        self.text(path, &text)
    }

    /// Takes the text of a TOML file; the path is for what is said about errors.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Line`] with the line that says what cannot be.
    pub fn text(&mut self, path: &Path, text: &str) -> Result<(), ConfigError> {
        let wrong = |error: toml::de::Error| {
            let before = error.span().and_then(|span| text.get(..span.start));
            ConfigError::Line {
                path: path.to_owned(),
                line: before.map_or(1, |text| text.matches('\n').count().saturating_add(1)),
                message: explained(error.message()),
            }
        };
        toml::from_str::<ServerConfig>(text).map_err(wrong)?;
        let table: Table = toml::from_str(text).map_err(wrong)?;
        self.table.extend(table);
        Ok(())
    }

    /// Takes what `ORTC_…` variables say; pass [`std::env::vars`]. Others of that prefix are left alone.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Value`] with the name of the variable.
    pub fn environment(
        &mut self,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<(), ConfigError> {
        for (name, text) in variables {
            if let Some(setting) = SETTINGS.iter().find(|s| s.variable() == name) {
                self.value(setting, &text, &name)?;
            }
        }
        Ok(())
    }

    /// Takes one setting as text. `said` is how errors name it.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Value`] if the text does not do for it.
    pub fn value(&mut self, setting: &Setting, text: &str, said: &str) -> Result<(), ConfigError> {
        let wrong = |message: String| ConfigError::Value(said.to_owned(), message);
        let value = match setting.kind {
            Kind::Text => Value::String(text.to_owned()),
            Kind::List => {
                let parts = text
                    .split(',')
                    .map(str::trim)
                    .filter(|part| !part.is_empty());
                Value::Array(parts.map(|part| Value::String(part.to_owned())).collect())
            }
            Kind::Number => {
                let number = text.trim().parse().map(Value::Integer);
                number.map_err(|_| wrong(format!("{text:?} is no whole number")))?
            }
            Kind::Switch => match text.trim() {
                "true" | "1" | "yes" | "on" => Value::Boolean(true),
                "false" | "0" | "no" | "off" | "" => Value::Boolean(false),
                _ => return Err(wrong(format!("{text:?} is neither true nor false"))),
            },
        };
        let alone = Table::from_iter([(setting.name.to_owned(), value)]);
        let read: Result<ServerConfig, toml::de::Error> = alone.clone().try_into();
        read.map_err(|error| {
            // A secret is not repeated.
            let text = if setting.secret {
                "…"
            } else {
                error.message()
            };
            wrong(explained(text.trim()))
        })?;
        self.table.extend(alone);
        Ok(())
    }

    /// The configuration.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Together`] if settings do not go together.
    pub fn finish(self) -> Result<ServerConfig, ConfigError> {
        let read: Result<ServerConfig, toml::de::Error> = self.table.try_into();
        let config = read.map_err(|error| ConfigError::Together(error.message().to_owned()))?;
        config.check()?;
        Ok(config)
    }
}

/// The parser's message, and what is meant where a name is nearly right.
fn explained(message: &str) -> String {
    let Some(rest) = message.strip_prefix("unknown field `") else {
        return message.to_owned();
    };
    let name = rest.split('`').next().unwrap_or_default();
    match meant(name) {
        Some(near) => format!("there is no setting `{name}`; `{near}` is meant?"),
        None => format!("there is no setting `{name}`; `ortc serve --help` lists them"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ServerConfig, ConfigError> {
        let mut settings = Settings::new();
        settings.text(Path::new("ortc-server.toml"), text)?;
        settings.finish()
    }

    #[test]
    fn d6_the_names_of_the_seed_are_settings() {
        let config = read("https_port = 8086\nrest_port = 8087\njs_debug = true\n").unwrap();
        assert_eq!(config.https_port, Some(8086));
        assert_eq!(config.rest_port, Some(8087));
        assert!(config.js_debug);
    }

    #[test]
    fn d6_what_is_wrong_in_a_file_is_named_with_its_line() {
        let said = |text: &str| read(text).unwrap_err().to_string();
        assert_eq!(
            said("js_debug = true\n\nhttpsPort = 8086\n"),
            "ortc-server.toml:3: there is no setting `httpsPort`; `https_port` is meant?"
        );
        let wrong = said("js_debug = true\nhttps_port = \"8086\"\n");
        assert!(wrong.starts_with("ortc-server.toml:2: "), "{wrong}");
        assert!(wrong.contains("u16"), "{wrong}");
        let wrong = said("listen = \"localhost\"\n");
        assert!(wrong.starts_with("ortc-server.toml:1: "), "{wrong}");
        assert!(said("a\nb").starts_with("ortc-server.toml:1: "));
        assert!(said("https_port = 70000").contains("70000"));
    }

    #[test]
    fn d6_flags_hold_over_the_environment_and_that_over_the_file() {
        let mut settings = Settings::new();
        let text = "rest_port = 1\nhttps_port = 1\nallow_origins = [\"https://a.example\"]";
        settings.text(Path::new("x"), text).unwrap();
        let variables = [
            ("ORTC_REST_PORT", "2"),
            ("ORTC_HTTPS_PORT", "2"),
            ("ORTC_SOAK", "1"),
            ("ORTC_ALLOW_ORIGINS", "https://b.example, https://c.example"),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        settings.environment(variables).unwrap();
        let rest = SETTINGS.iter().find(|s| s.name == "rest_port").unwrap();
        settings.value(rest, "3", "--rest-port").unwrap();
        let wrong = settings.value(rest, "many", "--rest-port").unwrap_err();
        assert_eq!(
            wrong.to_string(),
            "--rest-port: \"many\" is no whole number"
        );
        let config = settings.finish().unwrap();
        assert_eq!((config.https_port, config.rest_port), (Some(2), Some(3)));
        assert_eq!(
            config.allow_origins,
            ["https://b.example", "https://c.example"]
        );
    }
}
