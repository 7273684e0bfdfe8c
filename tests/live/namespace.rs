//! Two network namespaces and a cable between them, which can be pulled out: then packets vanish, and nobody is told.
//!
//! Each namespace is held by a process that waits for its input to end, so that all of it vanishes with the test, however that
//! ends; the cable goes with the first of them. Needs Linux, root, and the programs `ip`, `unshare` and `nsenter`.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// The relay's address, and the members'. They are for documentation (RFC 5737), so that nothing else is reached by them.
pub(crate) const RELAY: &str = "192.0.2.1";
const MEMBERS: &str = "192.0.2.2";

/// Both ends of the cable.
pub(crate) struct Cable {
    pub(crate) relay: Namespace,
    pub(crate) members: Namespace,
}

/// A network that only who enters it can use.
pub(crate) struct Namespace {
    holder: Child,
}

impl Cable {
    /// Lays it.
    ///
    /// # Errors
    /// What is wanting for it here, in words.
    pub(crate) fn lay() -> Result<Cable, String> {
        let (relay, members) = (Namespace::make()?, Namespace::make()?);
        let there = members.holder.id().to_string();
        // The names are within the namespaces: no other interface is there.
        run(relay.ip(&["link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", &there]))?;
        for (namespace, address) in [(&relay, RELAY), (&members, MEMBERS)] {
            run(namespace.ip(&["addr", "add", &format!("{address}/30"), "dev", "cable"]))?;
            namespace.plug(true)?;
        }
        Ok(Cable { relay, members })
    }
}

impl Namespace {
    fn make() -> Result<Namespace, String> {
        let mut command = Command::new("unshare");
        command.args(["--net", "sh", "-c", "echo made; exec cat"]);
        let holder = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut namespace = Namespace { holder: holder.map_err(|error| format!("unshare: {error}"))? };
        let mut line = String::new();
        let out = namespace.holder.stdout.as_mut().expect("it is piped");
        BufReader::new(out).read_line(&mut line).map_err(|error| format!("unshare: {error}"))?;
        if line == "made\n" { Ok(namespace) } else { Err("a network namespace (root)".into()) }
    }

    /// A command within it.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args([&format!("--net={}", self.path()), program]);
        command
    }

    fn ip(&self, arguments: &[&str]) -> Command {
        let mut command = self.command("ip");
        command.args(arguments);
        command
    }

    /// Plugs its end of the cable in, or pulls it out.
    pub(crate) fn plug(&self, is_in: bool) -> Result<(), String> {
        run(self.ip(&["link", "set", "cable", if is_in { "up" } else { "down" }]))
    }

    /// Takes the calling thread into it; sockets that it makes from then on are there.
    pub(crate) fn door(&self) -> impl FnOnce() + Send + use<> {
        let path = self.path();
        move || {
            let namespace = File::open(path).expect("the namespace is there");
            let kind = Some(rustix::thread::LinkNameSpaceType::Network);
            rustix::thread::move_into_link_name_space(std::os::fd::AsFd::as_fd(&namespace), kind).expect("root may enter");
        }
    }

    fn path(&self) -> String {
        format!("/proc/{}/ns/net", self.holder.id())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

fn run(mut command: Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("{command:?}: {}: {}", output.status, said.trim())) }
}
