//! What others do to the files of a log.

use std::collections::BTreeMap;

use super::super::super::MemDisk;
use super::history::Script;

/// How bad it is.
pub(super) enum Harm {
    Nothing,
    /// One octet is another.
    Scratch,
    /// Checksums will tell, where it matters.
    Damage,
    /// No checksum can tell.
    Forgery,
}

/// Octets of a segment's header, and of a record's.
const SEGMENT_HEADER: usize = 64;
const RECORD_HEADER: usize = 32;
/// What is put there from the input, and copied, at most.
const PIECE: usize = 4096;

/// Does one of nine kinds of harm.
pub(super) fn harm(kind: u8, disk: &MemDisk, old: &BTreeMap<String, Vec<u8>>, script: &mut Script<'_>) -> Harm {
    let names = disk.names();
    let any = |octet: u8| names.get(usize::from(octet) % names.len().max(1)).cloned();
    let target = script.octet();
    match kind {
        0 | 1 => {
            let (Some(name), at, mask) = (any(target), script.number(), script.octet() | 1) else { return Harm::Nothing };
            disk.tamper(&name, |octets| {
                let len = octets.len().max(1);
                octets.iter_mut().skip(at % len).take(1).for_each(|octet| *octet ^= mask);
            });
            Harm::Scratch
        }
        2 => {
            let (Some(name), len) = (any(target), script.number()) else { return Harm::Nothing };
            disk.tamper(&name, |octets| {
                let len = len % (octets.len() + 100);
                octets.resize(len, 0);
            });
            Harm::Damage
        }
        3 => {
            let (Some(name), at, len) = (any(target), script.number(), script.number()) else { return Harm::Nothing };
            disk.tamper(&name, |octets| {
                let at = at % (octets.len() + 1);
                octets.iter_mut().skip(at).take(len % PIECE).for_each(|octet| *octet = 0);
            });
            Harm::Damage
        }
        4 => {
            let (Some(from), Some(to)) = (any(target), any(script.octet())) else { return Harm::Nothing };
            let (from, at, to_at, len) = (disk.bytes(&from), script.number(), script.number(), script.number());
            disk.tamper(&to, |octets| {
                let piece = from.iter().skip(at % (from.len() + 1)).take(len % PIECE);
                let at = to_at % (octets.len() + 1);
                octets.iter_mut().skip(at).zip(piece).for_each(|(to, from)| *to = *from);
            });
            Harm::Damage
        }
        5 => {
            let Some(name) = any(target) else { return Harm::Nothing };
            disk.delete(&name);
            Harm::Damage
        }
        6 => {
            let (Some(from), to) = (any(target), name(script)) else { return Harm::Nothing };
            let octets = disk.bytes(&from);
            disk.delete(&from);
            disk.put(&to, octets);
            Harm::Damage
        }
        7 => match target % 2 {
            // As it once was: each file has had its time.
            0 => {
                let Some((name, octets)) = old.iter().nth(usize::from(script.octet()) % old.len().max(1)) else { return Harm::Nothing };
                disk.put(name, octets.clone());
                Harm::Damage
            }
            _ => {
                let to = name(script);
                let len = script.number() % PIECE;
                disk.put(&to, script.take(len).to_vec());
                Harm::Forgery
            }
        },
        _ => {
            let (Some(name), at) = (any(target), script.octet()) else { return Harm::Nothing };
            disk.tamper(&name, |octets| forge(octets, at.into(), script));
            Harm::Forgery
        }
    }
}

/// The name of a segment, or of one in the making.
fn name(script: &mut Script<'_>) -> String {
    let number = script.octet();
    match number {
        0 => "fresh.new".to_owned(),
        1..192 => format!("{:010x}.seg", number % 24 + 1),
        192.. => format!("{:010x}.new", number % 24 + 1),
    }
}

/// Changes a field of the header, or of the n-th record, and makes the checksums right.
fn forge(octets: &mut [u8], nth: usize, script: &mut Script<'_>) {
    let (field, value) = (script.octet(), script.number());
    let value = value as u64;
    if octets.len() < SEGMENT_HEADER {
        return;
    }
    if nth == 0 {
        match field % 4 {
            0 => octets[8] = value as u8,
            1 => octets[12..16].copy_from_slice(&(value as u32).to_le_bytes()),
            2 => octets[16..24].copy_from_slice(&value.to_le_bytes()),
            _ => octets[24..32].copy_from_slice(&value.to_le_bytes()),
        }
        let crc = crc32c::crc32c(&octets[..60]);
        octets[60..64].copy_from_slice(&crc.to_le_bytes());
        return;
    }
    let Some(at) = place(octets, nth - 1) else { return };
    let number = u64_at(octets, 16);
    match field % 8 {
        0 => octets[at + 12] = (value % 9) as u8,
        1 => octets[at + 13] = (value & 1) as u8,
        2 => octets[at + 16..at + 24].copy_from_slice(&value.to_le_bytes()),
        3 => octets[at + 16..at + 24].copy_from_slice(&(u64::MAX - value % 4).to_le_bytes()),
        4 => octets[at + 24..at + 32]
            .copy_from_slice(&((number.wrapping_add(value >> 8).wrapping_sub(2) << 28) | (value & 255)).to_le_bytes()),
        5 => octets[at + 8..at + 12].copy_from_slice(&(value as u32 % 2048).to_le_bytes()),
        // A field of a manifest; the number in a seal or a drop.
        _ => {
            let from = (at + RECORD_HEADER + usize::from(field >> 3) % 5 * 8).min(octets.len());
            octets.iter_mut().skip(from).zip(value.to_le_bytes()).for_each(|(to, octet)| *to = octet);
        }
    }
    let len = u32::from_le_bytes(octets[at + 8..at + 12].try_into().expect("four octets")) as usize;
    let end = octets.len().min(at + RECORD_HEADER + len);
    let place = number << 28 | (at / 8) as u64;
    let seed = crc32c::crc32c_append(crc32c::crc32c(&octets[24..32]), &place.to_le_bytes());
    let head = crc32c::crc32c_append(seed, &octets[at + 8..at + RECORD_HEADER]);
    octets[at + 4..at + 8].copy_from_slice(&head.to_le_bytes());
    let whole = crc32c::crc32c_append(seed, &octets[at + 4..end]);
    octets[at..at + 4].copy_from_slice(&whole.to_le_bytes());
}

/// Where the n-th record stands, or the place after the last one.
fn place(octets: &[u8], nth: usize) -> Option<usize> {
    let mut at = SEGMENT_HEADER;
    for _ in 0..nth {
        let head = octets.get(at..at + RECORD_HEADER)?;
        if head[12] == 0 {
            break;
        }
        at += (RECORD_HEADER + u32::from_le_bytes(head[8..12].try_into().expect("four octets")) as usize).next_multiple_of(8);
    }
    (at + RECORD_HEADER <= octets.len()).then_some(at)
}

fn u64_at(octets: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(octets[at..at + 8].try_into().expect("eight octets"))
}
