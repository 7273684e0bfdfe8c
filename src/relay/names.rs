//! Which names the site lets people take, besides the protocol's rules.
//!
//! [`NameGuard`] knows what taken names look like, not the names themselves: eight octets a name, besides what a hash table leaves
//! free. (On a strict site sixteen for a name with a capital I.) That a name itself is taken is the ledger's to say.

mod look;

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use super::settings::{Lookalikes, NameRules};

/// The site's rules for names, and what the taken ones look like.
#[derive(Debug)]
pub struct NameGuard {
    min_chars: usize,
    /// What reserved names look like to the careless.
    reserved: BTreeSet<String>,
    /// Nothing, on a site where names may look alike.
    taken: Option<Index>,
}

impl NameGuard {
    /// A guard that keeps these rules, where these names are taken.
    pub fn new<'a>(rules: &NameRules, taken: impl Iterator<Item = &'a str>) -> NameGuard {
        // The capitals too: in these an l passes for an i. Of all names that would be too much, as Marla is not Maria.
        let looks = |name: &String| [name.clone(), name.to_uppercase()].map(|name| look::careless(&name)).into_iter().flatten();
        let reserved = rules.reserved.iter().flat_map(looks).collect();
        let strict = match rules.lookalikes {
            Lookalikes::Allow => None,
            Lookalikes::Refuse => Some(false),
            Lookalikes::Strict => Some(true),
        };
        let index = |strict| Index { strict, table: HashTable::with_capacity(taken.size_hint().0), hasher: RandomState::new() };
        let mut guard = NameGuard { min_chars: rules.min_chars, reserved, taken: strict.map(index) };
        taken.for_each(|name| guard.add(name));
        guard
    }

    /// Notes that a name is taken, by a user or by a group.
    pub fn add(&mut self, name: &str) {
        if let Some(taken) = &mut self.taken {
            taken.add(name);
        }
    }

    /// Whether somebody may take a name, which the protocol lets pass (`ledger::check_name`); `field` is where it came from.
    ///
    /// A taken name never looks like itself. But one who has a name, or had it, may be refused it here for the sake of
    /// another that looks like it: do not ask.
    ///
    /// # Errors
    /// A sentence for the peer, which begins with the field's name.
    pub fn check(&self, field: &'static str, name: &str, admin: bool) -> Result<(), String> {
        let beginning = || beginning(name);
        if name.chars().take(self.min_chars).count() < self.min_chars {
            return Err(format!("{field} {} must be {}+ characters on this site", beginning(), self.min_chars));
        }
        self.check_reserved(field, name, admin)?;
        if self.taken.as_ref().is_some_and(|taken| taken.has_like(name)) {
            return Err(format!("{field} {} looks like a name that is taken", beginning()));
        }
        Ok(())
    }

    /// The part of [`check`](Self::check) that is also for who had the name before: who is no administrator any more does not get
    /// a reserved one back.
    ///
    /// # Errors
    /// As there.
    pub fn check_reserved(&self, field: &'static str, name: &str, admin: bool) -> Result<(), String> {
        if !admin && look::careless(name).iter().any(|look| self.reserved.contains(look)) {
            return Err(format!("{field} {} is reserved on this site", beginning(name)));
        }
        Ok(())
    }
}

fn beginning(name: &str) -> String {
    name.chars().take(NAMED_CHARS).collect()
}

/// Characters of a name that a refusal repeats: enough to recognise it by.
const NAMED_CHARS: usize = 40;

/// Bits of an entry that tell apart what may look alike. A wrong guess here lets one look-alike pass, and there may be millions of
/// guesses; a wrong one in the other 40 refuses a name for nothing, once in a million where a million are taken.
const KIND_BITS: u32 = 24;

/// What taken names look like.
#[derive(Debug)]
struct Index {
    strict: bool,
    /// For each look at most two entries: a third would tell nothing new, and many of one look would make the table slow.
    table: HashTable<Entry>,
    /// With a key of this process: nobody can find out beforehand which names share an entry.
    hasher: RandomState,
}

/// Of a taken name: 40 bits of a hash of its look, then 24 of a hash of what it may share that look with.
type Entry = u64;

impl Index {
    fn add(&mut self, name: &str) {
        for entry in self.entries(name).into_iter().flatten() {
            let mut alike = 0;
            let known = self.alike(entry).any(|other| {
                alike += 1;
                other == entry
            });
            if !known && alike < 2 {
                self.table.insert_unique(spread(entry), entry, |&entry| spread(entry));
            }
        }
    }

    /// Whether a name looks like a taken one with which it may not share a look.
    fn has_like(&self, name: &str) -> bool {
        self.entries(name).into_iter().flatten().any(|entry| self.alike(entry).any(|other| other != entry))
    }

    /// The entries of the same look.
    fn alike(&self, entry: Entry) -> impl Iterator<Item = Entry> {
        self.table.iter_hash(spread(entry)).copied().filter(move |other| other >> KIND_BITS == entry >> KIND_BITS)
    }

    /// The entries that a name makes. A name shares its look with those that are the same but for composition, case and
    /// spaces; on a strict site with itself alone, and there it may have two.
    fn entries(&self, name: &str) -> [Option<Entry>; 2] {
        let entry = |look: &str, kind: &str| {
            let kind = self.hasher.hash_one(kind) & ((1 << KIND_BITS) - 1);
            self.hasher.hash_one(look) >> KIND_BITS << KIND_BITS | kind
        };
        if !self.strict {
            return [Some(entry(&look::exact(name), &look::common(name))), None];
        }
        let [small, shape] = look::careless(name);
        let other = (shape != small).then(|| entry(&shape, name));
        [Some(entry(&small, name)), other]
    }
}

/// The table looks at the lowest bits and at the highest.
fn spread(entry: Entry) -> u64 {
    (entry >> KIND_BITS).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(lookalikes: Lookalikes, taken: &[&str]) -> NameGuard {
        NameGuard::new(&NameRules { lookalikes, ..NameRules::default() }, taken.iter().copied())
    }

    fn passes(guard: &NameGuard, name: &str) -> bool {
        let outcome = guard.check("newalias", name, false);
        assert!(outcome.is_ok() || outcome == Err(format!("newalias {name} looks like a name that is taken")), "{outcome:?}");
        outcome.is_ok()
    }

    /// Names that are the same but for case, spaces or composition: side by side, says the protocol.
    const VARIANTS: [&[&str]; 4] = [
        &["alice the first", "Alice The First", "alice  the first", "alice the first ", " alice the first", "ALICE THE FIRST"],
        &["caf\u{e9} caf\u{e9}", "cafe\u{301} cafe\u{301}", "cafe\u{301} caf\u{e9}", "Caf\u{e9}  CAFE\u{301}"],
        &["ΟΔΥΣΣΕΎΣ", "οδυσσεύς", "Οδυσσεύς"],
        &["\u{212b}ngstr\u{f6}m", "\u{c5}ngstr\u{f6}m", "A\u{30a}ngstro\u{308}m"],
    ];

    /// Names that are others, and look the same.
    const SPOOFS: [&[&str]; 8] = [
        &["alice and bob", "аlice and bob", "аlісе аnd bоb", "\u{251}lice and bob", "alice аnd  bob"],
        &["paypal support", "pαypαl support", "paypal suppοrt", "pαypαl suppοrt", " pαypal support"],
        &["ΑΒΕΖΗΙΚΜ", "ABEZHIKM", "АВЕZНІКМ", "ABEZHlKM"],
        &["cooperate", "ｃｏｏｐｅｒａｔｅ", "𝐜𝐨𝐨𝐩𝐞𝐫𝐚𝐭𝐞", "coopеrate"],
        &["alice and eve", "alice\u{34f} and eve", "alice and eve\u{fe0f}", "\u{3164}alice and eve", "alice\u{2800}and eve"],
        &["user 1000", "user l000", "user IOOO", "user |O0O", "user 𝟏𝟎𝟎𝟎"],
        &["Bill and Tim", "BiIl and Tim", "BiII and Tim", "Bi11 and Tim", "Bill and Tirn"],
        &["Ольга Петрова", "Oльгa Пeтpoвa"],
    ];

    /// What only the strict find alike.
    const NEARLY: [(&str, &str); 5] = [
        ("paypal support", "PAYPAL suppοrt"),
        ("PAYPAL SUPPORT", "paypaI support"),
        ("STRASSE 12", "straße l2"),
        ("BlLL THE FIRST", "BILL the first"),
        ("user 1000", "USER IOOO"),
    ];

    const OTHERS: [&str; 8] = [
        "alice and bot",
        "alice und bob",
        "aliceandbob",
        "álice and bob",
        "user 1001",
        "Петрова Ольга",
        "日本語の名前です",
        "😀😀😀😀😀😀😀😀",
    ];

    #[test]
    fn variants_are_other_names_unless_the_site_is_strict() {
        for variants in VARIANTS {
            for taken in variants {
                let mut careful = guard(Lookalikes::Refuse, &[taken]);
                let strict = guard(Lookalikes::Strict, &[taken]);
                for name in variants {
                    assert!(passes(&careful, name), "{name:?} beside {taken:?}");
                    careful.add(name);
                    assert_eq!(passes(&strict, name), name == taken, "{name:?} beside {taken:?}");
                }
            }
        }
    }

    #[test]
    fn spoofs_are_refused() {
        for spoofs in SPOOFS {
            for taken in spoofs {
                for lookalikes in [Lookalikes::Refuse, Lookalikes::Strict] {
                    let guard = guard(lookalikes, &["somebody else", taken, "Somebody Other"]);
                    for name in spoofs {
                        assert_eq!(passes(&guard, name), name == taken, "{name:?} beside {taken:?}");
                    }
                    assert!(OTHERS.iter().all(|name| passes(&guard, name)), "beside {taken:?}");
                }
            }
        }
    }

    #[test]
    fn case_and_looks_together_deceive_only_on_lax_sites() {
        for (one, other) in NEARLY {
            for (taken, name) in [(one, other), (other, one)] {
                assert!(passes(&guard(Lookalikes::Refuse, &[taken]), name), "{name:?} beside {taken:?}");
                assert!(!passes(&guard(Lookalikes::Strict, &[taken]), name), "{name:?} beside {taken:?}");
            }
        }
    }

    #[test]
    fn a_spoof_of_a_variant_is_one_of_all() {
        let guard = guard(Lookalikes::Refuse, VARIANTS[0]);
        for name in ["аlice the first", "Аlice The First", "аlice  the first", "alice the fіrst "] {
            assert!(!passes(&guard, name), "{name:?}");
        }
    }

    #[test]
    fn sites_may_let_names_look_alike() {
        let mut lax = guard(Lookalikes::Allow, &["alice and bob"]);
        lax.add("paypal support");
        assert!(lax.taken.is_none(), "nothing is kept");
        assert!(passes(&lax, "аlice and bob") && passes(&lax, "pαypal support"));
        assert!(lax.check("newalias", "pοstmaster", false).is_err(), "reserved names are reserved all the same");
    }

    #[test]
    fn two_entries_of_a_look_are_as_good_as_all() {
        // The site was lax before, and people took names that look alike.
        let alike = SPOOFS[0];
        for lookalikes in [Lookalikes::Refuse, Lookalikes::Strict] {
            let mut guard = guard(lookalikes, alike);
            (0..3).for_each(|_| alike.iter().for_each(|name| guard.add(name)));
            assert_eq!(guard.taken.as_ref().unwrap().table.len(), 2);
            assert!(alike.iter().all(|name| !passes(&guard, name)));
        }
    }

    #[test]
    fn reserved_names_are_for_administrators() {
        let rules = NameRules { reserved: vec!["Administrator".into(), "die Leitung".into()], ..NameRules::default() };
        let guard = NameGuard::new(&rules, ["somebody else"].into_iter());
        let reserved = ["Administrator", "administrator", "ADMINISTRATOR", "  administrator ", "Аdministrator", "adrninistrator"];
        let disguised = [
            "АDМІNІSТRАТОR",
            "ADMlNlSTRATOR",
            "Adm1n1strator",
            "ａｄｍｉｎｉｓｔｒａｔｏｒ",
            "admin\u{34f}istrator",
            "DlE  LElTUNG",
            "die Ieitung",
        ];
        for name in reserved.into_iter().chain(disguised) {
            assert_eq!(guard.check("gid", name, false), Err(format!("gid {name} is reserved on this site")));
            assert_eq!(guard.check("gid", name, true), Ok(()));
        }
        for name in ["administrators", "the administrator", "administrate", "die Leitungen"] {
            assert_eq!(guard.check("gid", name, false), Ok(()), "{name}");
        }
        assert!(guard.check("gid", "sοmebody else", true).is_err(), "an administrator deceives nobody either");
    }

    #[test]
    fn names_can_be_too_short_for_the_site() {
        let guard = NameGuard::new(&NameRules { min_chars: 12, ..NameRules::default() }, std::iter::empty());
        for name in ["éééééééééééé", "😀😀😀😀😀😀😀😀😀😀😀😀", "alice the first"] {
            assert_eq!(guard.check("newalias", name, false), Ok(()));
        }
        for admin in [false, true] {
            let refusal = guard.check("newalias", "ééééééééééé", admin);
            assert_eq!(refusal, Err("newalias ééééééééééé must be 12+ characters on this site".to_owned()));
        }
        let long = guard.check("gid", &"x".repeat(11), false).unwrap_err();
        assert!(long.starts_with("gid xxxxxxxxxxx must"), "{long}");
    }
}
