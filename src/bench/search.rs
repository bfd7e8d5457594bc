//! The highest rate that holds: doubled until one does not, narrowed down, then tried again and again.
//! Pure; whoever makes the runs tells what came of them.

/// Of rates, by which the highest that holds and the lowest that does not may differ.
const PRECISION: f64 = 0.05;
/// Runs that must all hold at the rate that is reported.
const CONFIRMATIONS: usize = 3;
/// Runs in all: enough to double from 1 to beyond what any machine sends, to narrow down, and to step
/// down where runs differ. What was found until then is reported.
const MAX_TRIALS: usize = 60;

/// What one run at a rate showed.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    pub rate: f64,
    /// Messages per second that came about.
    pub reached: f64,
    /// What did not hold; empty when all did.
    pub broke: Vec<String>,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Next {
    Try(f64),
    Done,
}

#[derive(Debug, Clone)]
pub struct Search {
    trials: Vec<Trial>,
    /// The highest rate that has held and the lowest that has not.
    low: Option<f64>,
    high: Option<f64>,
    start: f64,
    confirmed: usize,
}

/// The end of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The highest rate that held each time it was tried; `None` when none did.
    pub rate: Option<f64>,
    /// The lowest and the highest rate that came about there.
    pub spread: Option<(f64, f64)>,
    /// Runs at that rate.
    pub runs: usize,
    /// It held as often as it should; false when the search had to end before.
    pub confirmed: bool,
    /// The lowest rate that did not hold, and what broke there.
    pub above: Option<(f64, Vec<String>)>,
}

impl Search {
    pub fn new(start: f64) -> Self {
        Self {
            trials: Vec::new(),
            low: None,
            high: None,
            start: start.max(1.0),
            confirmed: 0,
        }
    }

    /// All runs, in their order.
    pub fn trials(&self) -> &[Trial] {
        &self.trials
    }

    pub fn next(&self) -> Next {
        if self.trials.len() >= MAX_TRIALS {
            return Next::Done;
        }
        match (self.low, self.high) {
            (None, None) => Next::Try(self.start),
            (Some(low), None) => Next::Try(low * 2.0),
            // Nothing holds, not even one message a second.
            (None, Some(high)) if high <= 1.0 => Next::Done,
            (None, Some(high)) => Next::Try((high / 2.0).max(1.0)),
            (Some(low), Some(high)) if high > low * (1.0 + PRECISION) => {
                // Whole rates, where they are large enough for it.
                let middle = (low * high).sqrt();
                let whole = middle.round();
                Next::Try(if low < whole && whole < high {
                    whole
                } else {
                    middle
                })
            }
            (Some(low), Some(_)) if self.confirmed < CONFIRMATIONS => Next::Try(low),
            (Some(_), Some(_)) => Next::Done,
        }
    }

    pub fn tried(&mut self, trial: Trial) {
        let (rate, held) = (trial.rate, trial.broke.is_empty());
        self.trials.push(trial);
        match (held, self.low) {
            (true, Some(low)) if rate == low => self.confirmed += 1,
            (true, _) => {
                self.low = Some(rate);
                self.confirmed = 1;
            }
            (false, _) => {
                self.high = Some(rate);
                if self.low.is_some_and(|low| low >= rate) {
                    // It had held by luck: back to the next one below that has always held.
                    self.low = self.highest_below(rate);
                    self.confirmed = self.runs_at(self.low).count();
                }
            }
        }
    }

    fn highest_below(&self, rate: f64) -> Option<f64> {
        let broken = |rate: f64| {
            let mut trials = self.trials.iter();
            trials.any(|trial| trial.rate == rate && !trial.broke.is_empty())
        };
        let rates = self.trials.iter().map(|trial| trial.rate);
        rates
            .filter(|one| *one < rate && !broken(*one))
            .reduce(f64::max)
    }

    fn runs_at(&self, rate: Option<f64>) -> impl Iterator<Item = &Trial> {
        let trials = self.trials.iter();
        trials.filter(move |trial| Some(trial.rate) == rate)
    }

    pub fn found(&self) -> Found {
        let reached = |pick: fn(f64, f64) -> f64| {
            let runs = self.runs_at(self.low);
            runs.map(|trial| trial.reached).reduce(pick)
        };
        let above = self.high.map(|high| {
            let mut broken = self.runs_at(Some(high));
            let broken = broken.find(|trial| !trial.broke.is_empty());
            let broke = broken.map(|trial| trial.broke.clone());
            (high, broke.unwrap_or_default())
        });
        Found {
            rate: self.low,
            spread: self
                .low
                .and_then(|_| reached(f64::min).zip(reached(f64::max))),
            runs: self.low.map_or(0, |_| self.runs_at(self.low).count()),
            confirmed: self.low.is_some() && self.confirmed >= CONFIRMATIONS,
            above,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Searches with a broker that holds a rate or does not, and returns the number of runs too.
    fn search(start: f64, mut holds: impl FnMut(f64) -> bool) -> (Found, usize) {
        let mut search = Search::new(start);
        while let Next::Try(rate) = search.next() {
            let broke = if holds(rate) {
                Vec::new()
            } else {
                vec!["p99 < 50ms is missed: 80ms".to_owned()]
            };
            search.tried(Trial {
                rate,
                reached: rate,
                broke,
            });
        }
        (search.found(), search.trials.len())
    }

    #[test]
    fn a_broker_that_holds_nothing_and_one_that_holds_everything() {
        let (found, trials) = search(1000.0, |_| false);
        assert_eq!((found.rate, found.runs), (None, 0));
        assert!(trials < 15);
        let (found, trials) = search(1000.0, |_| true);
        assert_eq!(trials, MAX_TRIALS);
        assert!(found.above.is_none() && !found.confirmed);
    }

    #[test]
    fn what_held_by_luck_is_given_up() {
        let mut seen = Vec::new();
        // 800 and more hold only the first time.
        let (found, _) = search(100.0, |rate| {
            let again = seen.contains(&rate.to_bits());
            seen.push(rate.to_bits());
            rate < 790.0 || (rate < 1000.0 && !again)
        });
        assert!(found.rate.unwrap() < 790.0);
        assert!(found.confirmed);
        assert_eq!(found.runs, CONFIRMATIONS);
    }

    proptest! {
        #[test]
        fn it_finds_the_limit_and_confirms_it(
            limit in 1.0..10_000_000.0_f64,
            start in 1.0..100_000.0_f64,
        ) {
            let (found, trials) = search(start, |rate| rate <= limit);
            let rate = found.rate.unwrap();
            let (above, broke) = found.above.unwrap();
            prop_assert!(rate <= limit && limit < above);
            prop_assert!(above <= rate * (1.0 + PRECISION));
            prop_assert_eq!(found.runs, CONFIRMATIONS);
            prop_assert!(found.confirmed && !broke.is_empty());
            prop_assert!(trials <= 40, "{} runs", trials);
        }

        #[test]
        fn it_ends_and_reports_only_what_always_held(
            answers in prop::collection::vec(any::<bool>(), MAX_TRIALS),
            start in 1.0..100_000.0_f64,
        ) {
            let mut answers = answers.into_iter();
            let mut broken = Vec::new();
            let (found, trials) = search(start, |rate| {
                let held = answers.next().unwrap();
                if !held {
                    broken.push(rate);
                }
                held
            });
            prop_assert!(trials <= MAX_TRIALS);
            if let Some(rate) = found.rate {
                prop_assert!(!broken.contains(&rate));
                prop_assert!(found.above.is_none_or(|(above, _)| rate < above));
            }
        }
    }
}
