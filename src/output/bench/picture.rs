//! A latency histogram as one line of blocks, for a terminal.

use std::time::Duration;

use hdrhistogram::Histogram;

const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The least value, how often what followed it came, and the greatest value. Columns are even on a
/// logarithmic scale; `None` when nothing was measured.
pub fn picture(histogram: &Histogram<u64>, columns: usize) -> Option<(Duration, String, Duration)> {
    if histogram.is_empty() || columns == 0 {
        return None;
    }
    let (low, high) = (histogram.min().max(1), histogram.max().max(1));
    let ratio = high as f64 / low as f64;
    let edge = |column: usize| {
        let share = column as f64 / columns as f64;
        (low as f64 * ratio.powf(share)) as u64
    };
    let mut counts = vec![0; columns];
    let mut column = 0;
    for recorded in histogram.iter_recorded() {
        while column + 1 < columns && recorded.value_iterated_to() > edge(column + 1) {
            column += 1;
        }
        counts[column] += recorded.count_at_value();
    }
    let most = counts.iter().max().copied().unwrap_or(0).max(1);
    let block = |count: u64| {
        // What came at all is seen.
        let height = (count * 8).div_ceil(most);
        BLOCKS[height as usize]
    };
    let blocks = counts.into_iter().map(block).collect();
    let time = |ns| Duration::from_nanos(ns);
    Some((time(histogram.min()), blocks, time(histogram.max())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(values: &[(u64, u64)]) -> Histogram<u64> {
        let mut histogram = Histogram::new(3).unwrap();
        for (value, count) in values {
            histogram.record_n(*value, *count).unwrap();
        }
        histogram
    }

    #[test]
    fn what_came_often_is_high_and_what_came_once_is_seen() {
        let histogram = histogram(&[(1_000, 80), (10_000, 40), (100_000, 1)]);
        let (low, blocks, high) = picture(&histogram, 7).unwrap();
        assert_eq!(blocks, "█  ▄  ▁");
        assert_eq!(low.as_micros(), 1);
        assert_eq!(high.as_micros(), 100);
    }

    #[test]
    fn a_single_value_and_none_at_all_are_no_trouble() {
        assert_eq!(picture(&histogram(&[(5, 3)]), 4).unwrap().1, "█   ");
        assert_eq!(picture(&histogram(&[(0, 3)]), 4).unwrap().1, "█   ");
        assert!(picture(&histogram(&[]), 4).is_none());
    }
}
