//! What is measured: one row a workload and server.

use std::time::Duration;

use clap::ValueEnum;

use crate::driver::Outcome;
use crate::logins;
use crate::mqtt::Mqtt;
use crate::pairs::{self, Load};
use crate::redis::Redis;
use crate::server::{Protocol, Server};
use crate::sums::Sums;
use crate::tmtp::Tmtp;

/// Links that come and go at the same time.
const CHURN_LINKS: usize = 16;

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Row {
    /// 100 members, 8 posts of 100 octets on their way
    Pairs100,
    /// 1000 members, 8 posts of 100 octets on their way
    Pairs1000,
    /// 1000 members, 8 posts of 10 kB on their way
    Large,
    /// 2 members, 1 post of 100 octets on its way
    Latency,
    /// A group of 100, one poster
    Group,
    /// Connect, TLS handshake, login, quit
    Logins,
    /// 1000 links that do nothing
    Idle,
}

impl Row {
    pub(crate) const ALL: [Row; 7] = [Row::Pairs100, Row::Pairs1000, Row::Large, Row::Latency, Row::Group, Row::Logins, Row::Idle];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Row::Pairs100 => "100 members, window 8, 100 B",
            Row::Pairs1000 => "1000 members, window 8, 100 B",
            Row::Large => "1000 members, window 8, 10 kB",
            Row::Latency => "2 members, window 1, 100 B",
            Row::Group => "group of 100, one poster, window 8, 100 B",
            Row::Logins => "connect, handshake, login, quit",
            Row::Idle => "1000 idle links",
        }
    }

    fn load(self) -> Option<Load> {
        let (members, window, size) = match self {
            Row::Pairs100 | Row::Group => (100, 8, 100),
            Row::Pairs1000 => (1000, 8, 100),
            Row::Large => (1000, 8, 10_000),
            Row::Latency => (2, 1, 100),
            Row::Logins | Row::Idle => return None,
        };
        Some(Load { members, window, size, in_group: self == Row::Group })
    }

    /// Octets of a message, if any are delivered.
    pub(crate) fn size(self) -> Option<usize> {
        self.load().map(|load| load.size)
    }

    /// Measures a server that has just been started.
    pub(crate) fn measure(self, protocol: Protocol, time: Duration, server: &Server) -> Outcome<Sums> {
        if let Some(load) = self.load() {
            return match protocol {
                Protocol::Tmtp => pairs::run::<Tmtp>(load, time, server),
                Protocol::Mqtt => pairs::run::<Mqtt>(load, time, server),
                Protocol::Redis => pairs::run::<Redis>(load, time, server),
            };
        }
        match (self, protocol) {
            (Row::Idle, Protocol::Tmtp) => logins::idle::<Tmtp>(1000, server),
            (Row::Idle, Protocol::Mqtt) => logins::idle::<Mqtt>(1000, server),
            (Row::Idle, Protocol::Redis) => logins::idle::<Redis>(1000, server),
            (_, Protocol::Tmtp) => logins::churn::<Tmtp>(CHURN_LINKS, time, server),
            (_, Protocol::Mqtt) => logins::churn::<Mqtt>(CHURN_LINKS, time, server),
            (_, Protocol::Redis) => logins::churn::<Redis>(CHURN_LINKS, time, server),
        }
    }
}
