//! The blocking client against a relay, and against links that break.

mod relay;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use mnm_client::request::{self, Data, GroupChange};
use mnm_client::{Account, Client, Content, Error, LinkError, Options, Recipient, Registration, Site, Trust};
use relay::with_relay;

const PATIENCE: Duration = Duration::from_secs(20);

fn member(address: &str, alias: &str) -> (Client, Account) {
    let mut client = Client::connect(&Site::new(address).unwrap(), Options::default()).unwrap();
    let registration = Registration { label: "test", alias: Some(alias), ..Registration::default() };
    let registered = client.register(&registration).unwrap();
    assert_eq!(registered.error, None);
    (client, registered.account)
}

/// The next message of a kind; others are acked.
fn next(client: &mut Client, op: &str) -> mnm_client::Message {
    loop {
        let message = client.receive(PATIENCE).unwrap().unwrap_or_else(|| panic!("no {op} came"));
        client.ack(message.header.id());
        if message.header.op() == op {
            return message;
        }
    }
}

#[test]
fn every_request_is_understood() {
    with_relay(|address| {
        let (mut alice, _) = member(&address, "alice liddell");
        let (mut bob, bobs) = member(&address, "bob the builder");
        assert!(alice.has("ask") && alice.greeting().text("name") == "mnm");
        alice.ping("alice liddell", "bob the builder", "it is me")?;
        let ping = next(&mut bob, "ping");
        assert_eq!((ping.header.text("alias"), ping.content.into_bytes().unwrap()), ("alice liddell", b"it is me".to_vec()));
        alice.request(|out, id| request::group_invite(out, id, "wonderland", "alice liddell", "bob the builder", 0))?;
        assert_eq!(next(&mut bob, "invite").header.text("gid"), "wonderland");
        bob.request(|out, id| request::group_edit(out, id, "wonderland", GroupChange::Join(None)))?;
        let ack = alice.post(&[Recipient::group("wonderland")], Some("{}"), &b"to all"[..])?;
        let delivery = next(&mut bob, "delivery");
        assert_eq!(ack.msg_id.as_deref(), Some(delivery.header.id()));
        assert_eq!((delivery.header.number("datahead"), delivery.header.number("datalen")), (2, 8));
        assert_eq!(delivery.header.number("datasum"), u64::from(crc32c::crc32c(b"{}to all")));
        alice.request(|out, id| request::ohi_edit(out, id, &[&bobs.uid], "add"))?;
        bob.tend(Duration::from_millis(200))?;
        assert_eq!(bob.take_presence().unwrap().number("status"), 1);
        assert_eq!(bob.online().len(), 1);
        let roster = alice.ask("roster", Some("wonderland"))?;
        assert_eq!(roster.len(), 2);
        let refused = alice.ping("alice liddell", "nobody at all", "").unwrap_err();
        assert!(matches!(&refused, Error::Refused(why) if why.contains("nobody at all")), "{refused}");
        alice.quit()?;
        bob.quit()
    });
}

#[test]
fn large_messages_go_through_files_and_are_the_same() {
    with_relay(|address| {
        let (mut alice, _) = member(&address, "alice liddell");
        let (mut bob, bobs) = member(&address, "bob the builder");
        let octets: Vec<u8> = (0..5_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&octets).unwrap();
        alice.post(&[Recipient::user(&bobs.uid)], None, file)?;
        let message = next(&mut bob, "delivery");
        assert!(matches!(message.content, Content::File { len: 5_000_000, .. }));
        assert!(message.content.into_bytes().unwrap() == octets);
        assert!(matches!(alice.post(&[Recipient::user(&bobs.uid)], None, &b""[..]), Err(Error::Usage(_))));
        Ok(())
    });
}

#[test]
fn who_only_sends_leaves_messages_with_the_relay() {
    with_relay(|address| {
        let (mut alice, _) = member(&address, "alice liddell");
        let (bob, bobs) = member(&address, "bob the builder");
        bob.quit()?;
        alice.post(&[Recipient::user(&bobs.uid)], None, &b"kept"[..])?;
        let site = Site::new(&address)?;
        let mut sender = Client::connect(&site, Options { receives: false, ..Options::default() })?;
        sender.login(&bobs)?;
        sender.tend(Duration::from_millis(300))?;
        sender.quit()?;
        let mut bob = Client::connect(&site, Options::default())?;
        bob.login(&bobs)?;
        assert_eq!(next(&mut bob, "delivery").content.into_bytes().unwrap(), b"kept");
        Ok(())
    });
}

/// One more notice waits with each login of a device that nobody receives with, unless it takes its own.
#[test]
fn who_only_sends_does_not_pile_up_notices_of_its_own_logins() {
    with_relay(|address| {
        let (client, account) = member(&address, "alice liddell");
        client.quit()?;
        let waiting = |label: Option<&str>| -> Result<u64, Error> {
            let mut last = 0;
            for _ in 0..5 {
                let options = Options { receives: false, label: label.map(str::to_owned), ..Options::default() };
                let mut sender = Client::connect(&Site::new(&address)?, options)?;
                sender.login(&account)?;
                sender.post(&[], None, &b"to nobody"[..])?;
                last = sender.ask("queue", None)?[0]["count"].as_u64().unwrap();
                sender.quit()?;
            }
            Ok(last)
        };
        assert_eq!(waiting(Some("another device"))?, 5, "another device's logins are news");
        assert!(waiting(Some("test"))? <= 1, "the notice of this login may be on its way");
        Ok(())
    });
}

/// Between the octets of a large message nothing else goes out: no pulse, and no ack of what comes meanwhile.
#[test]
fn nothing_comes_between_the_octets_of_a_message() {
    with_relay(|address| {
        let (mut alice, alices) = member(&address, "alice liddell");
        let (bob, bobs) = member(&address, "bob the builder");
        bob.quit()?;
        let octets: Vec<u8> = (0..8_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        for _ in 0..4 {
            alice.post(&[Recipient::user(&bobs.uid)], None, &octets[..3_000_000])?;
        }
        // The notice of his login comes behind all that, while he sends; and he is quiet for much longer than he should.
        let options = Options { receives: false, label: Some("test".into()), pulse: Duration::from_nanos(1), ..Options::default() };
        let mut sender = Client::connect(&Site::new(&address)?, options)?;
        sender.login(&bobs)?;
        for _ in 0..3 {
            sender.post(&[Recipient::user(&alices.uid)], None, &octets[..])?;
            assert!(next(&mut alice, "delivery").content.into_bytes().unwrap() == octets);
        }
        assert_eq!(sender.reconnects(), 0);
        sender.quit()
    });
}

#[test]
fn refusals_are_final_and_say_why() {
    with_relay(|address| {
        let site = Site::new(&address)?;
        let mut client = Client::connect(&site, Options::default())?;
        let pinned = client.fingerprint().unwrap();
        let nobody = Account { uid: "%".repeat(32), node: "%".repeat(40) };
        assert!(matches!(client.login(&nobody), Err(Error::Link(LinkError::Quit(why))) if why == "login failed"));
        Client::connect(&site.clone().trusting(Trust::Fingerprint(pinned)), Options::default())?;
        let other = Client::connect(&site.clone().trusting(Trust::Fingerprint([7; 32])), Options::default());
        assert!(other.unwrap_err().to_string().contains("its fingerprint is"));
        let (_kept, account) = member(&address, "alice liddell");
        let mut second = Client::connect(&site, Options { patience: Duration::ZERO, ..Options::default() })?;
        let busy = second.login(&account).unwrap_err();
        assert!(matches!(&busy, Error::Link(LinkError::Quit(why)) if why == "node already connected"), "{busy}");
        Ok(())
    });
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = Client::connect(&Site::new(&nobody.to_string()).unwrap(), Options { patience: Duration::ZERO, ..Options::default() });
    assert!(matches!(refused, Err(Error::Link(LinkError::Io(_)))));
}

#[test]
fn what_another_program_asks_is_passed_on_with_its_data_and_all_of_the_answer() {
    with_relay(|address| {
        let (mut alice, _) = member(&address, "alice liddell");
        let (mut bob, bobs) = member(&address, "bob the builder");
        let write = |out: &mut Vec<u8>, id: &str| request::post(out, id, &[Recipient::user(&bobs.uid)], Data { len: 4, ..Data::default() });
        let answer = alice.pass_on(write, &b"four and more"[..], 4)?;
        let delivery = next(&mut bob, "delivery");
        assert_eq!((answer.op(), answer.text("msgid")), ("ack", delivery.header.id()));
        assert_eq!(delivery.content.into_bytes().unwrap(), b"four");
        let answer = alice.pass_on(|out, id| request::ask(out, id, "account", None, None), &b""[..], 0)?;
        assert_eq!((answer.op(), answer.list("list").len()), ("result", 1));
        Ok(())
    });
}

#[test]
fn who_tends_a_link_can_be_woken_by_something_else() {
    with_relay(|address| {
        let (mut alice, _) = member(&address, "alice liddell");
        let (wake, mut waker) = std::os::unix::net::UnixStream::pair().unwrap();
        waker.write_all(b"!").unwrap();
        // Far beyond the patience of any test: only the waking ends it.
        alice.tend_until(wake.as_fd(), Duration::from_secs(3600))?;
        drop(waker);
        alice.tend_until(wake.as_fd(), Duration::from_secs(3600))
    });
}

/// Carries octets between a client and the relay, and cuts what it carries when it is told to, after so many octets.
struct Cutter {
    address: String,
    cut: Arc<AtomicBool>,
}

impl Cutter {
    fn before(relay: String, octets: usize) -> Cutter {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let cut = Arc::new(AtomicBool::new(false));
        let flag = cut.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(&relay) else { return };
                let back = (server.try_clone().unwrap(), client.try_clone().unwrap());
                thread::spawn(move || std::io::copy(&mut &back.0, &mut &back.1).map(drop));
                let flag = flag.clone();
                thread::spawn(move || carry(&client, &server, &flag, octets));
            }
        });
        Cutter { address, cut }
    }
}

fn carry(mut from: &TcpStream, mut to: &TcpStream, cut: &AtomicBool, octets: usize) {
    let (mut buffer, mut left) = ([0; 4096], octets);
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if cut.load(Ordering::SeqCst) {
            left = left.saturating_sub(count);
            if left == 0 {
                cut.store(false, Ordering::SeqCst);
                break;
            }
        }
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

#[test]
fn a_link_that_is_cut_in_the_middle_of_a_message_costs_no_message() {
    with_relay(|address| {
        let (mut bob, bobs) = member(&address, "bob the builder");
        let cutter = Cutter::before(address, 300_000);
        let (mut alice, _) = member(&cutter.address, "alice liddell");
        let octets: Vec<u8> = (0..1_000_000u32).map(|n| (n % 251) as u8).collect();
        cutter.cut.store(true, Ordering::SeqCst);
        alice.post(&[Recipient::user(&bobs.uid)], None, &octets[..])?;
        assert_eq!(alice.reconnects(), 1);
        assert!(next(&mut bob, "delivery").content.into_bytes().unwrap() == octets);
        assert!(!cutter.cut.load(Ordering::SeqCst), "the link was cut");
        Ok(())
    });
}
