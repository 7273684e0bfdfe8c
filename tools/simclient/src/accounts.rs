//! The members' credentials, kept in a file, so that a later test logs in with the accounts of an earlier one.

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::Path;

use mnm_client::Account;
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use crate::Failure;

/// One member's account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) uid: String,
    pub(crate) node: String,
    /// A name by which others can invite the member; only where a scenario needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) alias: Option<String>,
}

impl Kept {
    pub(crate) fn account(&self) -> Account {
        Account { uid: self.uid.clone(), node: self.node.clone() }
    }
}

/// What the file holds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Accounts {
    /// The relay they are accounts of.
    address: String,
    /// What the names of all these members and groups begin with: eight random hex digits, so that no two tests want the same.
    token: String,
    pub(crate) members: Vec<Kept>,
    /// The uids of each group that all of them have joined, in the members' order.
    pub(crate) groups: BTreeMap<String, Vec<String>>,
}

impl Accounts {
    /// None yet.
    pub(crate) fn new(address: &str) -> Accounts {
        Accounts { address: address.to_owned(), ..Accounts::default() }
    }

    /// Reads the file; a file that is not there has none.
    pub(crate) fn read(path: &Path, address: &str) -> Result<Accounts, Failure> {
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Accounts::new(address)),
            Err(error) => return Err(Failure::Usage(format!("--accounts {}: {error}", path.display()))),
        };
        let accounts: Accounts = serde_json::from_slice(&text).map_err(|e| {
            Failure::Usage(format!(
                "--accounts {}: it holds no accounts ({e}); name another file, or remove it to register anew",
                path.display()
            ))
        })?;
        if accounts.address != address {
            let theirs = &accounts.address;
            let cure = "name another file for this relay";
            return Err(Failure::Usage(format!("--accounts {}: they are of {theirs}, not of {address}; {cure}", path.display())));
        }
        Ok(accounts)
    }

    /// What new names begin with.
    pub(crate) fn token(&self) -> Result<String, Failure> {
        if !self.token.is_empty() {
            return Ok(self.token.clone());
        }
        let random = getrandom::u32().map_err(|e| Failure::Usage(format!("the system's random generator: {e}")))?;
        Ok(format!("sim {random:08x}"))
    }

    /// Takes the members of a test, in their order: who was known is, and there may be more.
    pub(crate) fn take(&mut self, members: Vec<Kept>, token: String) {
        self.token = token;
        for (at, member) in members.into_iter().enumerate() {
            match self.members.get_mut(at) {
                // A test without groups knows nothing of aliases.
                Some(known) => *known = Kept { alias: member.alias.or(known.alias.take()), ..member },
                None => self.members.push(member),
            }
        }
    }

    /// Replaces the file; nobody but its owner can read it.
    pub(crate) fn write(&self, path: &Path) -> Result<(), Failure> {
        let trouble = |e: std::io::Error| Failure::Output(format!("--accounts {}: {e}", path.display()));
        let beside = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        let mut json = serde_json::to_vec(self).expect("accounts have nothing JSON cannot hold");
        json.push(b'\n');
        // Such files are their owner's alone.
        let mut file = NamedTempFile::new_in(beside).map_err(trouble)?;
        file.write_all(&json).and_then(|()| file.as_file().sync_all()).map_err(trouble)?;
        file.persist(path).map(drop).map_err(|e| trouble(e.error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn they_come_back_as_they_were_and_are_nobody_elses() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("accounts.json");
        let mut accounts = Accounts::read(&path, "a:1").unwrap();
        accounts.members.push(Kept { uid: "u".into(), node: "n".into(), alias: None });
        accounts.groups.insert("g".into(), vec!["u".into()]);
        accounts.write(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Accounts::read(&path, "a:1").unwrap().members[0].account().node, "n");
        assert!(Accounts::read(&path, "b:1").unwrap_err().to_string().contains("they are of a:1"));
        fs::write(&path, "[]").unwrap();
        assert!(Accounts::read(&path, "a:1").unwrap_err().to_string().contains("it holds no accounts"));
    }
}
