//! Finds the time between two looks with which most comes, by trying. Pure: readings in; the time to set, and when to read again, out.
//!
//! A longer time is right where the broker wakes the generator for one or two messages at a time, and wrong where it
//! leaves the broker without work. No latency tells these apart, for the time itself is in every latency. What does is how
//! much comes: two times take turns, and the other one is kept where more comes with it, or as much for clearly less CPU time.

mod trial;

use std::time::Duration;

use super::gather::Came;
use trial::{Judgement, Trial, Turn};

/// What there is at an instant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reading {
    pub at: Duration,
    pub came: Came,
    /// Times that a worker has looked at its sockets.
    pub looks: u64,
    /// CPU time of the whole process.
    pub cpu: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// From one look to the next at least.
    pub every: Duration,
    /// The next reading comes after this.
    pub until_next: Duration,
}

/// What is tried. Less is not worth the waking, more no better.
const TIMES: [Duration; 10] = [
    Duration::ZERO,
    Duration::from_micros(20),
    Duration::from_micros(50),
    Duration::from_micros(100),
    Duration::from_micros(200),
    Duration::from_micros(300),
    Duration::from_micros(500),
    Duration::from_micros(800),
    Duration::from_micros(1200),
    Duration::from_millis(2),
];
/// What is tried first is the longest that is no more than this share of what a message takes at the broker: the broker still
/// has work from before by then, and much that came of it is served together.
const LATENCY_SHARE: u32 = 8;
/// Before the first trial, so that what is seen is no start.
const START: Duration = Duration::from_millis(50);
/// Between trials, and longer by a factor each time that nothing better was found.
const REST: Duration = Duration::from_secs(1);
const REST_GROWTH: u32 = 2;
const LONGEST_REST: Duration = Duration::from_secs(16);
/// How often it is looked meanwhile whether still as much comes, and what is not: a machine may change its ways.
const WATCH: Duration = Duration::from_millis(100);
const FALLEN: f64 = 0.5;
/// A turn lasts so long, or this many times the longer of the two times, or this many times what a message takes at the broker.
const TURN: Duration = Duration::from_millis(10);
const LOOKS_A_TURN: u32 = 20;
const LATENCIES_A_TURN: u32 = 2;
/// What comes in this share of it before, or while a message takes its way, is left out.
const SETTLE_SHARE: u32 = 4;
/// No message is thought to take longer.
const LONGEST_LATENCY: Duration = Duration::from_millis(40);

#[derive(Debug)]
pub struct Tuner {
    workers: usize,
    /// Messages that may be unacknowledged at once, over all publishers.
    in_flight: u64,
    /// What a message takes until it is acknowledged.
    latency: Duration,
    last: Reading,
    /// The one of [`TIMES`] that is kept.
    kept: usize,
    step: Step,
    /// As much as ever came with it.
    per_s: f64,
    /// How long the next rest is.
    rest: Duration,
    /// What is to be tried before it, from the end.
    ways: Vec<Way>,
    /// Something was, since the last one. At first a look may take long, or there may be little to do, and then nothing is worth it yet.
    tried: bool,
    /// From which of [`TIMES`] on nothing is tried before it.
    harmful: usize,
}

#[derive(Debug)]
enum Step {
    Rest {
        until: Duration,
    },
    /// The next turn's time is set, and what it changes is not measured.
    Settle(Comparison),
    Turn(Comparison),
}

#[derive(Debug)]
struct Comparison {
    other: usize,
    trial: Trial,
}

/// From the time that is kept to the one to be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// From none to what the latency makes likely.
    Likely,
    ToNone,
    Shorter,
    /// By so many steps: one alone may change nothing, because each look takes longer than that by then.
    Longer(usize),
}

const LONGER: [Way; 3] = [Way::Longer(3), Way::Longer(2), Way::Longer(1)];
const SHORTER: [Way; 2] = [Way::Shorter, Way::ToNone];
/// Past times that were not tried.
const AROUND: [Way; 4] = [Way::Longer(3), Way::Longer(2), Way::Shorter, Way::Longer(1)];

impl Tuner {
    pub fn new(workers: usize, in_flight: u64) -> Self {
        Self {
            workers,
            in_flight,
            latency: Duration::ZERO,
            last: Reading::default(),
            kept: 0,
            step: Step::Rest {
                until: Duration::ZERO,
            },
            per_s: 0.0,
            rest: REST,
            ways: Vec::new(),
            tried: false,
            harmful: TIMES.len(),
        }
    }

    /// Publishing begins.
    pub fn begin(&mut self, now: Reading) -> Order {
        self.last = now;
        self.rest(START, Turn::default())
    }

    /// What follows from a reading that was asked for.
    pub fn read(&mut self, now: Reading) -> Order {
        let turn = Turn::between(std::mem::replace(&mut self.last, now), now);
        let idle = Step::Rest { until: now.at };
        match std::mem::replace(&mut self.step, idle) {
            Step::Rest { until } => {
                (self.tried, self.harmful) = (false, TIMES.len());
                if self.kept > 0 && turn.per_s < FALLEN * self.per_s {
                    self.per_s = 0.0;
                    self.ways = SHORTER.to_vec();
                } else if now.at < until {
                    self.step = Step::Rest { until };
                    return self.order(WATCH.min(until - now.at));
                } else {
                    self.ways = [&LONGER[..], &[Way::Likely], &SHORTER].concat();
                }
                self.go_on(turn)
            }
            Step::Settle(comparison) => {
                let length = self.length(&comparison);
                self.turn(comparison, length, Step::Turn)
            }
            Step::Turn(mut comparison) => {
                comparison.trial.add(turn);
                self.judge(comparison)
            }
        }
    }

    fn judge(&mut self, comparison: Comparison) -> Order {
        let Comparison { other, trial } = &comparison;
        let judgement = trial.judge(*other > self.kept);
        let turn = trial.last(judgement == Judgement::Better);
        match judgement {
            Judgement::Open => return self.settle(comparison),
            Judgement::Better => {
                self.rest = REST;
                self.per_s = 0.0;
                self.ways = match other.checked_sub(self.kept) {
                    None => vec![Way::Shorter],
                    Some(..=1) => LONGER.to_vec(),
                    Some(_) => AROUND.to_vec(),
                };
                self.kept = *other;
            }
            // Even longer would be worse.
            Judgement::NotBetter { harmful: true } if *other > self.kept => self.harmful = *other,
            Judgement::NotBetter { .. } => {}
        }
        self.go_on(turn.unwrap_or_default())
    }

    /// On to the next trial, or to a rest when nothing is left to try; after a turn with the time that is kept.
    fn go_on(&mut self, turn: Turn) -> Order {
        // By Little's law.
        let latency = self.in_flight as f64 / turn.acknowledged_per_s.max(1.0);
        let longest = LONGEST_LATENCY.as_secs_f64();
        self.latency = Duration::from_secs_f64(latency.min(longest));
        while let Some(way) = self.ways.pop() {
            if let Some(other) = self.other(way, turn) {
                self.tried = true;
                return self.settle(Comparison {
                    other,
                    trial: Trial::default(),
                });
            }
        }
        if !self.tried {
            return self.rest(WATCH, turn);
        }
        let length = self.rest;
        self.rest = (length * REST_GROWTH).min(LONGEST_REST);
        self.rest(length, turn)
    }

    /// Which time lies that way. Longer ones are for a generator that is busy, and well below what a worker takes from
    /// look to look anyway no time has any effect.
    fn other(&self, way: Way, turn: Turn) -> Option<usize> {
        let anyway = Duration::from_secs_f64(self.workers as f64 / turn.looks_per_s.max(1.0));
        let other = match way {
            Way::Likely => {
                let longest = self.latency / LATENCY_SHARE;
                let likely = TIMES.iter().rposition(|time| *time <= longest);
                likely.filter(|_| self.kept == 0 && turn.is_busy())
            }
            Way::ToNone => (self.kept > 0).then_some(0),
            // The first one is next to none, which has a way of its own.
            Way::Shorter => self.kept.checked_sub(1).filter(|other| *other > 0),
            Way::Longer(steps) => {
                let mut longer = self.kept + 1..TIMES.len();
                let next = longer.find(|other| turn.is_busy() && TIMES[*other] >= anyway / 2)?;
                Some(next + steps - 1)
            }
        };
        other.filter(|other| *other != self.kept && *other < self.harmful)
    }

    fn rest(&mut self, length: Duration, turn: Turn) -> Order {
        self.per_s = self.per_s.max(turn.per_s);
        self.step = Step::Rest {
            until: self.last.at + length,
        };
        self.order(WATCH.min(length))
    }

    fn settle(&mut self, comparison: Comparison) -> Order {
        let length = (self.length(&comparison) / SETTLE_SHARE).max(self.latency);
        self.turn(comparison, length, Step::Settle)
    }

    fn turn(
        &mut self,
        comparison: Comparison,
        length: Duration,
        step: fn(Comparison) -> Step,
    ) -> Order {
        let every = match comparison.trial.is_others_turn() {
            true => TIMES[comparison.other],
            false => TIMES[self.kept],
        };
        self.step = step(comparison);
        Order {
            every,
            until_next: length,
        }
    }

    /// Of a turn.
    fn length(&self, comparison: &Comparison) -> Duration {
        let longer = TIMES[self.kept.max(comparison.other)];
        TURN.max(longer * LOOKS_A_TURN)
            .max(self.latency * LATENCIES_A_TURN)
    }

    fn order(&self, until_next: Duration) -> Order {
        Order {
            every: TIMES[self.kept],
            until_next,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use proptest::prelude::*;

    /// Messages a second, and the cores that are at work, with a time between looks.
    type Load<'a> = &'a dyn Fn(Duration) -> (f64, f64);

    struct Simulation {
        tuner: Tuner,
        now: Reading,
        order: Order,
        came: f64,
        /// Each message is delivered to so many.
        subscribers: u64,
        /// Every time that was set, with how long.
        set: Vec<(Duration, Duration)>,
    }

    impl Simulation {
        fn new() -> Self {
            Self::with_in_flight(20)
        }

        fn with_in_flight(in_flight: u64) -> Self {
            let mut tuner = Tuner::new(1, in_flight);
            let now = Reading::default();
            let order = tuner.begin(now);
            Self {
                tuner,
                now,
                order,
                came: 0.0,
                subscribers: 0,
                set: Vec::new(),
            }
        }

        fn run(&mut self, seconds: u64, load: Load<'_>) {
            let end = self.now.at + Duration::from_secs(seconds);
            while self.now.at < end {
                let Order { every, until_next } = self.order;
                assert!(!until_next.is_zero());
                let (per_s, cores) = load(every);
                self.came += per_s * until_next.as_secs_f64();
                let gap = every.max(Duration::from_micros(15));
                self.now = Reading {
                    at: self.now.at + until_next,
                    came: Came {
                        acknowledged: self.came as u64,
                        delivered: self.came as u64 * self.subscribers,
                    },
                    looks: self.now.looks + (until_next.as_nanos() / gap.as_nanos()) as u64,
                    cpu: self.now.cpu + until_next.mul_f64(cores),
                };
                self.set.push((every, until_next));
                self.order = self.tuner.read(self.now);
            }
        }

        fn kept_us(&self) -> u128 {
            TIMES[self.tuner.kept].as_micros()
        }
    }

    fn us(every: Duration) -> u128 {
        every.as_micros()
    }

    #[test]
    fn finds_the_time_with_which_most_comes() {
        let mut one = Simulation::new();
        one.run(5, &|every| match us(every) {
            0 => (80_000.0, 1.0),
            20 => (85_000.0, 1.0),
            50 => (90_000.0, 1.0),
            100 => (100_000.0, 0.9),
            200 | 300 => (118_000.0, 0.8),
            500 => (121_000.0, 0.6),
            _ => (50_000.0, 0.3),
        });
        assert_eq!(one.kept_us(), 500);
        assert!(one.came > 5.0 * 110_000.0, "{}", one.came);
    }

    #[test]
    fn gets_past_a_time_that_changes_nothing() {
        let mut one = Simulation::new();
        one.run(5, &|every| match us(every) {
            0..=50 => (40_000.0, 1.0),
            100 => (60_000.0, 1.0),
            _ => (30_000.0, 0.5),
        });
        assert_eq!(one.kept_us(), 100);
    }

    /// One publisher's window: every wait leaves the broker without work.
    #[test]
    fn leaves_alone_what_loses_by_it() {
        let mut one = Simulation::new();
        one.run(10, &|every| match us(every) {
            0 => (100_000.0, 0.8),
            20 => (85_000.0, 0.8),
            _ => (40_000.0, 0.4),
        });
        assert_eq!(one.kept_us(), 0);
        assert!(one.came > 10.0 * 99_000.0, "{}", one.came);
    }

    #[test]
    fn a_generator_with_time_to_spare_waits_for_nothing() {
        for load in [(100_000.0, 0.39), (0.0, 1.0)] {
            let mut one = Simulation::new();
            one.run(10, &|_| load);
            assert!(one.set.iter().all(|(every, _)| every.is_zero()), "{load:?}");
        }
    }

    /// At QoS 0 the first looks fill every socket, and take longer than any time that there is to try.
    #[test]
    fn a_slow_start_is_no_trial() {
        let mut tuner = Tuner::new(1, 0);
        let mut now = Reading::default();
        let mut order = tuner.begin(now);
        let mut first = None;
        while first.is_none() && now.at < REST {
            now.at += order.until_next;
            now.came.delivered += 1000;
            now.looks += if now.at < 2 * WATCH { 1 } else { 1000 };
            now.cpu = now.at;
            order = tuner.read(now);
            first = (!order.every.is_zero()).then_some(now.at);
        }
        assert!(first.is_some_and(|at| at < 4 * WATCH), "{first:?}");
    }

    #[test]
    fn takes_it_back_at_once_when_it_turns_out_wrong() {
        let mut one = Simulation::new();
        one.run(5, &|every| match us(every) {
            0 => (80_000.0, 1.0),
            _ => (120_000.0, 0.5),
        });
        assert!(one.kept_us() > 0);
        one.run(1, &|every| match us(every) {
            0 => (80_000.0, 1.0),
            _ => (8_000.0, 0.1),
        });
        assert_eq!(one.kept_us(), 0);
    }

    /// What a change of the time does is seen when all that was in flight before has come.
    #[test]
    fn turns_are_long_where_messages_take_long() {
        let lengths = |in_flight| {
            let mut tuner = Tuner::new(1, in_flight);
            let mut now = Reading::default();
            let mut order = tuner.begin(now);
            let mut lengths = Vec::new();
            for _ in 0..4 {
                now.at += order.until_next;
                now.came.acknowledged += (order.until_next.as_secs_f64() * 100_000.0) as u64;
                now.looks += 1000;
                now.cpu = now.at;
                order = tuner.read(now);
                lengths.push(order.until_next.as_micros());
            }
            lengths
        };
        assert_eq!(lengths(20), [2_500, 10_000, 2_500, 10_000]);
        assert_eq!(lengths(900), [9_000, 18_000, 9_000, 18_000]);
        assert_eq!(lengths(1_000_000), [40_000, 80_000, 40_000, 80_000]);
    }

    #[test]
    fn less_work_is_taken_where_as_much_comes() {
        let mut one = Simulation::new();
        one.run(5, &|every| {
            (100_000.0, 1.0 / (1.0 + us(every) as f64 / 100.0))
        });
        let kept = one.kept_us();
        assert!((100..=200).contains(&kept), "until it is not busy: {kept}");
    }

    /// 1600 in flight of which 100 are acknowledged in a millisecond: 2 ms are likely.
    #[test]
    fn what_the_latency_makes_likely_is_tried_first() {
        let first = |one: &Simulation| {
            let mut set = one.set.iter().map(|(every, _)| us(*every));
            set.find(|every| *every > 0)
        };
        let load = |every| match us(every) {
            0..2000 => (100_000.0, 1.0),
            _ => (100_000.0, 0.6),
        };
        let mut one = Simulation::with_in_flight(1600);
        one.run(1, &load);
        assert_eq!((first(&one), one.kept_us()), (Some(2000), 2000));
        let mut one = Simulation::with_in_flight(1599);
        one.run(1, &load);
        assert_eq!(first(&one), Some(1200));
        let mut one = Simulation::with_in_flight(1600);
        one.subscribers = 3;
        one.run(1, &load);
        assert_eq!(first(&one), Some(2000), "deliveries say nothing of it");
    }

    /// More may come with a shorter time.
    #[test]
    fn what_is_likely_is_only_where_it_begins() {
        let mut one = Simulation::with_in_flight(1600);
        one.run(4, &|every| match us(every) {
            0..=100 => (180_000.0, 1.0),
            200 => (269_000.0, 0.6),
            300 => (282_000.0, 0.45),
            500 => (254_000.0, 0.35),
            800 => (211_000.0, 0.3),
            1200 => (201_000.0, 0.25),
            _ => (185_000.0, 0.2),
        });
        assert_eq!(one.kept_us(), 300);
        assert!(one.came > 4.0 * 260_000.0, "{}", one.came);
    }

    /// Nothing longer than what did harm, but all that is shorter.
    #[test]
    fn what_is_likely_may_be_wrong() {
        let mut one = Simulation::with_in_flight(1600);
        one.run(2, &|every| match us(every) {
            0..=20 => (100_000.0, 1.0),
            50 => (110_000.0, 1.0),
            100 => (120_000.0, 1.0),
            _ => (50_000.0, 1.0),
        });
        assert_eq!(one.kept_us(), 100);
        let longest = one.set.iter().map(|(every, _)| us(*every)).max();
        assert_eq!(longest, Some(2000));
        let long = one.set.iter().filter(|(every, _)| us(*every) > 500);
        assert!(long.count() <= 4, "the first two turns");
    }

    /// Ten publishers with 20 in flight, each turn up to a fifth better or worse than it was measured, and some of no use.
    #[test]
    fn a_noisy_machine_does_not_mislead_it() {
        let random = RefCell::new(fastrand::Rng::with_seed(1));
        let load = |every| {
            let (per_s, cores) = match us(every) {
                0..=50 => (185_000.0, 0.95),
                100 => (200_000.0, 0.85),
                200 => (207_000.0, 0.57),
                300 => (208_000.0, 0.46),
                500 => (155_000.0, 0.33),
                _ => (80_000.0, 0.2),
            };
            let mut random = random.borrow_mut();
            match random.u8(..) {
                0..5 => (0.1 * per_s, 0.1),
                _ => (per_s * (0.8 + 0.4 * random.f64()), cores),
            }
        };
        let (mut came, mut astray) = (0.0, 0);
        for _ in 0..1000 {
            let mut one = Simulation::with_in_flight(200);
            one.run(10, &load);
            let kept = one.kept_us();
            astray += u32::from(!(200..=300).contains(&kept));
            came += one.came;
        }
        assert!(astray <= 5, "{astray} of 1000");
        let best = 208_000.0 * 10.0 * 1000.0;
        assert!(came > 0.95 * best, "{}", came / best);
    }

    proptest! {
        /// Whatever the times do, a run loses little by their being tried.
        #[test]
        fn trying_costs_little(
            factors in proptest::collection::vec(0.01..2.0_f64, TIMES.len() - 1),
            cores in 0.4..2.0_f64,
        ) {
            let mut one = Simulation::new();
            one.run(30, &|every| {
                let number = TIMES.iter().position(|time| *time == every).unwrap();
                let factor = number.checked_sub(1).map_or(1.0, |one| factors[one]);
                (50_000.0 * factor, cores)
            });
            prop_assert!(one.came >= 0.95 * 30.0 * 50_000.0, "{}", one.came);
        }

        #[test]
        fn no_reading_is_too_odd(
            readings in proptest::collection::vec(
                (any::<u32>(), any::<[u64; 2]>(), any::<u64>(), any::<u32>()), 1..200
            ),
        ) {
            let mut tuner = Tuner::new(2, u64::MAX);
            tuner.begin(Reading::default());
            for (at, [acknowledged, delivered], looks, cpu) in readings {
                let order = tuner.read(Reading {
                    at: Duration::from_micros(at.into()),
                    came: Came {
                        acknowledged,
                        delivered,
                    },
                    looks,
                    cpu: Duration::from_micros(cpu.into()),
                });
                prop_assert!(TIMES.contains(&order.every) && order.until_next <= REST);
            }
        }
    }
}
