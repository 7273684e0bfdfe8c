//! What the operator decides, in the relay's own words.

use crate::config::{self, Config};
use crate::limits::FAILED_LOGINS_DEFAULT;
use crate::record::Mode;
use crate::relay::{LoginManners, Lookalikes, NameRules, Quotas, Settings, Timeouts};
use crate::wire::Dialect;
use crate::wire::reply::Site;

/// The relay's settings, from the configuration.
pub fn settings(config: &Config) -> Settings {
    let limits = &config.limits;
    let auth_by = serde_json::Value::Array(config.authby.iter().map(config::AuthBy::greeting).collect());
    Settings {
        site: Site { name: config.name.clone(), auth_by: config.auth_required.then_some(auth_by) },
        token_required: config.auth_required,
        register: match config.register {
            config::Register::Open => Mode::Open,
            config::Register::Invite => Mode::Invite,
            config::Register::Closed => Mode::Closed,
        },
        names: NameRules {
            min_chars: config.names.min_chars,
            reserved: config.names.reserved.clone(),
            lookalikes: match config.names.lookalikes {
                config::Lookalikes::Allow => Lookalikes::Allow,
                config::Lookalikes::Refuse => Lookalikes::Refuse,
                config::Lookalikes::Strict => Lookalikes::Strict,
            },
        },
        quotas: Quotas {
            pings: limits.pings_per_day,
            failed_pings: limits.failed_pings,
            queue_messages: limits.queue_messages,
            queue_bytes: limits.queue_bytes,
            group_members: limits.group_members,
            groups: limits.groups_per_member,
            aliases: limits.aliases_per_member,
            nodes: limits.nodes_per_member,
            member_invites: limits.member_invites,
            wrong_codes: limits.wrong_codes_per_hour,
        },
        dialect: match config.dialect {
            config::Dialect::Auto => Dialect::Unlatched,
            config::Dialect::Draft2018 => Dialect::Draft2018,
            config::Dialect::Draft2020 => Dialect::Draft2020,
        },
        timeouts: Timeouts {
            login: limits.login_timeout,
            idle: limits.idle_timeout,
            redelivery: limits.redelivery_timeout,
            takeover: limits.takeover_silence,
            stall: limits.stall_timeout,
            linger: limits.linger_timeout,
        },
        login_manners: LoginManners {
            free: limits.failed_logins.unwrap_or(FAILED_LOGINS_DEFAULT),
            spares_own: limits.failed_logins.is_none(),
        },
        upload_rate: limits.upload_min_bytes_per_s,
        window: limits.window_deliveries,
        message_max: limits.message_max_bytes,
        ..Settings::default()
    }
}
