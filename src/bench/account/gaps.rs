//! What one subscriber does not have of one publisher's messages. Pure.

use std::ops::Range;

use super::{MAX_PLACES, Sent};
use crate::bench::ranges::Ranges;
use crate::bench::sequence::Sequence;

/// One publisher's messages that one subscriber does not have.
#[derive(Debug, Default)]
pub struct Gaps {
    pub passed: u64,
    pub tail: u64,
    pub never_sent: u64,
    /// The numbers of the first ones.
    pub first_passed: Vec<u64>,
    pub first_tail: Vec<u64>,
    pub exact: bool,
}

impl Gaps {
    pub fn of(sequence: &Sequence, sent: &Sent) -> Self {
        // Under TLS a message may arrive although its last flush was not heard of.
        let end = sent.sent.max(sequence.next().min(sent.published));
        let none = Ranges::default();
        let missing = sequence.missing().unwrap_or(&none);
        let mut tail = Ranges::default();
        tail.push(sequence.next().min(end)..end);
        let clip = |range: Range<u64>| range.start.min(end)..range.end.min(end);
        let len = |range: &Range<u64>| range.end - range.start;
        let passed = missing.without(&sent.excused).into_iter().map(clip);
        let passed: Vec<_> = passed.collect();
        let tails = tail.without(&sent.excused);
        let first = |ranges: &[Range<u64>]| {
            let numbers = ranges.iter().cloned().flatten();
            numbers.take(MAX_PLACES).collect::<Vec<_>>()
        };
        let above = missing
            .iter()
            .map(|range| len(&range) - len(&clip(range.clone())));
        let mut gaps = Self {
            passed: passed.iter().map(len).sum(),
            tail: tails.iter().map(len).sum(),
            never_sent: sequence
                .next()
                .saturating_sub(end)
                .saturating_sub(above.sum()),
            first_passed: first(&passed),
            first_tail: first(&tails),
            exact: true,
        };
        if let Some(forgotten) = missing.forgotten() {
            gaps.passed += forgotten.count;
            gaps.first_passed.insert(0, forgotten.first);
            gaps.exact = sent.excused.is_empty();
        }
        if let Some(forgotten) = sent.excused.forgotten() {
            // Which of the missing ones these are is not known any more, only how many.
            let excused = forgotten.count.min(gaps.passed + gaps.tail);
            let from_passed = excused.min(gaps.passed);
            gaps.passed -= from_passed;
            gaps.tail -= excused - from_passed;
            gaps.exact = false;
        }
        gaps
    }
}
