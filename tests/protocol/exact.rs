//! Octet for octet: the relay's core has the document's clock, and draws the secrets that the document shows.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use mnm::base::{Entropy, Wall};
use serde_json::{Value, json};

use super::example::{Block, Step, What, escape, parts};
use crate::common::core::Core;
use crate::common::frame::{Intake, decode, read_time};
use crate::common::site::{Link, Received, Site};

/// What the document shows of secrets, in its order; the relay gets them for random ones.
#[derive(Debug, Default)]
pub(crate) struct Script {
    uids: VecDeque<String>,
    nodes: VecDeque<String>,
    codes: VecDeque<String>,
    /// Where they come from when the document shows no more; 0: nowhere, it should.
    pub(crate) seed: u64,
}

impl Script {
    /// What the frames of one site show.
    pub(crate) fn of<'a>(frames: impl Iterator<Item = &'a [u8]>) -> Script {
        let mut script = Script::default();
        for frame in frames {
            let Some(header) = parts(frame).and_then(|parts| serde_json::from_str::<Value>(parts.header).ok()) else { continue };
            let note = |list: &mut VecDeque<String>, value: &Value| {
                let value = value.as_str().unwrap_or_default().to_owned();
                if !value.is_empty() && !list.contains(&value) {
                    list.push_back(value);
                }
            };
            if header["op"] == "registered" {
                note(&mut script.uids, &header["uid"]);
            }
            note(&mut script.nodes, &header["nodeid"]);
            header["list"].as_array().into_iter().flatten().for_each(|entry| note(&mut script.codes, &entry["code"]));
        }
        script
    }

    fn draw(&mut self, out: &mut [u8]) {
        let shown = match out.len() {
            20 => self.uids.pop_front().map(|uid| decode(&uid)),
            25 => self.nodes.pop_front().map(|node| decode(&node)),
            8 => self.codes.pop_front().map(|code| number_of(&code).to_be_bytes().to_vec()),
            len => panic!("the relay draws {len} octets, which the document knows nothing of"),
        };
        match shown {
            Some(octets) => out.copy_from_slice(&octets),
            None if self.seed == 0 => panic!("the relay draws {} octets that the document does not show", out.len()),
            None => out.iter_mut().for_each(|octet| {
                self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                *octet = (self.seed >> 56) as u8;
            }),
        }
    }
}

/// The number whose digits an invite code's first fourteen characters are.
fn number_of(code: &str) -> u64 {
    let digit = |c: u8| b"3479ACDEFGHJKMNPQRTUWXY".iter().position(|known| *known == c).expect("a character of codes") as u64;
    code.bytes().filter(|c| *c != b'-').take(14).fold(0, |number, c| number * 23 + digit(c))
}

/// Entropy from a script.
struct Scripted(Rc<RefCell<Script>>);

impl Entropy for Scripted {
    fn fill(&mut self, out: &mut [u8]) {
        self.0.borrow_mut().draw(out);
    }
}

/// A relay at the document's time.
pub(crate) struct Stage {
    site: Option<Core>,
    config: Value,
    script: Rc<RefCell<Script>>,
    now: Wall,
    links: BTreeMap<String, OpenLink>,
}

struct OpenLink {
    link: Box<dyn Link>,
    /// Judges what comes: all that holds for every frame.
    intake: Intake,
}

impl Stage {
    /// Nothing yet: the first line is `site`, the second `at`.
    pub(crate) fn new() -> Stage {
        Stage { site: None, config: json!({}), script: Rc::default(), now: Wall(0), links: BTreeMap::new() }
    }

    pub(crate) fn open_site(&mut self, config: &Value, script: Script) {
        *self = Stage { config: config.clone(), script: Rc::new(RefCell::new(script)), ..Stage::new() };
    }

    pub(crate) fn put_clock(&mut self, date: Wall) {
        match &mut self.site {
            None => {
                let script = self.script.clone();
                let entropy = Box::new(move || Box::new(Scripted(script.clone())) as Box<dyn Entropy>);
                self.site = Some(Core::start_at(&self.config, date, entropy).expect("a relay"));
            }
            Some(site) => site.pass(Duration::from_nanos(date.0.checked_sub(self.now.0).expect("time goes on"))),
        }
        self.now = date;
    }

    pub(crate) fn connect(&mut self, name: &str) {
        let site = self.site.as_mut().expect("`site`, then `at`, then links");
        let link = OpenLink { link: site.connect(None).expect("a link"), intake: Intake::default() };
        assert!(self.links.insert(name.to_owned(), link).is_none(), "{name} has a link already");
    }

    fn link(&mut self, name: &str) -> &mut OpenLink {
        self.links.get_mut(name).unwrap_or_else(|| panic!("{name} is not connected"))
    }

    pub(crate) fn send(&mut self, name: &str, octets: &[u8]) {
        self.link(name).link.send(octets);
    }

    /// The next frame, judged. `Err` says why there is none.
    pub(crate) fn next(&mut self, name: &str) -> Result<Vec<u8>, &'static str> {
        let open = self.link(name);
        match open.link.receive(Duration::ZERO) {
            Received::Record(frame) => {
                // What waited is older than the date; its id must fit its own time.
                let header = parts(&frame).and_then(|parts| serde_json::from_str::<Value>(parts.header).ok()).unwrap_or_default();
                open.intake.date = read_time(&header["posted"]).ok();
                open.intake.record(&frame);
                let judged = open.intake.frame();
                assert!(matches!(judged, Ok(Some(_))), "{judged:?}");
                Ok(frame)
            }
            Received::Closed => Err("the end of the link"),
            Received::Nothing => Err("nothing"),
        }
    }

    pub(crate) fn close(&mut self, name: &str) {
        let open = self.links.remove(name).unwrap_or_else(|| panic!("{name} is not connected"));
        open.link.close();
    }

    /// Forgets a link that the relay has closed; the frame that came instead, or why nothing did.
    pub(crate) fn is_closed(&mut self, name: &str) -> Result<(), String> {
        match self.next(name) {
            Err("the end of the link") => {
                self.links.remove(name);
                Ok(())
            }
            Err(other) => Err(other.to_owned()),
            Ok(frame) => Err(escape(&frame)),
        }
    }

    /// What came and no line has shown: frames, and ends of links (`None`).
    pub(crate) fn rest(&mut self) -> Vec<(String, Option<Vec<u8>>)> {
        let names: Vec<String> = self.links.keys().cloned().collect();
        let mut rest = Vec::new();
        for name in names {
            loop {
                match self.next(&name) {
                    Ok(frame) => rest.push((name.clone(), Some(frame))),
                    Err("nothing") => break,
                    Err(_) => {
                        rest.push((name.clone(), None));
                        break;
                    }
                }
            }
        }
        rest
    }
}

/// The frames from the relay in the blocks from this place on, up to the next site.
pub(crate) fn frames_from<'a>(steps: impl Iterator<Item = &'a Step>) -> impl Iterator<Item = &'a [u8]> {
    steps.take_while(|step| !matches!(step.what, What::Site(_))).filter_map(|step| match &step.what {
        What::Gets(_, octets) => Some(&octets[..]),
        _ => None,
    })
}

/// Replays all blocks; says where the document and the relay differ first.
pub(crate) fn replay(blocks: &[Block]) -> Result<(), String> {
    let mut stage = Stage::new();
    for (number, block) in blocks.iter().enumerate() {
        for (at, step) in block.steps.iter().enumerate() {
            let wrong = |what: String| Err(format!("line {}: {what}", step.line));
            match &step.what {
                What::Site(config) => {
                    let later = block.steps[at + 1..].iter().chain(blocks[number + 1..].iter().flat_map(|block| &block.steps));
                    stage.open_site(config, Script::of(frames_from(later)));
                }
                What::At(date) => stage.put_clock(*date),
                What::Connects(name) => stage.connect(name),
                What::Sends(name, octets) => stage.send(name, octets),
                What::Gets(name, due) => match stage.next(name) {
                    Ok(frame) if frame == *due => {}
                    Ok(frame) => return wrong(format!("{name} gets\n  {}\nand should get\n  {}", escape(&frame), escape(due))),
                    Err(nothing) => return wrong(format!("{name} gets {nothing}, and should get\n  {}", escape(due))),
                },
                What::Closes(name) => stage.close(name),
                What::IsClosed(name) => {
                    if let Err(other) = stage.is_closed(name) {
                        return wrong(format!("{name} should be closed, and gets {other}"));
                    }
                }
            }
        }
        let last = block.steps.last().map_or(0, |step| step.line);
        if let Some((name, frame)) = stage.rest().first() {
            let frame = frame.as_ref().map_or("the end of the link".to_owned(), |frame| escape(frame));
            return Err(format!("line {last}: the block ends, and {name} gets besides\n  {frame}"));
        }
    }
    Ok(())
}
