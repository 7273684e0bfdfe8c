//! What a name looks like: texts that are equal where two names could be taken for each other.
//!
//! They come from Unicode's skeletons (UTS 39), which put in the place of each character the simplest one of those that
//! look like it, and leave out what cannot be seen. A skeleton is to be compared only: nobody is meant to read it.
//!
//! The letters of Europe each have their part of a look, whatever stands beside them: these parts are looked up. Names with
//! any other character are decomposed and put together again, which takes ten times as long.

use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::canonical_combining_class;
use unicode_security::skeleton;

/// One way to look at names.
struct Look {
    /// What a name looks like.
    of_any: fn(&str) -> String,
    letters: LazyLock<Letters>,
}

static EXACT: Look = Look { of_any: |name| skeleton(name).collect(), letters: LazyLock::new(|| Letters::new(&EXACT)) };
static SMALL: Look = Look { of_any: |name| shape(&folded(name.nfd())), letters: LazyLock::new(|| Letters::new(&SMALL)) };
static SHAPE: Look = Look { of_any: |name| shape(&shape(name)), letters: LazyLock::new(|| Letters::new(&SHAPE)) };
static COMMON: Look =
    Look { of_any: |name| name.nfd().flat_map(char::to_lowercase).collect(), letters: LazyLock::new(|| Letters::new(&COMMON)) };

impl Look {
    fn of(&self, name: &str) -> String {
        let letters = &*self.letters;
        let mut look = String::with_capacity(2 * name.len());
        for letter in name.chars() {
            match letters.part(letter) {
                Some(part) => look.push_str(part),
                None => return (self.of_any)(name),
            }
        }
        look
    }
}

/// Where the table ends: after the Latin letters of most languages, Greek, Cyrillic, Armenian and Hebrew.
const LETTERS: u32 = 0x600;

/// The parts that letters have in a look, one after the other.
struct Letters {
    parts: String,
    /// Where the part of each letter begins, and last where the last one ends.
    begins: Vec<u16>,
}

impl Letters {
    fn new(look: &Look) -> Letters {
        let mut letters = Letters { parts: String::new(), begins: vec![0] };
        for letter in (0..LETTERS).map(|letter| char::from_u32(letter).expect("surrogates are far above")) {
            let text = letter.to_string();
            let part = (look.of_any)(&text);
            // A mark finds its place among those of the letter before, so it has no part of its own.
            let is_mark = |text: &str| text.chars().next().is_none_or(|first| canonical_combining_class(first) != 0);
            if !is_mark(&text) && !is_mark(&part) {
                letters.parts.push_str(&part);
            }
            letters.begins.push(letters.parts.len().try_into().expect("a letter has some two octets"));
        }
        letters
    }

    /// The part of a letter; `None` if what it adds depends on the others.
    fn part(&self, letter: char) -> Option<&str> {
        let at = letter as usize;
        let (begin, end) = (*self.begins.get(at)?, *self.begins.get(at + 1)?);
        (begin < end).then(|| &self.parts[usize::from(begin)..usize::from(end)])
    }
}

/// What a name looks like, but for spaces.
pub(super) fn exact(name: &str) -> String {
    spaced_once(EXACT.of(name))
}

/// What a name looks like to one who minds neither case nor composition nor spaces. Two names that share either look can be taken
/// for each other: the one compares letters, so that `BILL` is `bill`, and the other shapes, so that `BlLL` is `BILL`
/// although no letter of it is an i.
pub(super) fn careless(name: &str) -> [String; 2] {
    [&SMALL, &SHAPE].map(|look| spaced_once(look.of(name)))
}

/// What names have in common that are the same but for composition, case and spaces.
pub(super) fn common(name: &str) -> String {
    spaced_once(COMMON.of(name))
}

/// A skeleton without case.
fn shape(name: &str) -> String {
    folded(skeleton(name))
}

/// Without case. By way of the capitals: small ß is capital SS, which is small ss.
fn folded(chars: impl Iterator<Item = char>) -> String {
    chars.flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

/// One space where there are several, and none at the ends.
fn spaced_once(text: String) -> String {
    if !text.starts_with(' ') && !text.ends_with(' ') && !text.contains("  ") {
        return text;
    }
    text.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn looks_are_these() {
        for (name, looks) in [
            ("alice the first", "alice the first"),
            ("Bill I. 10m|", "Bill l. lOrnl"),
            ("\"50%\" `x`", "''5O°/₀'' 'x'"),
            ("аlісе", "alice"),
            ("pαypαl", "paypal"),
            ("ｐａｙ ｐａｌ", "pay pal"),
            ("ca\u{34f}f\u{e9}", "cafe\u{301}"),
        ] {
            assert_eq!(exact(name), looks, "{name}");
        }
        assert_eq!(careless("  Bill  I. 10m| "), ["bill i. lornl", "bill l. lornl"]);
        assert_eq!(careless("ΟΔΥΣΣΕΎΣ")[0], careless("οδυσσεύς")[0]);
        assert_eq!(careless("STRASSE")[0], careless("straße")[0]);
        // What cannot be seen between two spaces leaves them side by side.
        assert_eq!(exact("\u{3164} a \u{34f} \u{2800}b "), "a b");
        assert_eq!(common("  Caf\u{e9}   CAFE\u{301} "), "cafe\u{301} cafe\u{301}");
        // Case and look are different things: these look the same, and neither is the other's capital or small letter.
        assert_ne!(common("alıce"), common("alice"));
        assert_ne!(common("µ"), common("μ"));
    }

    #[test]
    fn a_letter_adds_the_same_between_any_others() {
        for look in [&EXACT, &SMALL, &SHAPE, &COMMON] {
            for letter in (0..LETTERS + 1).filter_map(char::from_u32) {
                // Between letters that end with two marks, out of whose order another one would bring them.
                let name = format!("\u{1ed}{letter}\u{1ed}");
                assert_eq!(look.of(&name), (look.of_any)(&name), "{letter:?}");
            }
            let known =
                (' '..='~').chain('А'..='я').chain('Α'..='Ρ').chain('À'..='ÿ').filter(|&letter| look.letters.part(letter).is_none());
            assert_eq!(known.collect::<String>(), "", "these have no part");
        }
    }

    /// Names of letters that pass for others in all sorts of ways, of odd ones, and of spaces.
    fn names() -> impl Strategy<Value = String> {
        let letters = "aAеiIíıİlL1|oO0оΟσςΣmM кKκßẞǅ\u{301}\u{307}\u{345}\u{34f}ᏸᏰﬁ\"%  ";
        proptest::collection::vec(proptest::sample::select(letters.chars().collect::<Vec<_>>()), 0..8).prop_map(String::from_iter)
    }

    proptest! {
        #[test]
        fn names_are_the_sum_of_their_letters(name in "[ -\u{5ff}]{0,20}", plain in "[ -~]{0,40}") {
            for name in [name, plain] {
                prop_assert_eq!(EXACT.of(&name), (EXACT.of_any)(&name));
                prop_assert_eq!(SMALL.of(&name), (SMALL.of_any)(&name));
                prop_assert_eq!(SHAPE.of(&name), (SHAPE.of_any)(&name));
                prop_assert_eq!(COMMON.of(&name), (COMMON.of_any)(&name));
            }
        }

        #[test]
        fn compositions_of_one_name_are_alike(name in names()) {
            for other in [name.nfc().collect::<String>(), name.nfd().collect()] {
                prop_assert_eq!(exact(&name), exact(&other));
                prop_assert_eq!(careless(&name), careless(&other));
                prop_assert_eq!(common(&name), common(&other));
            }
        }

        #[test]
        fn who_minds_less_sees_no_more_names(name in names(), other in names()) {
            let alike = |name: &str, other: &str| careless(name).iter().any(|look| careless(other).contains(look));
            prop_assert!(exact(&name) != exact(&other) || alike(&name, &other));
            prop_assert!(common(&name) != common(&other) || alike(&name, &other));
            // Decomposed first: capitals of marks that are not in order come in another order.
            let decomposed: String = name.nfd().collect();
            prop_assert!(alike(&name, &decomposed.to_uppercase()) && alike(&name, &decomposed.to_lowercase()));
            let spaced = format!(" {}  ", name.replace(' ', "   "));
            prop_assert!(alike(&name, &spaced) && common(&name) == common(&spaced));
        }
    }
}
