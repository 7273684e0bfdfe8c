//! What `mnm init` is told.

use std::path::PathBuf;

use clap::Args;

use super::mode;
use crate::record::Mode;

/// What a site is to be; what is not said is asked on a terminal, and has a default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct Init {
    /// What the site calls itself to client programs [default: mnm]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Show this certificate (PEM, its chain behind it) instead of a self-signed one that is made
    #[arg(long, value_name = "FILE", requires = "key")]
    pub cert: Option<PathBuf>,
    /// The certificate's private key (PEM)
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub key: Option<PathBuf>,
    /// Who may register: whoever wants to, who has a code, or nobody [default: invite]
    #[arg(long, value_name = "MODE", value_parser = mode())]
    pub register: Option<Mode>,
    /// Tell figures about the relay at this address, for programs that collect them
    #[arg(long, value_name = "ADDR")]
    pub metrics: Option<String>,
    /// Ask nothing, and take the defaults
    #[arg(long)]
    pub yes: bool,
    /// Replace the configuration if there is one; what it says about name, addresses, certificate and data holds unless it is said
    /// anew, and it is kept as .bak
    #[arg(long)]
    pub force: bool,
    /// Print one JSON object, and ask nothing
    #[arg(long)]
    pub json: bool,
}
