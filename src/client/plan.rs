//! What a connection is to be, checked and ready to be made, and what it is worth when it breaks.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::mqtt::reason::Reason;
use crate::mqtt::session::{Identity, Settings};
use crate::mqtt::text::Text;
use crate::net::{Endpoint, Retry};

#[derive(Debug, Clone)]
pub struct ConnectionPlan {
    pub endpoint: Endpoint,
    pub settings: Arc<Settings>,
    pub identity: Identity,
    /// The client identifier where the user has chosen it, so that another client may have it too.
    pub typed_id: Option<Text>,
    /// How long the first connection may take to come about; without it the first failure is final.
    pub wait_for_broker: Option<Duration>,
    pub retry: Retry,
    pub reconnect: Reconnect,
}

/// Connections in a row that the broker may accept and end before anything comes of them.
const DROPS_BORNE: u32 = 5;
/// So soon after it was accepted, or sooner than the longest pause, the end of a connection is not one
/// that comes now and then.
const SOON: Duration = Duration::from_secs(10);

/// So many ends without a word are suspicious when they come within [`A_WHILE`], though each connection stood for
/// longer than [`SOON`]: the other client may wait longer than we do before it comes back.
const MANY: usize = 5;
const A_WHILE: Duration = Duration::from_secs(300);

/// What a connection that breaks is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reconnect {
    /// Another attempt, once the broker has accepted us.
    #[default]
    WhenAccepted,
    /// Another attempt, once the broker could be reached at all (mosquitto_sub).
    WhenReached,
    /// Nothing: the first break is the last (mosquitto_pub).
    Never,
}

/// How a connection came to its end, or did not come about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    /// No stream could be made.
    Unreachable {
        /// The proxy could be reached, and what is behind it could not.
        behind_proxy: bool,
    },
    /// CONNACK with this reason.
    Refused(Reason),
    /// CONNACK did not come in time.
    NoConnAck,
    /// The stream ended without a word of MQTT.
    Silent,
    /// The broker sent DISCONNECT with this reason.
    Ended(Reason),
    /// PINGREQ was not answered in time.
    NoPingResp,
}

/// Why no other attempt is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GiveUp {
    /// It would end in the same way, or no other attempt is wanted.
    Final,
    /// `--retry` allows no more.
    UsedUp { retries: u32 },
    /// So many accepted connections in a row came to nothing.
    DroppedAgainAndAgain { times: u32 },
}

/// Another attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Again {
    pub pause: Duration,
    /// For the first time it looks as if another client took our place.
    pub suspicious: bool,
}

/// How much patience is left with a broker: what each break of a connection is worth.
#[derive(Debug)]
pub struct Patience {
    retry: Retry,
    reconnect: Reconnect,
    wait_for_broker: Option<Duration>,
    started: Instant,
    /// There was a stream, and that is enough to try again.
    reached: bool,
    /// The broker has accepted a connection.
    accepted: bool,
    /// When it accepted this one; `None` until it does.
    accepted_at: Option<Instant>,
    /// Attempts since the last connection that was of use.
    attempts: u32,
    /// Something has come of this connection.
    useful: bool,
    /// Accepted connections in a row that the broker ended before anything came of them.
    drops: u32,
    /// Those that it ended soon and without a word, whatever came of them.
    silent: u32,
    /// When the last few ended without a word, however long they stood.
    silent_ends: VecDeque<Instant>,
    /// That this is suspicious was said.
    told: bool,
}

impl Patience {
    pub fn new(
        reconnect: Reconnect,
        retry: Retry,
        wait_for_broker: Option<Duration>,
        now: Instant,
    ) -> Self {
        Self {
            retry,
            reconnect,
            wait_for_broker,
            started: now,
            reached: false,
            accepted: false,
            accepted_at: None,
            attempts: 0,
            useful: false,
            drops: 0,
            silent: 0,
            silent_ends: VecDeque::new(),
            told: false,
        }
    }

    /// There is a stream.
    pub fn reached(&mut self) {
        self.reached = self.reconnect == Reconnect::WhenReached;
    }

    /// The broker accepted the connection.
    pub fn accepted(&mut self, now: Instant) {
        self.accepted_at = Some(now);
        self.useful = false;
        if !std::mem::replace(&mut self.accepted, true) {
            // to wait for the broker was no failure
            self.attempts = 0;
        }
    }

    /// Whether the broker has accepted this connection.
    pub fn is_accepted(&self) -> bool {
        self.accepted_at.is_some()
    }

    /// What we are there for goes on. A connection that was only accepted, and a subscription with what
    /// is retained, are no reason to come back faster: two clients with one identifier would throw each
    /// other out for ever.
    pub fn progress(&mut self) {
        self.attempts = 0;
        self.drops = 0;
        self.useful = true;
    }

    /// Another attempt, or why there is none. `under_way`: publishes were not acknowledged; `jitter` is
    /// chance, 0..1.
    pub fn broke(
        &mut self,
        how: Break,
        under_way: bool,
        now: Instant,
        jitter: f64,
    ) -> Result<Again, GiveUp> {
        let stood = self.accepted_at.take().map(|at| now - at);
        if !self.is_worth_another(how, now) {
            return Err(GiveUp::Final);
        }
        let suspicious = match stood {
            Some(stood) => {
                self.ended_after(stood, how, under_way)?;
                self.is_suspicious(stood, how, now)
            }
            None => {
                // It was away, so it did not just throw us out.
                self.silent = 0;
                self.silent_ends.clear();
                self.drops = if under_way { self.drops } else { 0 };
                false
            }
        };
        let limit = match self.accepted {
            true => self.retry.limit,
            // for as long as was said, however often that is
            false => None,
        };
        let retry = Retry {
            limit,
            ..self.retry
        };
        let pause = retry.pause(self.attempts, jitter).ok_or(GiveUp::UsedUp {
            retries: self.attempts,
        })?;
        // The last attempt comes when the time to wait is over, not a pause later.
        let left = self.wait_left(now).filter(|_| !self.accepted);
        let pause = left.map_or(pause, |left| pause.min(left));
        self.attempts = self.attempts.saturating_add(1);
        Ok(Again { pause, suspicious })
    }

    /// Whether the end of a connection that stood so long is not one that comes now and then.
    fn is_soon(&self, stood: Duration) -> bool {
        stood < SOON.max(self.retry.backoff.longest)
    }

    /// An accepted connection ended.
    fn ended_after(&mut self, stood: Duration, how: Break, under_way: bool) -> Result<(), GiveUp> {
        if self.retry.is_success(stood) {
            self.attempts = 0;
        }
        let soon = self.is_soon(stood);
        // Before MQTT 5 silence is how a broker refuses a message or a subscription, and how it says that
        // another client has our identifier. It would do so for ever.
        let blames_us = match how {
            Break::Silent => true,
            // Who only listens can wait until a broker is not busy any more.
            Break::Ended(reason) => under_way || matches!(reason.0, 0x80 | 0x83),
            _ => false,
        };
        if blames_us && !self.useful && self.reconnect == Reconnect::WhenAccepted {
            self.drops = match under_way || soon {
                true => self.drops + 1,
                false => 0,
            };
            if self.drops >= DROPS_BORNE {
                return Err(GiveUp::DroppedAgainAndAgain { times: self.drops });
            }
        }
        Ok(())
    }

    /// Whether it looks for the first time as if another client took our place.
    fn is_suspicious(&mut self, stood: Duration, how: Break, now: Instant) -> bool {
        self.silent = match how == Break::Silent && self.is_soon(stood) {
            true => self.silent.saturating_add(1),
            false => 0,
        };
        if how == Break::Silent {
            self.silent_ends.push_back(now);
            while self.silent_ends.len() > MANY {
                self.silent_ends.pop_front();
            }
        }
        let first = self.silent_ends.front();
        let many =
            self.silent_ends.len() == MANY && first.is_some_and(|first| now - *first < A_WHILE);
        (self.silent == 2 || many) && !std::mem::replace(&mut self.told, true)
    }

    fn is_worth_another(&self, how: Break, now: Instant) -> bool {
        // Until the broker has let us in, only for as long as was said.
        let hopeful = self.accepted || self.wait_left(now).is_some();
        match (how, self.reconnect) {
            // Through a proxy, it is the proxy that mosquitto_sub reaches.
            (Break::Unreachable { behind_proxy: true }, Reconnect::WhenReached) => true,
            (Break::Unreachable { .. }, _) => hopeful || self.reached,
            (_, Reconnect::Never) => false,
            (Break::Refused(reason), _) => hopeful && passes_before_accepting(reason),
            (Break::NoConnAck, _) => hopeful,
            (Break::Ended(reason), Reconnect::WhenAccepted) => passes(reason),
            // To mosquitto_sub 2.1 a DISCONNECT is a break like any other.
            (Break::Ended(_) | Break::Silent | Break::NoPingResp, Reconnect::WhenReached) => true,
            (Break::Silent | Break::NoPingResp, Reconnect::WhenAccepted) => hopeful,
        }
    }

    /// What is left of the time to wait for a first connection; never zero.
    fn wait_left(&self, now: Instant) -> Option<Duration> {
        let left = self.wait_for_broker?.saturating_sub(now - self.started);
        (!left.is_zero()).then_some(left)
    }
}

/// Whether a refusal in CONNACK passes by itself: "server unavailable" in both versions, busy.
fn passes_before_accepting(reason: Reason) -> bool {
    matches!(
        reason,
        Reason(3)
            | Reason::SERVER_UNAVAILABLE
            | Reason::SERVER_BUSY
            | Reason::CONNECTION_RATE_EXCEEDED
    )
}

/// Whether what a DISCONNECT names passes by itself. A takeover or a refusal would only repeat itself.
fn passes(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::SUCCESS
            | Reason::SERVER_SHUTTING_DOWN
            | Reason::SERVER_BUSY
            | Reason::SERVER_UNAVAILABLE
            | Reason::CONNECTION_RATE_EXCEEDED
            | Reason(0x80 | 0x83 | 0x8d | 0x96 | 0xa0)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A patience and its clock.
    struct Run {
        patience: Patience,
        now: Instant,
    }

    impl Run {
        fn new(reconnect: Reconnect, limit: Option<u32>) -> Self {
            let now = Instant::now();
            let retry = Retry {
                limit,
                ..Retry::default()
            };
            Self {
                patience: Patience::new(reconnect, retry, None, now),
                now,
            }
        }

        fn persistent() -> Self {
            Self::new(Reconnect::WhenAccepted, None)
        }

        /// A connection that is accepted, stands for so many seconds, and ends.
        fn stood(&mut self, seconds: u64, how: Break, under_way: bool) -> Result<Again, GiveUp> {
            self.patience.accepted(self.now);
            self.ends(seconds, how, under_way)
        }

        fn ends(&mut self, seconds: u64, how: Break, under_way: bool) -> Result<Again, GiveUp> {
            self.now += Duration::from_secs(seconds);
            self.patience.broke(how, under_way, self.now, 0.0)
        }

        /// How many connections of this kind are borne, a hundred at most.
        fn bears(&mut self, seconds: u64, how: Break, under_way: bool) -> u32 {
            let borne = (0..100).take_while(|_| self.stood(seconds, how, under_way).is_ok());
            borne.count() as u32
        }
    }

    const BUSY: Break = Break::Ended(Reason::SERVER_BUSY);
    const AWAY: Break = Break::Unreachable {
        behind_proxy: false,
    };

    #[test]
    fn a_broker_that_ends_each_connection_before_anything_comes_of_it_is_given_up() {
        for (seconds, how, under_way, borne) in [
            (0, Break::Silent, true, 4),
            (0, BUSY, true, 4),
            (60, Break::Silent, true, 4),
            (0, Break::Silent, false, 4),
            (9, Break::Ended(Reason(0x83)), false, 4),
            // It says itself that this passes, and nothing of ours is in its way.
            (0, BUSY, false, 100),
            // now and then, with nothing to blame
            (10, Break::Silent, false, 100),
            // the network's fault
            (0, Break::NoPingResp, true, 100),
        ] {
            let mut run = Run::persistent();
            let shown = format!("{seconds} {how:?} {under_way}");
            assert_eq!(run.bears(seconds, how, under_way), borne, "{shown}");
        }
        let mut run = Run::new(Reconnect::WhenReached, None);
        assert_eq!(run.bears(0, Break::Silent, true), 100);
    }

    #[test]
    fn what_came_of_a_connection_starts_the_count_anew() {
        let mut run = Run::persistent();
        for _ in 0..100 {
            for _ in 0..4 {
                run.stood(0, Break::Silent, true).unwrap();
            }
            run.patience.accepted(run.now);
            run.patience.progress();
            run.ends(0, Break::Silent, true).unwrap();
        }
        assert_eq!(run.bears(0, Break::Silent, true), 4);
    }

    #[test]
    fn a_broker_that_was_away_did_not_throw_us_out() {
        for (under_way, borne) in [(false, true), (true, false)] {
            let mut run = Run::persistent();
            let mut ends = (0..20).map(|_| {
                run.stood(0, Break::Silent, under_way)
                    .and_then(|_| run.ends(1, AWAY, under_way))
            });
            assert_eq!(ends.all(|end| end.is_ok()), borne);
        }
    }

    #[test]
    fn the_second_silent_end_is_suspicious_once() {
        let mut run = Run::persistent();
        let mut suspicious = Vec::new();
        for _ in 0..6 {
            run.patience.accepted(run.now);
            run.patience.progress();
            let again = run.ends(1, Break::Silent, false).unwrap();
            suspicious.push(again.suspicious);
        }
        assert_eq!(suspicious, [false, true, false, false, false, false]);
        let mut run = Run::persistent();
        for how in [Break::Silent, BUSY, Break::Silent] {
            assert!(!run.stood(1, how, false).unwrap().suspicious);
        }
    }

    #[test]
    fn many_silent_ends_in_a_while_are_suspicious_once_however_long_each_connection_stood() {
        let told = |seconds: u64, between: Option<Break>| -> Vec<usize> {
            let mut run = Run::persistent();
            let is_told = |n: &usize| {
                run.patience.accepted(run.now);
                run.patience.progress();
                let again = run.ends(seconds, Break::Silent, false).unwrap();
                if let (Some(between), true) = (between, *n == 3) {
                    run.ends(1, between, false).unwrap();
                }
                again.suspicious
            };
            (1..=12).filter(is_told).collect()
        };
        assert_eq!(told(15, None), [5]);
        assert_eq!(told(70, None), [5]);
        // now and then
        assert_eq!(told(75, None), [0; 0]);
        // It was away meanwhile.
        assert_eq!(told(15, Some(AWAY)), [8]);
    }

    #[test]
    fn what_would_only_repeat_itself_is_final() {
        for reason in [0x81, 0x82, 0x87, 0x8e, 0x93, 0x95, 0x97, 0x98, 0x9c, 0x9d] {
            let ended = Break::Ended(Reason(reason));
            assert_eq!(
                Run::persistent().stood(60, ended, false),
                Err(GiveUp::Final)
            );
        }
        for reason in [1, 2, 4, 5, 0x86, 0x87, 0x8a, 0x9c] {
            let mut run = Run::persistent();
            run.stood(60, Break::Silent, false).unwrap();
            let refused = Break::Refused(Reason(reason));
            assert_eq!(run.ends(0, refused, false), Err(GiveUp::Final));
        }
    }

    #[test]
    fn before_a_first_connection_only_time_counts() {
        for how in [
            AWAY,
            Break::Silent,
            Break::NoConnAck,
            Break::Refused(Reason(3)),
        ] {
            assert_eq!(Run::persistent().ends(0, how, false), Err(GiveUp::Final));
            let mut run = Run::new(Reconnect::WhenAccepted, Some(0));
            run.patience.wait_for_broker = Some(Duration::from_secs(10));
            for _ in 0..9 {
                run.ends(1, how, false).unwrap();
            }
            let last = run.patience.broke(how, false, run.now, 0.0).unwrap();
            assert_eq!(last.pause, Duration::from_secs(1), "no longer than is left");
            assert_eq!(run.ends(1, how, false), Err(GiveUp::Final));
        }
    }

    #[test]
    fn no_pause_outlasts_the_time_to_wait_for_the_broker() {
        let mut run = Run::persistent();
        run.patience.wait_for_broker = Some(Duration::from_millis(500));
        let start = run.now;
        let mut pause = |now| run.patience.broke(AWAY, false, now, 0.0);
        assert_eq!(pause(start).unwrap().pause, Duration::from_millis(200));
        let later = start + Duration::from_millis(200);
        assert_eq!(pause(later).unwrap().pause, Duration::from_millis(300));
        assert_eq!(
            pause(start + Duration::from_millis(500)),
            Err(GiveUp::Final)
        );
    }

    #[test]
    fn mosquitto_sub_comes_back_wherever_it_got_to() {
        let new = || {
            let mut run = Run::new(Reconnect::WhenReached, None);
            run.patience.reached();
            run
        };
        for how in [
            Break::Ended(Reason(0x8e)),
            Break::Ended(Reason::SUCCESS),
            Break::Silent,
            Break::NoPingResp,
            AWAY,
        ] {
            assert_eq!(new().bears(0, how, false), 100, "{how:?}");
            assert!(new().ends(0, how, false).is_ok(), "{how:?}");
        }
        for how in [Break::Refused(Reason::NOT_AUTHORIZED), Break::NoConnAck] {
            assert_eq!(new().ends(0, how, false), Err(GiveUp::Final), "{how:?}");
        }
        let mut unreached = Run::new(Reconnect::WhenReached, None);
        assert_eq!(unreached.ends(0, AWAY, false), Err(GiveUp::Final));
        let mut publisher = Run::new(Reconnect::Never, None);
        let ended = publisher.stood(0, Break::Ended(Reason::SUCCESS), false);
        assert_eq!(ended, Err(GiveUp::Final));
    }

    #[test]
    fn attempts_in_vain_are_used_up_and_a_success_gives_them_back() {
        let mut run = Run::new(Reconnect::WhenAccepted, Some(2));
        run.stood(60, Break::Silent, false).unwrap();
        run.ends(0, AWAY, false).unwrap();
        // it stood as long as the longest pause
        run.stood(10, Break::Silent, false).unwrap();
        run.ends(0, AWAY, false).unwrap();
        assert_eq!(run.ends(0, AWAY, false), Err(GiveUp::UsedUp { retries: 2 }));
    }
}
