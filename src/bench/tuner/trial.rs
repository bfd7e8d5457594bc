//! Two times between looks compared: they take turns, and the pairs of turns say which is better.

use super::Reading;

/// Pairs of turns that a trial has at most. Where it takes them all, one time is not much worse than the other, so they cost little.
const PAIRS: usize = 16;
/// After so many a trial is over when its pairs say the same, but for one of eight.
const ENOUGH_PAIRS: usize = 4;
const AGREEING: usize = 8;
/// What comes must change by such a factor to be more.
const MORE: f64 = 1.03;
/// No less than this is as much, and is better when it takes no more than that of the CPU time; a little less is when it
/// takes much less.
const AS_MUCH: f64 = 0.97;
const CHEAPER: f64 = 0.9;
const NEARLY_AS_MUCH: f64 = 0.95;
const MUCH_CHEAPER: f64 = 0.8;
/// What costs so many times as much must bring as many times more as this root of it: the cost is seen exactly, what comes
/// is not.
const COST_ROOT: f64 = 3.0;
/// A trial ends when its first two pairs bring less than this. A single one says nothing: the machine may have stopped.
const WORSE: f64 = 0.8;
/// What a longer time must bring on the whole.
const ON_THE_WHOLE: f64 = 0.9;
/// Of one core. A generator that needs less has nothing to gain.
const BUSY: f64 = 0.4;

/// What came between two readings.
#[derive(Debug, Clone, Copy, Default)]
pub struct Turn {
    /// Acknowledgements and deliveries.
    pub per_s: f64,
    pub acknowledged_per_s: f64,
    /// CPU seconds for each that came.
    cost: f64,
    /// CPU seconds in a second.
    cores: f64,
    pub looks_per_s: f64,
}

impl Turn {
    pub fn between(from: Reading, to: Reading) -> Self {
        let passed = to.at.saturating_sub(from.at).as_secs_f64().max(1e-9);
        let since = |of: fn(&Reading) -> u64| of(&to).saturating_sub(of(&from)) as f64;
        let acknowledged = since(|reading| reading.came.acknowledged);
        let came = acknowledged + since(|reading| reading.came.delivered);
        let cpu = to.cpu.saturating_sub(from.cpu).as_secs_f64();
        Self {
            per_s: came / passed,
            acknowledged_per_s: acknowledged / passed,
            cost: cpu / came.max(1.0),
            cores: cpu / passed,
            looks_per_s: since(|reading| reading.looks) / passed,
        }
    }

    /// Something comes, and the generator is at work for it.
    pub fn is_busy(&self) -> bool {
        self.cores >= BUSY && self.per_s > 0.0
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    Open,
    /// The other time is better.
    Better,
    /// It is not, and may be much worse.
    NotBetter {
        harmful: bool,
    },
}

/// Turns go A B B A A B B A, where A is the time that is kept, so that neither gains by what changes in one direction.
#[derive(Debug, Default)]
pub struct Trial {
    kept: Vec<Turn>,
    other: Vec<Turn>,
}

impl Trial {
    /// Whether the next turn is the other time's.
    pub fn is_others_turn(&self) -> bool {
        matches!((self.kept.len() + self.other.len()) % 4, 1 | 2)
    }

    pub fn add(&mut self, turn: Turn) {
        match self.is_others_turn() {
            true => self.other.push(turn),
            false => self.kept.push(turn),
        }
    }

    /// The last turn of the other time, or of the one that is kept.
    pub fn last(&self, of_other: bool) -> Option<Turn> {
        match of_other {
            true => self.other.last().copied(),
            false => self.kept.last().copied(),
        }
    }

    /// By the middle pair, so that single ones in which the machine stopped do not matter. `waits_more`: the other time is the longer
    /// one; if it is waiting that stops the machine now and then, the sum of all shows it. A shorter one, which costs more, must
    /// be better by both.
    pub fn judge(&self, waits_more: bool) -> Judgement {
        let mut rates = self.ratios(|turn| turn.per_s);
        let mut costs = self.ratios(|turn| turn.cost);
        let count = |is: fn(f64, f64) -> bool| {
            let pairs = rates.iter().zip(&costs);
            pairs.filter(|(rate, cost)| is(**rate, **cost)).count()
        };
        // In the middle of a pair it was asked before.
        let is_over = match rates.len() {
            _ if self.kept.len() != self.other.len() => false,
            0 | 1 => false,
            PAIRS.. => true,
            pairs @ ENOUGH_PAIRS.. => {
                let better = count(is_better);
                better.min(pairs - better) * AGREEING <= pairs
            }
            pairs => count(|rate, _| rate < WORSE) == pairs,
        };
        if !is_over {
            return Judgement::Open;
        }
        let sum = |turns: &[Turn]| turns.iter().map(|turn| turn.per_s).sum();
        let (middle, whole) = (median(&mut rates), ratio(sum(&self.other), sum(&self.kept)));
        let rate = match waits_more {
            true if whole < ON_THE_WHOLE => whole,
            true => middle,
            false => middle.min(whole),
        };
        if is_better(rate, median(&mut costs)) {
            Judgement::Better
        } else {
            Judgement::NotBetter {
                harmful: rate < WORSE,
            }
        }
    }

    /// Of the other time to the one that is kept, by pair.
    fn ratios(&self, of: fn(&Turn) -> f64) -> Vec<f64> {
        let pairs = self.other.iter().zip(&self.kept);
        pairs
            .map(|(other, kept)| ratio(of(other), of(kept)))
            .collect()
    }
}

/// Whether so many times what comes, for so many times the cost, is better: it may not be that the way back is, too.
fn is_better(rate: f64, cost: f64) -> bool {
    let more = cost.powf(1.0 / COST_ROOT).max(MORE);
    saves(rate, cost) || (rate >= more && !saves(1.0 / rate, 1.0 / cost))
}

/// As much, or nearly, for less.
fn saves(rate: f64, cost: f64) -> bool {
    (rate >= AS_MUCH && cost <= CHEAPER) || (rate >= NEARLY_AS_MUCH && cost <= MUCH_CHEAPER)
}

/// Bounded where there is nothing to compare with.
fn ratio(other: f64, kept: f64) -> f64 {
    match kept > 0.0 {
        true => (other / kept).min(1e3),
        false if other > 0.0 => 1e3,
        false => 1.0,
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        0 => (values[middle - 1] + values[middle]) / 2.0,
        _ => values[middle],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Brings so much for one core.
    fn turn(per_s: f64) -> Turn {
        Turn {
            per_s,
            acknowledged_per_s: per_s,
            cost: 1.0 / per_s,
            cores: 1.0,
            looks_per_s: 1000.0,
        }
    }

    /// A trial whose turns bring so much; the other time's are every second and third of four.
    fn trial(per_s: &[f64]) -> Trial {
        let mut trial = Trial::default();
        for per_s in per_s {
            trial.add(turn(*per_s));
        }
        trial
    }

    #[test]
    fn a_trial_takes_turns_until_its_pairs_agree() {
        let mut one = Trial::default();
        let mut turns = String::new();
        while one.judge(true) == Judgement::Open {
            let is_others = one.is_others_turn();
            turns.push(if is_others { 'B' } else { 'A' });
            one.add(turn(if is_others { 120.0 } else { 100.0 }));
        }
        assert_eq!(turns, "ABBAABBA");
        assert_eq!(one.judge(true), Judgement::Better);
        assert_eq!(one.last(true).unwrap().per_s, 120.0);
        assert_eq!(one.last(false).unwrap().per_s, 100.0);
    }

    #[test]
    fn harm_ends_a_trial_soon() {
        let not_better = |harmful| Judgement::NotBetter { harmful };
        assert_eq!(trial(&[100.0]).judge(true), Judgement::Open);
        assert_eq!(trial(&[100.0, 1.0]).judge(true), Judgement::Open);
        let twice = trial(&[100.0, 75.0, 75.0, 100.0]);
        assert_eq!(twice.judge(true), not_better(true));
        assert_eq!(
            trial(&[0.0, 0.0]).judge(true),
            Judgement::Open,
            "nothing came"
        );
    }

    #[test]
    fn one_pair_of_eight_may_say_otherwise() {
        let mut other = vec![turn(120.0); 8];
        let mut pairs = |number: usize, per_s| {
            other[number] = turn(per_s);
            let trials = (1..=8).map(|count| Trial {
                kept: vec![turn(100.0); count],
                other: other[..count].to_vec(),
            });
            let over = trials.filter(|trial| trial.judge(true) != Judgement::Open);
            over.map(|trial| trial.kept.len()).collect::<Vec<_>>()
        };
        assert_eq!(pairs(4, 90.0), [4, 8]);
        assert!(pairs(3, 90.0).is_empty(), "two of them");
        assert_eq!(pairs(4, 120.0), [8]);
    }

    /// Pairs as good as each other but for some turns, in which the machine stopped.
    #[test]
    fn turns_in_which_the_machine_stopped_do_not_mislead_a_trial() {
        let mut stopped = Trial {
            kept: vec![turn(100.0); PAIRS],
            other: vec![turn(104.0); PAIRS],
        };
        stopped.other[..2].fill(turn(1.0));
        assert_eq!(stopped.judge(true), Judgement::Better);
        stopped.other[..4].fill(turn(1.0));
        let worse = Judgement::NotBetter { harmful: true };
        assert_eq!(stopped.judge(true), worse, "by the sum");
        assert_eq!(stopped.judge(false), worse, "by the sum");
        let mut stopped = Trial {
            kept: vec![turn(100.0); PAIRS],
            other: vec![turn(102.0); PAIRS],
        };
        stopped.kept[..4].fill(turn(1.0));
        let not_better = Judgement::NotBetter { harmful: false };
        assert_eq!(stopped.judge(false), not_better, "by the pairs");
    }

    #[test]
    fn as_much_for_less_is_better() {
        let is_better = |per_s: f64, cost: f64| {
            let kept = turn(100.0);
            let other = Turn {
                per_s,
                cost: kept.cost * cost,
                ..kept
            };
            let one = Trial {
                kept: vec![kept; 8],
                other: vec![other; 8],
            };
            one.judge(true) == Judgement::Better
        };
        assert!(is_better(100.0, 0.89) && is_better(97.5, 0.89));
        assert!(!is_better(100.0, 0.91) && !is_better(96.5, 0.81));
        assert!(is_better(95.5, 0.79) && !is_better(94.5, 0.1));
        // more, but not so much that the way back would not be better again
        assert!(is_better(103.5, 1.1) && !is_better(102.5, 1.1));
        // nor so little for what it costs
        assert!(is_better(106.5, 1.2) && !is_better(106.0, 1.2));
        assert!(is_better(126.5, 2.0) && !is_better(125.5, 2.0));
    }
}
