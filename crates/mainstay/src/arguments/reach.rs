//! How a store in another place is reached: options of every command.
//!
//! Owns the limits that a user sets and what they become. Reaches nothing.

use std::time::Duration;

use clap::Args;
use mainstay_stores::{Limits, Patience};

use crate::output::units;

const HEADING: &str = "Repositories in other places";

/// Options for repositories that are not on this machine.
#[derive(Args, Clone, Debug)]
pub struct Reach {
    /// Send at most so many bytes a second
    #[arg(long, global = true, value_name = "SIZE", env = "MAINSTAY_LIMIT_UPLOAD", hide_env_values = true)]
    #[arg(value_parser = rate, help_heading = HEADING)]
    pub limit_upload: Option<u64>,
    /// Receive at most so many bytes a second
    #[arg(long, global = true, value_name = "SIZE", env = "MAINSTAY_LIMIT_DOWNLOAD", hide_env_values = true)]
    #[arg(value_parser = rate, help_heading = HEADING)]
    pub limit_download: Option<u64>,
    /// Have at most so many requests under way at once
    #[arg(long, global = true, value_name = "N", env = "MAINSTAY_CONNECTIONS", hide_env_values = true)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..), help_heading = HEADING)]
    pub connections: Option<u16>,
    /// Give a request up after so many seconds [default: 600]
    #[arg(long, global = true, value_name = "SECONDS", env = "MAINSTAY_TIMEOUT", hide_env_values = true)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..), help_heading = HEADING)]
    pub timeout: Option<u32>,
    /// Ask again so many times after what may pass, within a minute [default: 100]
    #[arg(long, global = true, value_name = "N", env = "MAINSTAY_RETRIES", hide_env_values = true)]
    #[arg(help_heading = HEADING)]
    pub retries: Option<u16>,
    /// Keep so much of the repository on this machine as well, or nothing (0)
    #[arg(long, global = true, value_name = "SIZE", env = "MAINSTAY_CACHE_LIMIT", hide_env_values = true)]
    #[arg(default_value = "1GiB", value_parser = units::parse_size, help_heading = HEADING)]
    pub cache_limit: u64,
}

/// A rate of nothing would wait for ever.
fn rate(text: &str) -> Result<u64, String> {
    match units::parse_size(text)? {
        0 => Err("nothing would ever be moved".to_owned()),
        rate => Ok(rate),
    }
}

impl Reach {
    /// How long a server is waited for.
    pub fn patience(&self) -> Patience {
        let default = Patience::default();
        let request = self.timeout.map_or(default.request, |seconds| Duration::from_secs(seconds.into()));
        let connect = default.connect.min(request);
        Patience { request, connect, retries: self.retries.map_or(default.retries, usize::from), ..default }
    }

    /// The limits, if there are any.
    pub fn limits(&self) -> Option<Limits> {
        let is_limited = self.limit_upload.or(self.limit_download).is_some() || self.connections.is_some();
        is_limited.then(|| Limits::new(self.limit_upload, self.limit_download, self.connections.map(usize::from)))
    }
}
