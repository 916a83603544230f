//! How often each client may do something that costs the host more than it looks.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::sync::lock;

/// How fast the tokens of a bucket come back, and how many it holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Time that one token takes to come back.
    interval: Duration,
    /// Time that a whole bucket takes.
    capacity: Duration,
}

/// When the bucket is full again; that alone tells how many tokens it holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket(Instant);

/// A token bucket for each identity, in bounded memory.
///
/// When there is no room for one more identity, all further ones share one bucket: whoever invents
/// identities shares with himself, and dropping a bucket instead would fill it again.
pub(crate) struct RateLimiter {
    pace: Pace,
    identities_max: usize,
    state: Mutex<State>,
}

struct State {
    /// Never above `identities_max`.
    buckets: HashMap<Box<str>, Bucket>,
    /// Of all identities that found no room.
    shared: Bucket,
    /// No bucket of `buckets` is full before: looking for one earlier is in vain.
    sweep_at: Instant,
}

impl Pace {
    /// `burst` at once and `count` within each `period` in the long run; zero counts as one.
    pub(crate) fn new(count: u32, period: Duration, burst: u32) -> Pace {
        let interval = period / count.max(1);
        Pace { interval, capacity: interval.saturating_mul(burst.max(1)) }
    }

    /// The same with as many in reserve.
    pub(crate) fn per_second(count: u32) -> Pace {
        Pace::new(count, Duration::from_secs(1), count)
    }

    /// The same for what is rare.
    pub(crate) fn per_minute(count: u32) -> Pace {
        Pace::new(count, Duration::from_secs(60), count)
    }
}

impl Bucket {
    /// A full one.
    pub(crate) fn new(now: Instant) -> Bucket {
        Bucket(now)
    }

    /// Takes a token.
    ///
    /// # Errors
    /// How long it takes until there is one.
    pub(crate) fn take(&mut self, pace: Pace, now: Instant) -> Result<(), Duration> {
        // Threads may come in another order than their times.
        let full_at = self.0.max(now) + pace.interval;
        let wait = full_at.saturating_duration_since(now).saturating_sub(pace.capacity);
        if !wait.is_zero() {
            return Err(wait);
        }
        self.0 = full_at;
        Ok(())
    }
}

impl RateLimiter {
    pub(crate) fn new(pace: Pace, identities_max: usize) -> RateLimiter {
        let start = Instant::now();
        let state = State { buckets: HashMap::new(), shared: Bucket(start), sweep_at: start };
        RateLimiter { pace, identities_max, state: Mutex::new(state) }
    }

    /// Takes a token of `key`.
    ///
    /// Takes longer than a look-up only for a key that is not there while all places are taken, and
    /// then at most as often as a place can have become free.
    ///
    /// # Errors
    /// How long it takes until there is one.
    pub(crate) fn take(&self, key: &str, now: Instant) -> Result<(), Duration> {
        lock(&self.state).bucket(key, now, self.identities_max).take(self.pace, now)
    }
}

/// The machine behind the address of a peer, in which `ip` was found. Of an IPv6 address the
/// network, because one machine has as many addresses in it as it likes.
pub(crate) fn machine(address: &str, ip: Option<IpAddr>) -> String {
    match ip {
        Some(IpAddr::V6(ip)) => {
            let network = Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64);
            format!("network {network}")
        }
        Some(IpAddr::V4(ip)) => {
            // As it is shown, without the detour that an address takes for the sake of padding.
            let [a, b, c, d] = ip.octets();
            format!("address {a}.{b}.{c}.{d}")
        }
        // A Unix socket, or what the host has said.
        None => format!("remote {address}"),
    }
}

impl State {
    fn bucket(&mut self, key: &str, now: Instant, identities_max: usize) -> &mut Bucket {
        // A look-up before the insertion, so that a known key is not copied.
        if !self.buckets.contains_key(key) {
            if self.buckets.len() >= identities_max && self.sweep_at <= now {
                self.sweep(now);
            }
            if self.buckets.len() >= identities_max {
                return &mut self.shared;
            }
            self.buckets.insert(key.into(), Bucket(now));
            self.sweep_at = self.sweep_at.min(now);
        }
        self.buckets.get_mut(key).unwrap_or(&mut self.shared)
    }

    /// Drops full buckets: a fresh one is the same.
    fn sweep(&mut self, now: Instant) {
        self.buckets.retain(|_, bucket| bucket.0 > now);
        let earliest = self.buckets.values().map(|bucket| bucket.0).min();
        self.sweep_at = earliest.unwrap_or(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn limiter(per_second: u32, burst: u32, identities_max: usize) -> RateLimiter {
        RateLimiter::new(Pace::new(per_second, SECOND, burst), identities_max)
    }

    /// Takes until there is nothing left.
    fn drain(limiter: &RateLimiter, key: &str, now: Instant) -> u32 {
        (0..1000).take_while(|_| limiter.take(key, now).is_ok()).count() as u32
    }

    fn kept(limiter: &RateLimiter) -> usize {
        lock(&limiter.state).buckets.len()
    }

    #[test]
    fn a_burst_passes_and_tokens_come_back() {
        let limiter = limiter(10, 5, 8);
        let start = Instant::now();
        for (after_ms, expected) in
            [(0, 5), (99, 0), (100, 1), (300, 2), (350, 0), (400, 1), (60_000, 5)]
        {
            let now = start + Duration::from_millis(after_ms);
            assert_eq!(drain(&limiter, "a", now), expected, "{after_ms}");
        }
        assert_eq!(drain(&limiter, "a", start), 0, "an earlier time");
    }

    #[test]
    fn who_comes_too_early_hears_how_long_to_wait() {
        let (start, pace) = (Instant::now(), Pace::new(5, 20 * SECOND, 2));
        let mut bucket = Bucket::new(start);
        assert_eq!(bucket.take(pace, start), Ok(()));
        assert_eq!(bucket.take(pace, start), Ok(()));
        assert_eq!(bucket.take(pace, start), Err(4 * SECOND));
        assert_eq!(bucket.take(pace, start + 3 * SECOND), Err(SECOND));
        assert_eq!(bucket.take(pace, start + 4 * SECOND), Ok(()));
    }

    #[test]
    fn identities_do_not_touch_each_other() {
        let limiter = limiter(1, 3, 8);
        let start = Instant::now();
        assert_eq!(drain(&limiter, "a", start), 3);
        assert_eq!(drain(&limiter, "b", start), 3);
        assert_eq!(drain(&limiter, "", start), 3);
    }

    #[test]
    fn identities_without_room_share_one_bucket() {
        let limiter = limiter(1, 3, 2);
        let start = Instant::now();
        assert_eq!(drain(&limiter, "a", start), 3);
        assert!(limiter.take("b", start).is_ok());
        let invented: u32 = (0..100).map(|i| drain(&limiter, &format!("x{i}"), start)).sum();
        assert_eq!(invented, 3);
        assert_eq!(kept(&limiter), 2);
        assert_eq!(drain(&limiter, "a", start), 0, "still empty");
        assert_eq!(drain(&limiter, "b", start), 2);
    }

    #[test]
    fn idle_identities_make_room() {
        let limiter = limiter(1, 3, 2);
        let start = Instant::now();
        assert_eq!(drain(&limiter, "a", start), 3);
        assert!(limiter.take("b", start).is_ok());
        assert_eq!(drain(&limiter, "shared", start), 3);
        // The bucket of b is full again, that of a is not.
        assert_eq!(drain(&limiter, "c", start + SECOND), 3);
        assert_eq!(kept(&limiter), 2);
        assert_eq!(drain(&limiter, "a", start + SECOND), 1);
        assert_eq!(drain(&limiter, "d", start + SECOND), 1, "shared");
        assert_eq!(drain(&limiter, "d", start + 60 * SECOND), 3);
        assert_eq!(kept(&limiter), 1);
    }

    #[test]
    fn odd_bounds_still_work() {
        for (per_second, burst, identities_max, expected) in
            [(0, 0, 0, 1), (u32::MAX, 7, 1, 1000), (1, u32::MAX, 1, 1000)]
        {
            let limiter = limiter(per_second, burst, identities_max);
            assert_eq!(drain(&limiter, "a", Instant::now()), expected, "{per_second} {burst}");
        }
    }
}
