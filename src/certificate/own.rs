//! The relay's own, self-signed certificate: made once, kept in the data directory.
//!
//! The key is written before the certificate, each through a temporary name and a rename. So there is never half a file,
//! and a crash between the two leaves a key without a certificate, which the next start completes.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose};
use time::{Duration, OffsetDateTime};

use super::{Certificate, OpenError, load, pem};
use crate::base::Wall;
use crate::config::{CertificatePaths, ConfigError, Remark};

/// The relay's own certificate, in the data directory.
pub const OWN_CHAIN: &str = "mnm.crt";
/// Its private key, beside it.
pub const OWN_KEY: &str = "mnm.key";

/// Ten years. Nobody verifies a self-signed certificate by its dates: members compare its fingerprint, once. An early end
/// would only lock everybody out one day, and a date past 2049 is written in a form that TLS libraries rarely meet.
const VALID_DAYS: i64 = 3650;
/// A client whose clock is behind ours by less than this still finds the certificate valid.
const BACKDATED_DAYS: i64 = 1;

/// Whether the relay's own certificate was made already.
///
/// # Errors
/// When the certificate is there and its key is not: a new pair would change the fingerprint that members know.
pub(super) fn is_there(paths: &CertificatePaths) -> Result<bool, ConfigError> {
    let exists = |file: &Path| match file.try_exists() {
        Ok(exists) => Ok(exists),
        Err(error) => Err(ConfigError::about_file(
            file,
            format!("cannot be looked at ({error})"),
            "give the user that runs mnm access to its data directory",
        )),
    };
    let (chain, key) = (exists(&paths.chain)?, exists(&paths.key)?);
    if chain && !key {
        let trouble = format!("the key of {} is not there", paths.chain.display());
        return Err(ConfigError::about_file(&paths.key, trouble, "restore it, or remove the certificate as well to have a new pair made"));
    }
    Ok(chain)
}

/// Loads the relay's own certificate, after making it if it is not there.
pub(super) fn open_or_make(paths: &CertificatePaths, hosts: &[String], now: Wall) -> Result<Certificate, OpenError> {
    let made_now = !is_there(paths)?;
    if made_now {
        make(paths, hosts, now)?;
    }
    let mut certificate = Certificate { made_now, ..load(paths, now)? };
    let uncovered = hosts.iter().filter(|host| !certificate.covers(host));
    let remarks: Vec<Remark> = uncovered.map(|host| missing_name(&paths.chain, host)).collect();
    certificate.remarks.extend(remarks);
    Ok(certificate)
}

fn missing_name(chain: &Path, host: &str) -> Remark {
    let file = chain.display();
    Remark::info(format!("{file}: the certificate does not name {host}; clients that take it as it is do not mind"))
}

fn make(paths: &CertificatePaths, hosts: &[String], now: Wall) -> Result<(), OpenError> {
    if let Some(directory) = paths.key.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        let unmakable = |error| unwritable(directory, error);
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(unmakable)?;
    }
    let failed = |error: rcgen::Error| {
        ConfigError::about_file(
            &paths.chain,
            format!("a self-signed certificate could not be made ({error})"),
            "remove mnm.key if it is not yours, or configure certPath and keyPath",
        )
    };
    let key = if paths.key.exists() {
        KeyPair::try_from(&pem::read_key(&paths.key)?).map_err(failed)?
    } else {
        // `generate` makes ECDSA P-256, which every TLS library has.
        let key = KeyPair::generate().map_err(failed)?;
        write(&paths.key, key.serialize_pem().as_bytes(), 0o600)?;
        key
    };
    let certificate = parameters(hosts, now).and_then(|parameters| parameters.self_signed(&key)).map_err(failed)?;
    write(&paths.chain, certificate.pem().as_bytes(), 0o644)
}

fn parameters(hosts: &[String], now: Wall) -> Result<CertificateParams, rcgen::Error> {
    let mut names: Vec<String> = hosts.iter().filter(|host| host.is_ascii()).cloned().collect();
    names.extend(host_name());
    names.extend(["localhost".into(), Ipv4Addr::LOCALHOST.to_string(), Ipv6Addr::LOCALHOST.to_string()]);
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));

    let common_name = names.iter().find(|name| name.parse::<IpAddr>().is_err()).cloned().unwrap_or_else(|| "mnm".into());
    let mut parameters = CertificateParams::new(names)?;
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, common_name);
    let today = OffsetDateTime::from_unix_timestamp_nanos(i128::from(now.0)).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    parameters.not_before = today - Duration::days(BACKDATED_DAYS);
    parameters.not_after = today + Duration::days(VALID_DAYS);
    parameters.is_ca = IsCa::ExplicitNoCa;
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(parameters)
}

/// What the system calls this machine, if that can stand in a certificate.
pub(super) fn host_name() -> Option<String> {
    let read = ["/proc/sys/kernel/hostname", "/etc/hostname"].iter().find_map(|file| fs::read_to_string(file).ok())?;
    let name = read.trim();
    let well_formed = !name.is_empty() && name.len() <= 253 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
    well_formed.then(|| name.to_string())
}

/// Writes a file whole or not at all, durably, with `mode` from its first moment.
fn write(file: &Path, content: &[u8], mode: u32) -> Result<(), OpenError> {
    write_renamed(file, content, mode).map_err(|error| unwritable(file, error))
}

fn write_renamed(file: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let mut name = file.as_os_str().to_owned();
    name.push(".new");
    let temporary = PathBuf::from(name);
    // One that a crash left behind may have another mode.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut written = OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary)?;
    written.write_all(content)?;
    written.sync_all()?;
    fs::rename(&temporary, file)?;
    let directory = file.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

fn unwritable(path: &Path, error: io::Error) -> OpenError {
    if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) {
        return OpenError::DiskFull { file: path.to_path_buf(), source: error };
    }
    let trouble = format!("cannot be written ({error})");
    ConfigError::about_file(path, trouble, "give the user that runs mnm a data directory of its own with --data or \"data\"").into()
}
