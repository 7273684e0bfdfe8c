//! Binding the configured addresses, each held until the end: a start and `mnm check` go through the same steps, so that
//! two entries that want the same address are found by both.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};

use super::RunError;
use crate::config::{ConfigError, Listen};
use crate::net::Bound;

/// What of the configured addresses is bound.
pub struct Listeners<'a> {
    entries: &'a [Listen],
    held: Vec<(usize, Bound)>,
}

/// Why an entry was not bound.
#[derive(Debug)]
pub enum Refusal {
    /// Another program listens there: the configuration is good, and the entry can be bound once that has stopped.
    Taken(ConfigError),
    /// The address is not this machine's, or its name is not known: it may be wrong, or the network may not be up yet.
    Absent(ConfigError),
    /// The entry must be changed.
    Unfit(ConfigError),
}

impl<'a> Listeners<'a> {
    /// None is bound yet.
    pub fn new(entries: &'a [Listen]) -> Listeners<'a> {
        Listeners { entries, held: Vec::new() }
    }

    /// Binds the address of one entry, or all those that its host name gives and this machine has.
    ///
    /// # Errors
    /// [`Refusal`], with a sentence about the entry.
    pub fn bind(&mut self, entry: usize) -> Result<(), Refusal> {
        let listen = &self.entries[entry];
        if let Some(path) = &listen.unix {
            let bound = Bound::unix(path).map_err(|error| file_refusal(listen, &error))?;
            self.held.push((entry, bound));
            return Ok(());
        }
        // Port 0 gives each address a port of its own, and clients can be told one.
        let wants_all = listen.is_name() && listen.port != 0;
        let mut last = None;
        let mut found = false;
        for address in listen.candidates().map_err(Refusal::Absent)? {
            match Bound::new(address) {
                Ok(bound) => {
                    self.held.push((entry, bound));
                    found = true;
                    if !wants_all {
                        break;
                    }
                }
                // A family that this system has not, or the address of another machine of that name, may be passed over.
                Err(error) if wants_all && !is_absent(&error) => return Err(self.refusal(listen, address, &error)),
                Err(error) => last = Some((address, error)),
            }
        }
        match last {
            Some((address, error)) if !found => Err(self.refusal(listen, address, &error)),
            _ => Ok(()),
        }
    }

    /// As [`bind`](Self::bind), but makes no file: a socket in the file system is only looked at.
    ///
    /// # Errors
    /// As for that.
    pub fn try_bind(&mut self, entry: usize) -> Result<(), Refusal> {
        match &self.entries[entry].unix {
            Some(path) => Bound::probe_unix(path).map_err(|error| file_refusal(&self.entries[entry], &error)),
            None => self.bind(entry),
        }
    }

    /// Takes sockets that the service manager has opened, instead of opening any: each belongs to the entry of the same address, else to the
    /// first with TLS. Whether there were any.
    ///
    /// # Errors
    /// If one of them is of no use.
    pub fn take_handed_over(&mut self) -> Result<bool, ConfigError> {
        let useless = |error: io::Error| {
            ConfigError::new(
                "the service manager",
                format!("hands over a socket that cannot be listened on ({error})"),
                "let its .socket unit say ListenStream=",
            )
        };
        let handed = Bound::handed_over().map_err(useless)?;
        let found = !handed.is_empty();
        for bound in handed {
            let name = bound.name().map_err(useless)?;
            let entry = |fits: &dyn Fn(&Listen) -> bool| self.entries.iter().position(fits);
            // Nobody shall speak without TLS through a socket of which that was not said.
            let Some(entry) = entry(&|listen| listen.address() == name).or_else(|| entry(&|listen| listen.tls)) else {
                let trouble = format!("hands over {name}, and no entry of \"listen\" is of that address or has TLS");
                return Err(ConfigError::new("the service manager", trouble, "add an entry for it"));
            };
            self.held.push((entry, bound));
        }
        for (entry, listen) in self.entries.iter().enumerate().filter(|_| found) {
            if self.held.iter().all(|(held, _)| *held != entry) {
                log::warn!(
                    "the service manager hands over no socket for {listen}: nobody listens there; name it in the .socket unit, in numbers"
                );
            }
        }
        Ok(found)
    }

    /// The bound sockets, each with the entry it belongs to.
    pub fn into_bound(self) -> Vec<(usize, Bound)> {
        self.held
    }

    fn refusal(&self, listen: &Listen, address: SocketAddr, error: &io::Error) -> Refusal {
        if error.kind() != ErrorKind::AddrInUse {
            let sentence = listen.bind_error(error);
            return if is_absent(error) { Refusal::Absent(sentence) } else { Refusal::Unfit(sentence) };
        }
        let ours = |held: &&(usize, Bound)| held.1.address().is_ok_and(|bound| bound.is_some_and(|bound| overlap(bound, address)));
        match self.held.iter().find(ours) {
            Some((earlier, _)) => Refusal::Unfit(listen.overlap_error(&self.entries[*earlier])),
            None => Refusal::Taken(listen.bind_error(error)),
        }
    }
}

fn file_refusal(listen: &Listen, error: &io::Error) -> Refusal {
    match error.kind() {
        ErrorKind::AddrInUse => Refusal::Taken(listen.bind_error(error)),
        _ => Refusal::Unfit(listen.bind_error(error)),
    }
}

impl From<Refusal> for RunError {
    fn from(refusal: Refusal) -> RunError {
        match refusal {
            Refusal::Taken(error) | Refusal::Absent(error) => RunError::Address(error),
            Refusal::Unfit(error) => RunError::Config(error),
        }
    }
}

impl From<Refusal> for ConfigError {
    fn from(refusal: Refusal) -> ConfigError {
        match refusal {
            Refusal::Taken(error) | Refusal::Absent(error) | Refusal::Unfit(error) => error,
        }
    }
}

fn is_absent(error: &io::Error) -> bool {
    // EAFNOSUPPORT, the same on Linux whatever the processor: the system has no such family at all.
    error.kind() == ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(97)
}

/// Whether two sockets cannot both listen there. `[::]` takes IPv4 as well.
fn overlap(left: SocketAddr, right: SocketAddr) -> bool {
    let covers = |wide: IpAddr, other: IpAddr| match wide {
        IpAddr::V4(v4) => v4.is_unspecified() && other.is_ipv4(),
        IpAddr::V6(v6) => v6.is_unspecified(),
    };
    let (l, r) = (left.ip().to_canonical(), right.ip().to_canonical());
    left.port() == right.port() && (l == r || covers(l, r) || covers(r, l))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_overlap_as_the_system_sees_it() {
        for (left, right, expected) in [
            ("127.0.0.1:1", "127.0.0.1:1", true),
            ("127.0.0.1:1", "127.0.0.1:2", false),
            ("127.0.0.1:1", "127.0.0.2:1", false),
            ("0.0.0.0:1", "127.0.0.1:1", true),
            ("[::]:1", "127.0.0.1:1", true),
            ("[::]:1", "0.0.0.0:1", true),
            ("0.0.0.0:1", "[::1]:1", false),
            ("[::ffff:127.0.0.1]:1", "127.0.0.1:1", true),
        ] {
            let (l, r): (SocketAddr, SocketAddr) = (left.parse().unwrap(), right.parse().unwrap());
            assert_eq!((overlap(l, r), overlap(r, l)), (expected, expected), "{left} {right}");
        }
    }

    #[test]
    fn our_own_entry_is_named_and_not_another_program() {
        let entries = |texts: &[&str]| texts.iter().map(|text| Listen::from_flag(text, None).unwrap()).collect::<Vec<_>>();
        let first = Bound::new("127.0.0.1:0".parse().unwrap()).unwrap();
        let port = first.address().unwrap().unwrap().port();
        drop(first);
        let twice = entries(&[&format!("127.0.0.1:{port}"), &format!(":{port}")]);
        let mut listeners = Listeners::new(&twice);
        listeners.bind(0).unwrap();
        let Err(Refusal::Unfit(error)) = listeners.bind(1) else { panic!("both were bound, or another program was blamed") };
        assert!(error.trouble().contains(&format!("127.0.0.1:{port}")) && !error.cure().contains("another mnm"), "{error}");
        let Err(Refusal::Taken(error)) = Listeners::new(&twice[..1]).bind(0) else { panic!("it was bound twice") };
        assert!(error.cure().contains("another mnm?"), "{error}");
    }

    #[test]
    fn a_name_means_all_its_addresses() {
        let local = Listen::from_flag("localhost:0", None).unwrap();
        let addresses = local.candidates().unwrap();
        let usable: Vec<_> = addresses.into_iter().filter(|address| Bound::new(*address).is_ok()).collect();
        let free = Bound::new(usable[0]).unwrap().address().unwrap().unwrap().port();
        let entries = [Listen::from_flag(&format!("localhost:{free}"), None).unwrap()];
        let mut listeners = Listeners::new(&entries);
        listeners.bind(0).unwrap();
        let bound: Vec<IpAddr> = listeners.into_bound().iter().map(|(_, bound)| bound.address().unwrap().unwrap().ip()).collect();
        assert_eq!(bound, usable.iter().map(SocketAddr::ip).collect::<Vec<_>>());
    }
}
