//! Which peers may come in at all, decided from where they come before anything of theirs is read:
//! by address, or on a Unix socket by user and group.
//!
//! What nobody knows is not checked: a host that names a peer in words of its own answers for it.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Instant;

use ipnet::{IpNet, Ipv4Net};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

use crate::core::Options;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::level::Level;
use crate::peer::Peer;
use crate::rate::{Pace, RateLimiter};

/// Machines and users whose refusals are logged one by one. More share one line a second.
const ADDRESSES_MAX: usize = 1024;

/// Bits in front of the IPv4 address in one of IPv6 that stands for it (RFC 4291 section 2.5.5.2).
const MAPPED_BITS: u8 = 96;

/// See the module text.
pub(crate) struct AllowList {
    env: Arc<Env>,
    /// Empty: from everywhere.
    networks: Vec<IpNet>,
    /// Empty, like `groups`: everybody.
    users: Vec<u32>,
    groups: Vec<u32>,
    log_rate: RateLimiter,
}

/// Whose process is at the other end of a Unix socket, as the system knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) uid: u32,
    /// The main group at the time of `connect`.
    pub(crate) gid: u32,
}

impl User {
    /// Asks the system; `None` for other sockets.
    pub(crate) fn behind(socket: &impl AsFd) -> Option<User> {
        let credentials = getsockopt(socket, PeerCredentials).ok()?;
        // On a TCP socket the system answers with a user that nobody can be.
        let user = User { uid: credentials.uid(), gid: credentials.gid() };
        (user.uid != u32::MAX).then_some(user)
    }
}

/// Who was turned away.
#[derive(Debug)]
pub(crate) struct TurnedAway;

impl TurnedAway {
    /// What such a peer hears, where it hears something.
    pub(crate) const REASON: &str = "this address is not allowed here; \
        whoever runs this server can add it to allowed_addresses";
}

impl AllowList {
    /// # Errors
    /// [`Error::Config`] for what is no range of addresses.
    pub(crate) fn new(env: &Arc<Env>, options: &Options) -> Result<AllowList> {
        let ranges = options.allowed_addresses.iter();
        Ok(AllowList {
            env: env.clone(),
            networks: ranges.map(|range| network(range)).collect::<Result<_>>()?,
            users: options.allowed_uids.clone(),
            groups: options.allowed_gids.clone(),
            log_rate: RateLimiter::new(Pace::per_second(1), ADDRESSES_MAX),
        })
    }

    /// Lets `peer` in.
    ///
    /// # Errors
    /// It has to go; counted and logged here.
    pub(crate) fn check(&self, peer: &Peer) -> std::result::Result<(), TurnedAway> {
        let is_allowed = match peer.user {
            Some(user) => self.allows_user(user),
            None => peer.ip.is_none_or(|ip| self.allows_address(ip)),
        };
        if is_allowed {
            return Ok(());
        }
        self.env.counters.peers_turned_away.up();
        let name = peer.user.map_or_else(|| peer.machine.to_string(), |user| user.to_string());
        if self.log_rate.take(&name, Instant::now()).is_ok() {
            let (who, list) = match peer.user {
                Some(_) => (Cow::Owned(name), "allowed_uids or allowed_gids"),
                None => (Cow::Borrowed(&*peer.address), "allowed_addresses"),
            };
            let line = format_args!("{who}: refused, not in {list}");
            self.env.log(Level::Warning, "listener", line);
        }
        Err(TurnedAway)
    }

    fn allows_address(&self, ip: IpAddr) -> bool {
        self.networks.is_empty() || self.networks.iter().any(|network| network.contains(&ip))
    }

    fn allows_user(&self, user: User) -> bool {
        let is_open = self.users.is_empty() && self.groups.is_empty();
        is_open || self.users.contains(&user.uid) || self.groups.contains(&user.gid)
    }
}

impl std::fmt::Display for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "uid {}, gid {}", self.uid, self.gid)
    }
}

/// The IP address in the words of a listener or a host, with a port or without. One of IPv4 inside
/// IPv6 is that of IPv4.
pub(crate) fn ip_of(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let ip = text.parse().map(|address: SocketAddr| address.ip()).or_else(|_| bare.parse());
    ip.ok().map(|ip: IpAddr| ip.to_canonical())
}

/// Reads `192.0.2.0/24`, or an address that is alone.
fn network(text: &str) -> Result<IpNet> {
    let alone = || text.parse::<IpAddr>().ok().map(IpNet::from);
    let Some(network) = text.parse().ok().or_else(alone) else {
        let problem = "is not an address or a range like 192.0.2.0/24 or 2001:db8::/32";
        return Err(Error::Config(format!("allowed address {text:?} {problem}")));
    };
    let IpNet::V6(v6) = network else { return Ok(network) };
    let bits = v6.prefix_len().checked_sub(MAPPED_BITS);
    let v4 = v6.addr().to_ipv4_mapped().zip(bits).map(|(ip, bits)| Ipv4Net::new(ip, bits));
    Ok(v4.and_then(std::result::Result::ok).map_or(network, IpNet::V4))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    fn list(options: &Options) -> AllowList {
        AllowList::new(&Env::new(Limits::default()), options).unwrap()
    }

    fn of_addresses(ranges: &[&str]) -> AllowList {
        let allowed_addresses = ranges.iter().map(|range| (*range).to_owned()).collect();
        list(&Options { allowed_addresses, ..Options::default() })
    }

    #[track_caller]
    fn check(list: &AllowList, address: &str, expected: bool) {
        let peer = Peer::at(address.into(), false);
        assert_eq!(list.check(&peer).is_ok(), expected, "{address}");
    }

    #[test]
    fn addresses_in_a_range_come_in() {
        let list = of_addresses(&["192.0.2.0/24", "10.1.2.3", "2001:db8::/32", "10.9.9.9/16"]);
        for address in [
            "192.0.2.7:80",
            "192.0.2.255",
            "10.1.2.3:1",
            "[::ffff:192.0.2.1]:80",
            "::ffff:10.1.2.3",
            "[2001:db8:1::2]:9",
            "[2001:db8::1]",
            "10.9.0.1",
            // Words of the host.
            "unix",
            "unknown",
            "",
        ] {
            check(&list, address, true);
        }
        for address in ["192.0.3.7:80", "10.1.2.4", "[2001:db9::1]:9", "::1", "[::ffff:1.2.3.4]:5"]
        {
            check(&list, address, false);
        }
        assert_eq!(list.env.counters.peers_turned_away.value(), 5);
        check(&of_addresses(&[]), "198.51.100.1:1", true);
    }

    #[test]
    fn a_range_of_mapped_addresses_is_one_of_ipv4() {
        let list = of_addresses(&["::ffff:192.0.2.0/120", "::ffff:10.0.0.1"]);
        check(&list, "192.0.2.9:1", true);
        check(&list, "[::ffff:10.0.0.1]:1", true);
        check(&list, "192.0.3.9:1", false);
        // Everything of IPv6 has no more to do with IPv4 than it says.
        check(&of_addresses(&["::/0"]), "192.0.2.9:1", false);
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in ["", "localhost", "10.0.0.0/33", "10.0.0.0/", "10.0.0", "::1/129", "*", "1/8"] {
            assert!(network(text).is_err(), "{text}");
        }
    }

    #[test]
    fn users_and_groups() {
        let allows = |uids: &[u32], gids: &[u32], uid, gid| {
            let (allowed_uids, allowed_gids) = (uids.to_vec(), gids.to_vec());
            let list = list(&Options { allowed_uids, allowed_gids, ..Options::default() });
            let peer = Peer { user: Some(User { uid, gid }), ..Peer::at("unix".into(), true) };
            list.check(&peer).is_ok()
        };
        assert!(allows(&[], &[], 7, 8));
        assert!(allows(&[7], &[], 7, 8) && !allows(&[6], &[], 7, 8));
        assert!(allows(&[], &[8], 7, 8) && !allows(&[], &[7], 7, 8));
        assert!(allows(&[0], &[8], 7, 8) && allows(&[7], &[0], 7, 8));
    }

    #[test]
    fn the_system_knows_who_is_behind_a_unix_socket() {
        let (here, _there) = std::os::unix::net::UnixStream::pair().unwrap();
        let user = User::behind(&here).unwrap();
        assert_eq!(user.uid, nix::unistd::getuid().as_raw());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let tcp = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert_eq!(User::behind(&tcp), None);
    }
}
