//! What can be done with groups, contacts, devices and aliases.

use clap::Subcommand;

use super::Json;
use super::values::{label, name, time};

/// What can be done with groups.
#[derive(Debug, Clone, Subcommand)]
pub enum Group {
    /// The groups one has joined or is invited to
    List(Json),
    /// Who is in a group
    Show {
        /// The group's name
        #[arg(value_parser = name)]
        gid: String,
        /// As JSON?
        #[command(flatten)]
        json: Json,
    },
    /// Put somebody out of a group, who must be invited again to come back
    Drop {
        /// The group's name
        #[arg(value_parser = name)]
        gid: String,
        /// Who, as the group lists them
        #[arg(value_parser = name)]
        alias: String,
    },
    /// Set rules, as a moderator
    Set {
        /// The group's name
        #[arg(value_parser = name)]
        gid: String,
        /// Who may invite
        #[arg(long, value_name = "WHO", value_parser = ["members", "moderators"])]
        invite: Option<String>,
        /// Who may post
        #[arg(long, value_name = "WHO", value_parser = ["members", "moderators", "anyone"])]
        post: Option<String>,
        /// Who may see who is in it
        #[arg(long, value_name = "WHO", value_parser = ["members", "moderators", "anyone"])]
        roster: Option<String>,
    },
    /// Make somebody a moderator, or no longer one
    Moderator {
        /// The group's name
        #[arg(value_parser = name)]
        gid: String,
        /// Whom, as the group lists them
        #[arg(value_parser = name)]
        alias: String,
        /// No longer
        #[arg(long)]
        off: bool,
    },
}

/// What can be done with contacts. Pings and invitations that come add to them.
#[derive(Debug, Clone, Subcommand)]
pub enum Who {
    /// Give somebody a name of one's own choice
    Add {
        /// The name
        name: String,
        /// Whose
        uid: String,
    },
    /// Forget a name
    Drop {
        /// The name
        name: String,
    },
}

/// What can be done with devices.
#[derive(Debug, Clone, Subcommand)]
pub enum Node {
    /// All devices
    List(Json),
    /// Make another device
    Add {
        /// What it is called
        #[arg(value_parser = label)]
        label: String,
        /// Keep what it logs in with in this new profile
        #[arg(long, value_name = "PROFILE", required_unless_present = "show_secret")]
        save_as: Option<String>,
        /// Print what it logs in with, once
        #[arg(long, conflicts_with = "save_as")]
        show_secret: bool,
    },
    /// Drop a device: it is cut off, and never gets in again
    Drop {
        /// Its number, as `tmtp node list` tells it
        #[arg(value_name = "N", value_parser = name)]
        node: String,
    },
}

/// What can be done with one's own names.
#[derive(Debug, Clone, Subcommand)]
pub enum Alias {
    /// All of them
    List(Json),
    /// Take another one, or set anew for how long one is good
    Add {
        /// 8 characters or more
        #[arg(value_parser = name)]
        name: String,
        /// Good for so many pings and invitations
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
        uses: Option<u64>,
        /// Good until: 90m, 12h, 30d, 2w, or a time as 2026-11-26T18:00:00Z
        #[arg(long, value_name = "TIME", value_parser = time)]
        expires: Option<String>,
    },
    /// Give one up
    Drop {
        /// Which
        #[arg(value_parser = name)]
        name: String,
    },
}
