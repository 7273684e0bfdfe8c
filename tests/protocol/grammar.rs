//! The document's ABNF (RFC 5234 and 7405), read and matched. Small and slow: it follows every way a text can be read.

use std::collections::{BTreeMap, BTreeSet};

use unicode_general_category::{GeneralCategory, get_general_category};

/// What the document takes from elsewhere: the core rules of RFC 5234, and JSON as RFC 8259 has it.
const BORROWED: &str = r#"
ALPHA  = %x41-5A / %x61-7A
DIGIT  = %x30-39
DQUOTE = %x22
HEXDIG = DIGIT / "A" / "B" / "C" / "D" / "E" / "F"
OCTET  = %x00-FF
SP     = %x20
ws     = *( %x20 / %x09 / %x0A / %x0D )
json   = ws ( %s"false" / %s"null" / %s"true" / object / array / number / string ) ws
object = ws "{" ws [ member *( ws "," ws member ) ] ws "}" ws
member = string ws ":" ws json
array  = ws "[" ws [ json *( ws "," ws json ) ] ws "]" ws
number = [ "-" ] ( "0" / ( %x31-39 *DIGIT ) ) [ "." 1*DIGIT ] [ "e" [ "-" / "+" ] 1*DIGIT ]
string = %x22 *char %x22
char   = %x20-21 / %x23-5B / %x5D-10FFFF / "\" ( %x22 / "\" / "/" / %s"b" / %s"f" / %s"n" / %s"r" / %s"t" / ( %s"u" 4HEXDIG ) )
"#;

#[derive(Debug, Clone)]
enum Node {
    Rule(String),
    /// One character of this range.
    Range(u32, u32),
    /// These characters; without regard to the case of ASCII letters if `false`.
    Text(String, bool),
    All(Vec<Node>),
    Any(Vec<Node>),
    Repeat(usize, usize, Box<Node>),
    /// What a sentence describes.
    Prose(String),
}

/// Rules by name.
#[derive(Debug)]
pub(crate) struct Grammar(BTreeMap<String, Node>);

impl Grammar {
    /// Reads all `abnf` blocks of the document, besides what it borrows.
    pub(crate) fn of(document: &str) -> Grammar {
        let mut grammar = Grammar(BTreeMap::new());
        grammar.read(BORROWED.lines());
        for block in super::fenced(document, "abnf") {
            grammar.read(block.into_iter().map(|(_, line)| line));
        }
        grammar.check_references();
        grammar
    }

    /// Reads rules, one a line.
    fn read<'a>(&mut self, lines: impl Iterator<Item = &'a str>) {
        for line in lines {
            let line = without_remark(line).trim();
            if line.is_empty() {
                continue;
            }
            let (name, rest) = line.split_once('=').unwrap_or_else(|| panic!("no rule: {line}"));
            let (more, rest) = rest.strip_prefix('/').map_or((false, rest), |rest| (true, rest));
            let mut reader = Reader { rest: rest.trim() };
            let node = reader.alternatives();
            assert!(reader.rest.is_empty(), "what is {:?} in {line}?", reader.rest);
            let name = name.trim().to_owned();
            let before = self.0.remove(&name);
            assert_eq!(before.is_some(), more, "{name} is defined {}", if more { "by more, and not before" } else { "twice" });
            let node = before.map_or(node.clone(), |before| Node::Any(vec![before, node]));
            self.0.insert(name, node);
        }
    }

    fn check_references(&self) {
        let mut nodes: Vec<&Node> = self.0.values().collect();
        while let Some(node) = nodes.pop() {
            match node {
                Node::Rule(name) => assert!(self.0.contains_key(name), "{name} is defined nowhere"),
                Node::All(parts) | Node::Any(parts) => nodes.extend(parts),
                Node::Repeat(_, _, part) => nodes.push(part),
                Node::Prose(words) => assert!(described(words, 'a'), "nothing is known of <{words}>"),
                Node::Range(..) | Node::Text(..) => {}
            }
        }
    }

    /// The names of all rules that are the document's own.
    pub(crate) fn names(&self) -> BTreeSet<&str> {
        let borrowed: BTreeSet<&str> = BORROWED.lines().filter_map(|line| Some(line.split_once('=')?.0.trim())).collect();
        self.0.keys().map(String::as_str).filter(|name| !borrowed.contains(name)).collect()
    }

    /// Whether the whole text is what a rule describes.
    pub(crate) fn matches(&self, rule: &str, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let begin = BTreeSet::from([0]);
        self.ends(&Node::Rule(rule.to_owned()), &text, &begin).contains(&text.len())
    }

    /// Where a node can end that begins at any of these places.
    fn ends(&self, node: &Node, text: &[char], begins: &BTreeSet<usize>) -> BTreeSet<usize> {
        // Rules that name themselves would be followed for ever.
        if begins.is_empty() {
            return BTreeSet::new();
        }
        let one =
            |fits: &dyn Fn(char) -> bool| begins.iter().filter(|at| text.get(**at).is_some_and(|c| fits(*c))).map(|at| at + 1).collect();
        match node {
            Node::Rule(name) => self.ends(self.0.get(name).unwrap_or_else(|| panic!("no rule {name}")), text, begins),
            Node::Range(first, last) => one(&|c| (*first..=*last).contains(&u32::from(c))),
            Node::Prose(words) => one(&|c| described(words, c)),
            Node::Text(due, exact) => {
                let due: Vec<char> = due.chars().collect();
                let same = |(a, b): (&char, &char)| if *exact { a == b } else { a.eq_ignore_ascii_case(b) };
                let fits = |at: &&usize| text.get(**at..**at + due.len()).is_some_and(|part| part.iter().zip(&due).all(same));
                begins.iter().filter(fits).map(|at| at + due.len()).collect()
            }
            Node::All(parts) => parts.iter().fold(begins.clone(), |begins, part| self.ends(part, text, &begins)),
            Node::Any(parts) => parts.iter().flat_map(|part| self.ends(part, text, begins)).collect(),
            Node::Repeat(least, most, part) => {
                let mut now = begins.clone();
                let mut all = if *least == 0 { now.clone() } else { BTreeSet::new() };
                for times in 1..=*most {
                    now = self.ends(part, text, &now);
                    // Nothing new comes of what has been seen, once the least number is reached.
                    if times > *least {
                        now = now.difference(&all).copied().collect();
                    }
                    if now.is_empty() {
                        break;
                    }
                    if times >= *least {
                        all.extend(&now);
                    }
                }
                all
            }
        }
    }
}

/// The sentences that stand for characters.
fn described(words: &str, c: char) -> bool {
    use GeneralCategory::{Control, Format, LineSeparator, ParagraphSeparator, PrivateUse, SpaceSeparator, Surrogate, Unassigned};
    match words {
        "a character of Unicode's general categories L, M, N, P and S" => {
            let others = [Control, Format, LineSeparator, ParagraphSeparator, PrivateUse, SpaceSeparator, Surrogate, Unassigned];
            !others.contains(&get_general_category(c))
        }
        _ => false,
    }
}

/// A line without what stands behind a semicolon, but for one in quotes.
fn without_remark(line: &str) -> &str {
    let mut quoted = false;
    let end = line.find(|c| {
        quoted ^= c == '"';
        c == ';' && !quoted
    });
    &line[..end.unwrap_or(line.len())]
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn eat(&mut self, token: &str) -> bool {
        let rest = self.rest.strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest).trim_start();
        rest.is_some()
    }

    fn take(&mut self, is_part: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn alternatives(&mut self) -> Node {
        let mut ways = vec![self.sequence()];
        while self.eat("/") {
            ways.push(self.sequence());
        }
        if ways.len() == 1 { ways.remove(0) } else { Node::Any(ways) }
    }

    fn sequence(&mut self) -> Node {
        let mut parts = Vec::new();
        while !self.rest.is_empty() && !self.rest.starts_with(['/', ')', ']']) {
            parts.push(self.repetition());
            self.rest = self.rest.trim_start();
        }
        assert!(!parts.is_empty(), "nothing stands before {:?}", self.rest);
        if parts.len() == 1 { parts.remove(0) } else { Node::All(parts) }
    }

    fn repetition(&mut self) -> Node {
        let number = |digits: &str| if digits.is_empty() { None } else { Some(digits.parse::<usize>().expect("digits")) };
        let least = number(self.take(|c| c.is_ascii_digit()));
        if let Some(rest) = self.rest.strip_prefix('*') {
            self.rest = rest;
            let most = number(self.take(|c| c.is_ascii_digit()));
            return Node::Repeat(least.unwrap_or(0), most.unwrap_or(usize::MAX), Box::new(self.element()));
        }
        match least {
            Some(times) => Node::Repeat(times, times, Box::new(self.element())),
            None => self.element(),
        }
    }

    fn element(&mut self) -> Node {
        if self.eat("(") {
            let node = self.alternatives();
            assert!(self.eat(")"), "no end of a group before {:?}", self.rest);
            return node;
        }
        if self.eat("[") {
            let node = self.alternatives();
            assert!(self.eat("]"), "no end of an option before {:?}", self.rest);
            return Node::Repeat(0, 1, Box::new(node));
        }
        if let Some(rest) = self.rest.strip_prefix('<') {
            let (words, rest) = rest.split_once('>').expect("prose ends");
            self.rest = rest;
            return Node::Prose(words.to_owned());
        }
        if let Some(rest) = self.rest.strip_prefix("%x") {
            self.rest = rest;
            let hex = |digits: &str| u32::from_str_radix(digits, 16).expect("hex digits");
            let first = hex(self.take(|c| c.is_ascii_hexdigit()));
            let last = match self.rest.strip_prefix('-') {
                None => first,
                Some(rest) => {
                    self.rest = rest;
                    hex(self.take(|c| c.is_ascii_hexdigit()))
                }
            };
            return Node::Range(first, last);
        }
        let exact = self.rest.starts_with("%s");
        self.rest = self.rest.strip_prefix("%s").unwrap_or(self.rest);
        if let Some(rest) = self.rest.strip_prefix('"') {
            let (text, rest) = rest.split_once('"').expect("a quote ends");
            self.rest = rest;
            return Node::Text(text.to_owned(), exact);
        }
        let name = self.take(|c| c.is_ascii_alphanumeric() || c == '-');
        assert!(!name.is_empty(), "what is {:?}?", self.rest);
        Node::Rule(name.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grammar(rules: &str) -> Grammar {
        let mut grammar = Grammar(BTreeMap::new());
        grammar.read(rules.lines());
        grammar.check_references();
        grammar
    }

    #[test]
    fn rules_match_what_they_say() {
        let grammar =
            grammar("a = 2*3\"x\" [ b ] ; a remark\nb = %s\"Y\" / ( \"z\" *%x30-39 )\nc = *( \"x\" / \"xx\" ) \"x\" ; ways\nb =/ \";\"");
        for (rule, text, fits) in [
            ("a", "xx", true),
            ("a", "xXxY", true),
            ("a", "x", false),
            ("a", "xxxx", false),
            ("a", "xxy", false),
            ("a", "xxZ007", true),
            ("a", "xx;", true),
            ("c", "xxxx", true),
            ("c", "", false),
        ] {
            assert_eq!(grammar.matches(rule, text), fits, "{rule} {text}");
        }
    }

    #[test]
    fn mistakes_in_rules_are_found() {
        for wrong in ["a = b", "a = \"x", "a = ( \"x\"", "a = \"x\"\na = \"y\"", "a =/ \"x\"", "a = <whatever>", "a", "a = \"x\" / "] {
            assert!(std::panic::catch_unwind(|| grammar(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn json_is_json() {
        let grammar = grammar(BORROWED);
        for (text, fits) in
            [(r#"{"a":[1,-2.5e3,"\u00e9é\n"], "b" : {}}"#, true), (r#"{"a":01}"#, false), ("{\"a\":\"\n\"}", false), ("[]", false)]
        {
            assert_eq!(grammar.matches("object", text), fits, "{text}");
        }
    }
}
