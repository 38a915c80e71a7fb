//! What a server does: one set of names in files, in the environment and as flags.

mod error;
mod fields;
mod layers;
mod rules;
mod settings;

pub use error::ConfigError;
pub use fields::ServerConfig;
pub use layers::Settings;
pub use settings::{Kind, SETTINGS, Setting};
