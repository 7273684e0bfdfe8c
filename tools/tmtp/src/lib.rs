//! `tmtp`, the command line client for relays that speak TMTP: what a shell script or a person at a terminal needs to be a
//! member of a site.
//!
//! [`cli`] is the command line; a file each for what the commands are about: `account`, `send`, `recv`, `group`, `who`, `node`,
//! `alias`. Below them: `profile` is what is kept of an account and `home` where and how; `session` is a link that is logged in,
//! over `mnm_client`, which comes back and repeats; `out` prints; [`Failure`] is what can go wrong, one variant for each exit
//! status.
//!
//! What must never happen: a message is acknowledged before what was asked for has been done with it; a secret is printed, but
//! by `node add --show-secret`; something that a message says leads a file out of its directory, or drives a terminal.

mod account;
mod alias;
pub mod cli;
mod code;
mod contacts;
mod exec;
mod failure;
mod group;
mod home;
mod journal;
mod node;
mod out;
mod parcel;
mod ping;
mod profile;
mod recv;
mod save;
mod send;
mod session;
mod share;
mod show;
mod source;
mod text;
mod wake;

use std::io::Write;

use clap::CommandFactory;

/// The command line is read with `clap::Parser`.
pub use clap::Parser;
pub use failure::Failure;

use cli::{Cli, Command};
use home::Place;

/// Does what the command line asks.
///
/// # Errors
/// Why it was not done, in a sentence.
pub fn run(cli: Cli) -> Result<(), Failure> {
    let Cli { common, command } = cli;
    let place = Place::find(common.home.as_deref(), &common.profile)?;
    let timeout = common.timeout;
    match command {
        Command::Register(args) => account::register(&place, timeout, &args),
        Command::Login(args) => account::login(&place, timeout, &args),
        Command::Whoami(json) => account::whoami(&place, timeout, json),
        Command::Send(args) => send::send(&place, timeout, &args),
        Command::Recv(args) => recv::recv(&place, timeout, &args),
        Command::Who { json, order } => contacts::who(&place, timeout, json, order.as_ref()),
        Command::Ping { to, text, speak } => ping::ping(&place, timeout, &to, text.as_deref().unwrap_or(""), &speak),
        Command::Invite { gid, to, text, speak } => group::invite(&place, timeout, &gid, &to, text.as_deref().unwrap_or(""), &speak),
        Command::Join { gid, alias } => group::join(&place, timeout, &gid, alias.as_deref()),
        Command::Leave { gid, alias } => group::leave(&place, timeout, &gid, alias.as_deref()),
        Command::Group { order } => group::group(&place, timeout, &order),
        Command::Node { order } => node::node(&place, timeout, &order),
        Command::Alias { order } => alias::alias(&place, timeout, &order),
        Command::Code { uses, expires, group, json } => code::code(&place, timeout, uses, expires.as_deref(), group.as_deref(), json.json),
        Command::Completions { shell } => completions(shell),
    }
}

/// The script is made in memory first: to a pipe that nobody reads `clap_complete` would panic.
fn completions(shell: clap_complete::Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "tmtp", &mut script);
    let mut out = std::io::stdout().lock();
    out.write_all(&script).and_then(|()| out.flush()).map_err(|e| Failure::print(&e))
}
