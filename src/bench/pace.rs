//! When messages are due. Pure: instants are nanoseconds since publishing began.
//!
//! An open loop has one course of the rate for all publishers: message number x of the whole run is due
//! when the rate has summed up to x. Publishers take turns, so their parts add up to the whole exactly,
//! wherever they live; and a publisher finds its next instant by itself, so nothing is shared.

use std::time::Duration;

/// A course of the rate, over all publishers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// Messages a second at the start.
    from: f64,
    /// And from `over` on.
    to: f64,
    /// Seconds of the ramp from one to the other.
    over: f64,
    /// Messages that are due at the end of the ramp.
    ramped: f64,
    pub arrivals: Arrivals,
    /// Messages of a publisher that are due at the same instant.
    pub burst: u32,
}

/// How messages are spread over the time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Arrivals {
    /// At equal distances.
    #[default]
    Constant,
    /// At random, each independent of the others.
    Poisson,
}

impl Arrivals {
    pub fn name(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Poisson => "poisson",
        }
    }
}

impl Pace {
    pub fn constant(per_s: f64) -> Self {
        Self::ramp(per_s, per_s, Duration::ZERO)
    }

    /// Rises or falls evenly, and stays at `to`.
    pub fn ramp(from: f64, to: f64, over: Duration) -> Self {
        let over = over.as_secs_f64();
        Self {
            from,
            to,
            over,
            ramped: (from + to) / 2.0 * over,
            arrivals: Arrivals::Constant,
            burst: 1,
        }
    }

    /// Messages a second at the start and at the end of the ramp, and how long that takes: nothing where
    /// there is none.
    pub fn course(&self) -> (f64, f64, Duration) {
        (self.from, self.to, Duration::from_secs_f64(self.over))
    }

    /// The highest rate, in messages a second.
    pub fn peak(&self) -> f64 {
        self.from.max(self.to)
    }

    /// Whether there comes a time from which on nothing is due.
    pub fn dries_up(&self) -> bool {
        self.to <= 0.0
    }

    /// How many messages become due in the first so many seconds: the rate's integral.
    pub fn due_by(&self, seconds: f64) -> f64 {
        if seconds < self.over {
            let slope = (self.to - self.from) / self.over;
            self.from * seconds + slope * seconds * seconds / 2.0
        } else {
            self.ramped + self.to * (seconds - self.over)
        }
    }

    /// When so many messages have become due: the inverse of the rate's integral. `u64::MAX` is never.
    fn instant(&self, messages: f64) -> u64 {
        let seconds = if messages < self.ramped {
            // Of the two forms of the root, the one that takes no difference of nearly equal numbers
            // and is right for a ramp of no slope.
            let slope = (self.to - self.from) / self.over;
            let root = (self.from * self.from + 2.0 * slope * messages).max(0.0);
            2.0 * messages / (self.from + root.sqrt())
        } else if self.to > 0.0 {
            self.over + (messages - self.ramped) / self.to
        } else {
            f64::INFINITY
        };
        // The start of a ramp from nothing is 0 / 0.
        if seconds.is_nan() {
            0
        } else {
            (seconds * 1e9) as u64
        }
    }
}

/// One publisher's instants, one after another.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// When the next message is due.
    due: u64,
    publisher: u32,
    publishers: u32,
    /// Bursts so far.
    bursts: u64,
    /// Messages of this burst that are still to come.
    left: u32,
    random: fastrand::Rng,
    /// What chance has summed up to, in messages of all publishers.
    drawn: f64,
}

impl Schedule {
    pub fn new(pace: &Pace, publisher: usize, publishers: usize, seed: u64) -> Self {
        let mut schedule = Self {
            due: 0,
            publisher: publisher as u32,
            publishers: publishers as u32,
            bursts: 0,
            left: pace.burst,
            // Neighbouring seeds must not lead to alike numbers.
            random: fastrand::Rng::with_seed(seed ^ (publisher as u64) << 32),
            drawn: 0.0,
        };
        schedule.begin_burst(pace);
        schedule
    }

    /// When the next message is due, in ns since publishing began.
    pub fn due(&self) -> u64 {
        self.due
    }

    /// The next message is taken: on to the one after it.
    pub fn advance(&mut self, pace: &Pace) {
        self.left -= 1;
        if self.left == 0 {
            self.bursts += 1;
            self.left = pace.burst;
            self.begin_burst(pace);
        }
    }

    /// Messages of all publishers before this one's burst of that number, at equal distances.
    fn turn(&self, pace: &Pace, bursts: u64) -> f64 {
        let turn = bursts as f64 * f64::from(self.publishers) + f64::from(self.publisher);
        turn * f64::from(pace.burst)
    }

    fn begin_burst(&mut self, pace: &Pace) {
        let messages = match pace.arrivals {
            Arrivals::Constant => self.turn(pace, self.bursts),
            Arrivals::Poisson => {
                // Distances of independent events; each publisher has its share of the rate.
                let distance = -(1.0 - self.random.f64()).ln();
                self.drawn += distance * f64::from(self.publishers) * f64::from(pace.burst);
                self.drawn
            }
        };
        self.due = pace.instant(messages);
    }

    /// How many messages are due before this instant, from the next one on, `limit` at most.
    pub fn due_before(&self, pace: &Pace, end: u64, limit: u64) -> u64 {
        match pace.arrivals {
            Arrivals::Constant => self.even_before(pace, end).min(limit),
            Arrivals::Poisson => {
                let mut ahead = self.clone();
                let mut count = 0;
                while count < limit && ahead.due < end {
                    ahead.advance(pace);
                    count += 1;
                }
                count
            }
        }
    }

    /// The same without a limit for arrivals at equal distances, which need not be counted one by one.
    fn even_before(&self, pace: &Pace, end: u64) -> u64 {
        if self.due >= end {
            return 0;
        }
        let is_due = |bursts: u64| pace.instant(self.turn(pace, bursts)) < end;
        let (mut due, mut step) = (self.bursts, 1);
        while is_due(due.saturating_add(step)) {
            due = due.saturating_add(step);
            if due == u64::MAX {
                return u64::MAX;
            }
            step = step.saturating_mul(2);
        }
        // Burst `due` is due, and burst `due + step` is not.
        while step > 1 {
            step /= 2;
            if is_due(due.saturating_add(step)) {
                due += step;
            }
        }
        (due - self.bursts)
            .saturating_mul(u64::from(pace.burst))
            .saturating_add(u64::from(self.left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: u64 = 1_000_000_000;

    fn instants(pace: &Pace, publishers: usize, end: u64) -> Vec<u64> {
        let mut all = Vec::new();
        for publisher in 0..publishers {
            let mut schedule = Schedule::new(pace, publisher, publishers, 7);
            while schedule.due() < end {
                all.push(schedule.due());
                schedule.advance(pace);
            }
        }
        all.sort_unstable();
        all
    }

    #[test]
    fn publishers_take_turns_at_equal_distances() {
        let pace = Pace::constant(4.0);
        assert_eq!(
            instants(&pace, 1, SECOND),
            [0, 1, 2, 3].map(|n| n * SECOND / 4)
        );
        assert_eq!(instants(&pace, 3, SECOND), instants(&pace, 1, SECOND));
    }

    #[test]
    fn a_burst_comes_at_once_and_its_publisher_waits_so_much_longer() {
        let mut pace = Pace::constant(10.0);
        pace.burst = 5;
        let mut all = vec![0; 5];
        all.extend([SECOND / 2; 5]);
        assert_eq!(instants(&pace, 2, SECOND), all);
    }

    #[test]
    fn a_ramp_from_nothing_sums_up_to_its_triangle_and_goes_on() {
        let pace = Pace::ramp(0.0, 100.0, Duration::from_secs(10));
        assert_eq!(instants(&pace, 3, 10 * SECOND).len(), 500);
        assert_eq!(instants(&pace, 3, 5 * SECOND).len(), 125);
        assert_eq!(instants(&pace, 3, 20 * SECOND).len(), 1_500);
    }

    #[test]
    fn a_ramp_down_to_nothing_ends() {
        let pace = Pace::ramp(100.0, 0.0, Duration::from_secs(10));
        assert!(pace.dries_up());
        let all = instants(&pace, 1, u64::MAX);
        assert_eq!(all.len(), 500);
        assert!(*all.last().unwrap() < 10 * SECOND);
    }

    #[test]
    fn chance_keeps_the_rate_and_spreads_the_distances() {
        let mut pace = Pace::constant(1000.0);
        pace.arrivals = Arrivals::Poisson;
        let all = instants(&pace, 10, 20 * SECOND);
        // Five standard deviations of a Poisson number.
        assert!(all.len().abs_diff(20_000) < 710, "{}", all.len());
        let distances: Vec<f64> = all.windows(2).map(|two| (two[1] - two[0]) as f64).collect();
        let mean = distances.iter().sum::<f64>() / distances.len() as f64;
        let variance = distances
            .iter()
            .map(|one| (one - mean).powi(2))
            .sum::<f64>()
            / distances.len() as f64;
        // An exponential distribution's deviation is its mean; equal distances have none.
        let spread = variance.sqrt() / mean;
        assert!((0.9..1.1).contains(&spread), "{spread}");
    }

    fn paces() -> impl Strategy<Value = Pace> {
        let rate = || prop_oneof![Just(0.0), 0.5..5_000.0f64];
        let arrivals = prop::sample::select(vec![Arrivals::Constant, Arrivals::Poisson]);
        (rate(), rate(), 0..10_000u64, arrivals, 1..20u32).prop_map(
            |(from, to, over, arrivals, burst)| {
                let mut pace = Pace::ramp(from, to, Duration::from_millis(over));
                pace.arrivals = arrivals;
                pace.burst = burst;
                pace
            },
        )
    }

    #[test]
    fn what_is_due_at_equal_distances_is_not_counted_one_by_one() {
        let pace = Pace::constant(1e9);
        let schedule = Schedule::new(&pace, 0, 1, 7);
        let hour = 3600 * SECOND;
        assert_eq!(schedule.due_before(&pace, hour, u64::MAX), hour);
        assert_eq!(schedule.due_before(&pace, u64::MAX, 5), 5);
        let never = Pace::ramp(2.0, 0.0, Duration::from_secs(3));
        let schedule = Schedule::new(&never, 0, 1, 7);
        assert_eq!(schedule.due_before(&never, u64::MAX, u64::MAX), 3);
    }

    proptest! {
        #[test]
        fn instants_never_go_back(pace in paces(), publishers in 1..5usize) {
            for publisher in 0..publishers {
                let mut schedule = Schedule::new(&pace, publisher, publishers, 1);
                for _ in 0..200 {
                    let before = schedule.due();
                    schedule.advance(&pace);
                    prop_assert!(schedule.due() >= before);
                }
            }
        }

        #[test]
        fn what_becomes_due_is_the_rates_integral(pace in paces(), end in 0..3 * SECOND) {
            prop_assume!(pace.arrivals == Arrivals::Constant);
            let count = instants(&pace, 1, end).len() as f64;
            let integral = pace.due_by(end as f64 / 1e9);
            // A burst is due when its first message is.
            prop_assert!(count - integral <= f64::from(pace.burst) + 1e-3, "{count} {integral}");
            prop_assert!(integral - count <= 1e-3, "{count} {integral}");
        }

        #[test]
        fn whatever_the_number_of_publishers_the_whole_is_the_same(
            pace in paces(), publishers in 1..9usize, end in 0..3 * SECOND,
        ) {
            prop_assume!(pace.arrivals == Arrivals::Constant);
            let one = instants(&pace, 1, end);
            prop_assert_eq!(instants(&pace, publishers, end), one);
        }

        #[test]
        fn what_is_due_before_an_instant_is_what_comes_until_then(
            pace in paces(), end in 0..2 * SECOND,
        ) {
            let schedule = Schedule::new(&pace, 0, 1, 7);
            let all = instants(&pace, 1, end).len() as u64;
            prop_assert_eq!(schedule.due_before(&pace, end, u64::MAX), all);
            prop_assert_eq!(schedule.due_before(&pace, end, 3), all.min(3));
        }
    }
}
