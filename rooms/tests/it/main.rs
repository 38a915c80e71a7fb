//! Sessions over a desk in memory, and real UDP over loopback.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::duplicate_mod,
    missing_docs
)]

mod calls;
mod churn;
mod data;
mod examples;
mod files;
mod folder;
mod forms;
mod gaps;
mod house;
mod hub;
mod hub_anew;
mod hub_lost;
mod lost;
mod media;
mod opening;
mod pairs;
mod ports;
mod record;
mod relay;
mod returned;
mod rooms;
mod rows;
mod secret;
mod server;
mod serverless;
mod speakers;
mod support;
mod unheard;
mod way;
mod ways;
mod widgets;
