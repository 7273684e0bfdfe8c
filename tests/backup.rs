//! `mnm backup`: of a relay that runs under load, of one at rest, and where it must refuse.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;

use mnm::base::{Entropy, NodeDigest, NodeNo, Seq, Uid, UserNo};
use mnm::record::{Lane, MessageRecord, NodeRecord, Payload, Record, Role, UserRecord};
use mnm::server::{Verified, verify};
use mnm::store::{Directory, Options, Store, backup};

/// One test at a time: a process that one starts has, until it runs its own program, a copy of every lock in this one.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Counting(u8);

impl Entropy for Counting {
    fn fill(&mut self, out: &mut [u8]) {
        self.0 = self.0.wrapping_add(1);
        out.fill(self.0);
    }
}

fn run(data: &Path, to: &Path) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } =
        Command::new(env!("CARGO_BIN_EXE_mnm")).args(["backup", "--data"]).arg(data).arg("--to").arg(to).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap())
}

/// A log with one member, never there, and ten messages for it.
fn write_log(path: &Path) {
    let disk = Directory::open(path).unwrap();
    let mut store = Store::open(disk, Options { segment_bytes: 4 << 20 }, Box::new(Counting(0)), &mut |_, _| Ok(())).unwrap().store;
    let node = NodeRecord { no: NodeNo(0), digest: NodeDigest([1; 32]), label: "phone".into(), made: 0 };
    let (no, uid, next_node) = (UserNo(0), Uid([2; 20]), NodeNo(1));
    let user = UserRecord { no, uid, role: Role::Full, admin: false, aliases: vec![], nodes: vec![node], dropped: 0, next_node };
    store.append(Seq(1), &Record::User(user).encode(), true).unwrap();
    for seq in 2..12 {
        let header = b"0008{\"op\":0}"[..].into();
        let (to, payload) = (vec![NodeNo(0)], Payload::Inline(b"waiting".into()));
        let message = MessageRecord { lane: Lane::Normal, to, held: vec![], header, payload };
        store.append(Seq(seq), &Record::Message(message).encode(), true).unwrap();
    }
    store.close().unwrap();
}

struct Relay(Child, String);

impl Relay {
    fn start(data: &Path) -> Relay {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mnm"));
        command.args(["--listen", "127.0.0.1:0", "--data"]).arg(data).current_dir(data).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the relay starts");
        let mut log = BufReader::new(child.stderr.take().expect("its log is piped"));
        let (mut address, mut line) = (None, String::new());
        while log.read_line(&mut line).expect("its log is text") > 0 && !line.contains("ready") {
            address = line.split_once("take the address =").map(|(_, rest)| rest.trim().trim_end_matches('"').to_owned()).or(address);
            line.clear();
        }
        thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Relay(child, address.expect("the relay tells its address"))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn copies_of_a_running_relay_are_whole_and_start() {
    let _alone = alone();
    let data = tempfile::tempdir().unwrap();
    let copies = tempfile::tempdir().unwrap();
    write_log(data.path());
    let relay = Relay::start(data.path());
    let load = ["simclient", "--members", "20", "--size", "20000", "--time", "600", "--messages", "6000", "--quiet", "--addr", &relay.1];
    let options = simclient::Options::read(load);
    let load = thread::spawn(move || simclient::run(&options));
    let mut taken = 0;
    let mut members = 0;
    while !load.is_finished() || taken == 0 {
        let to = copies.path().join(taken.to_string());
        let (status, said) = run(data.path(), &to);
        assert_eq!(status, Some(0), "{said}");
        let Verified { ledger, .. } = verify(Directory::open_existing(&to).unwrap(), &mut |_, _| {}).expect("the copy is whole");
        let waiting: Vec<Seq> = ledger.queue(NodeNo(0)).owed(Lane::Normal).collect();
        assert_eq!(waiting, (2..12).map(Seq).collect::<Vec<_>>(), "what was owed before the backup and after it is in it");
        assert!(ledger.user_count() >= members, "members come and stay");
        members = ledger.user_count();
        taken += 1;
    }
    let summary = load.join().unwrap().expect("the load could be made");
    assert_eq!((summary.counts.faults(), summary.counts.delivered), (0, summary.counts.sent), "the relay did not mind");
    assert!(members > 1, "{taken} copies, the last one with {members} members");
    drop(relay);
    // The last copy is a data directory like any other, with the certificate that members know.
    let last = copies.path().join((taken - 1).to_string());
    assert_eq!(fs::read(last.join("mnm.crt")).unwrap(), fs::read(data.path().join("mnm.crt")).unwrap());
    drop(Relay::start(&last));
}

/// One thread appends, rolls, forgets and keeps house as fast as it can; the other copies.
#[test]
fn copies_of_a_store_that_never_rests_have_all_that_is_owed() {
    let _alone = alone();
    let data = tempfile::tempdir().unwrap();
    let (durable, forgotten, stop) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let options = Options { segment_bytes: 16 << 10 };
    let open = |path: &Path, visit: &mut dyn FnMut(Seq)| {
        Store::open(Directory::open(path).unwrap(), options, Box::new(Counting(9)), &mut |seq, _| {
            visit(seq);
            Ok(())
        })
    };
    let (tell, begun) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut store = open(data.path(), &mut |_| {}).unwrap().store;
            tell.send(()).unwrap();
            let mut seq = 0;
            while !stop.load(Ordering::Acquire) {
                for _ in 0..8 {
                    seq += 1;
                    store.append(Seq(seq), &vec![seq as u8; seq as usize * 37 % 900], true).unwrap();
                }
                durable.store(store.commit().unwrap().0, Ordering::Release);
                while seq - forgotten.load(Ordering::Acquire) > 100 {
                    // Told before it is done: what may be gone is not asked for.
                    let oldest = forgotten.fetch_add(1, Ordering::AcqRel) + 1;
                    store.forget(Seq(oldest));
                }
                for _ in 0..4 {
                    store.maintain().unwrap();
                }
            }
        });
        begun.recv().unwrap();
        let mut passes = 0;
        for _ in 0..40 {
            let copy = tempfile::tempdir().unwrap();
            let from = durable.load(Ordering::Acquire);
            let copied = backup(&mut Directory::look(data.path()).unwrap(), &mut Directory::open(copy.path()).unwrap(), &mut |_, _| {});
            let gone = forgotten.load(Ordering::Acquire);
            passes += copied.inspect_err(|_| stop.store(true, Ordering::Release)).expect("it settles").passes;
            let mut seen = Vec::new();
            let opened = open(copy.path(), &mut |seq| seen.push(seq.0)).inspect_err(|_| stop.store(true, Ordering::Release));
            opened.expect("the copy is whole").store.check_invariants();
            let missing: Vec<u64> = (gone + 1..=from).filter(|seq| seen.binary_search(seq).is_err()).collect();
            stop.store(!missing.is_empty(), Ordering::Release);
            assert!(missing.is_empty(), "{missing:?} were durable and are owed still");
        }
        stop.store(true, Ordering::Release);
        assert!(passes >= 40);
    });
    assert!(durable.into_inner() > 1000, "the store was busy");
}

#[test]
fn the_copy_is_its_owners_alone() {
    let _alone = alone();
    let data = tempfile::tempdir().unwrap();
    let copies = tempfile::tempdir().unwrap();
    write_log(data.path());
    drop(Relay::start(data.path()));
    let to = copies.path().join("copy");
    // A directory that is there and empty is taken.
    fs::create_dir(&to).unwrap();
    let (status, said) = run(data.path(), &to);
    assert_eq!(status, Some(0), "{said}");
    for word in ["segments", "octets", "1 members", "10 messages waiting", "certificate and key", "seconds"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&to), mode(&to.join("mnm.key"))), (0o700, 0o600));
    let names: Vec<_> = fs::read_dir(&to).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(!names.iter().any(|name| name == "lock" || name.ends_with(".new")), "{names:?}");
    assert_eq!(fs::read_dir(copies.path()).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn what_cannot_be_a_copy_is_refused_with_a_cure() {
    let _alone = alone();
    let parent = tempfile::tempdir().unwrap();
    let (data, full) = (parent.path().join("data"), parent.path().join("full"));
    write_log(&data);
    fs::create_dir(&full).unwrap();
    fs::write(full.join("letter"), "dear").unwrap();
    fs::create_dir(parent.path().join("cut.partial")).unwrap();
    let cases = [
        (&data, full.clone(), "not empty"),
        (&data, full.join("letter"), "cannot be used"),
        (&data, data.clone(), "in the data directory"),
        (&data, data.join("copy"), "in the data directory"),
        (&data, full.join("../data/copy"), "in the data directory"),
        (&data, parent.path().to_owned(), "lies in it"),
        (&data, parent.path().join("no/such/place"), "the directory above"),
        (&data, parent.path().join("cut"), "was cut short"),
        (&parent.path().join("nothing"), parent.path().join("copy"), "cannot be read"),
        (&full, parent.path().join("copy"), "no log"),
    ];
    for (data, to, word) in cases {
        let (status, said) = run(data, &to);
        assert_eq!(status, Some(1), "{said}");
        assert!(said.contains(word) && said.contains(';'), "{word}: {said}");
        assert!(!parent.path().join("copy").exists());
    }
    assert_eq!(fs::read_to_string(full.join("letter")).unwrap(), "dear");
}

#[test]
fn a_damaged_log_gives_no_copy() {
    let _alone = alone();
    let parent = tempfile::tempdir().unwrap();
    let data = parent.path().join("data");
    write_log(&data);
    let file = data.join("0000000001.seg");
    let mut octets = fs::read(&file).unwrap();
    let at = octets.windows(7).position(|window| window == b"waiting").unwrap();
    octets[at] ^= 1;
    fs::write(&file, octets).unwrap();
    let (status, said) = run(&data, &parent.path().join("copy"));
    assert_eq!(status, Some(3), "{said}");
    assert!(said.contains(&file.display().to_string()), "it names the log's own file: {said}");
    assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1, "no half copy is left");
}
