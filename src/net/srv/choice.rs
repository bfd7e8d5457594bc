//! Which of several records comes first (RFC 2782, page 3): the lowest priority, and of one priority by chance, the
//! more often the more weight. No I/O.

use super::{SrvProblem, Target};

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub priority: u16,
    pub weight: u16,
    pub port: u16,
    /// Without the dot at the end; empty for the root, which means that there is no such service.
    pub target: String,
}

/// The targets in the order in which to try them. `random` gives a number from 0 to its argument, both possible.
pub(super) fn order(
    mut records: Vec<Record>,
    mut random: impl FnMut(u32) -> u32,
) -> Result<Vec<Target>, SrvProblem> {
    if records.is_empty() {
        return Err(SrvProblem::NoRecord);
    }
    records.retain(|record| !record.target.is_empty());
    if records.is_empty() {
        return Err(SrvProblem::NoService);
    }
    // Those without weight first, so that they have their small chance.
    records.sort_by_key(|record| (record.priority, record.weight > 0));
    let mut targets = Vec::with_capacity(records.len());
    while let Some(first) = records.first() {
        let priority = first.priority;
        let same = records.iter().take_while(|r| r.priority == priority);
        let sums: Vec<u32> = same
            .scan(0, |sum, record| {
                *sum += u32::from(record.weight);
                Some(*sum)
            })
            .collect();
        let drawn = random(sums.last().copied().unwrap_or(0));
        let chosen = sums.iter().position(|sum| *sum >= drawn).unwrap_or(0);
        let record = records.remove(chosen);
        targets.push(Target {
            host: record.target,
            port: record.port,
        });
    }
    Ok(targets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(all: &[(u16, u16, &str)]) -> Vec<Record> {
        let record = |(priority, weight, target): &(u16, u16, &str)| Record {
            priority: *priority,
            weight: *weight,
            port: 1883,
            target: (*target).to_owned(),
        };
        all.iter().map(record).collect()
    }

    fn hosts(all: &[(u16, u16, &str)], random: impl FnMut(u32) -> u32) -> Vec<String> {
        let targets = order(records(all), random).unwrap();
        targets.into_iter().map(|target| target.host).collect()
    }

    #[test]
    fn priorities_stand_in_their_order_whatever_chance_says() {
        let all = [(20, 9, "c"), (10, 0, "a"), (30, 1, "d"), (10, 0, "b")];
        for drawn in 0..=9 {
            let hosts = hosts(&all, |most| most.min(drawn));
            assert_eq!(hosts, ["a", "b", "c", "d"]);
        }
    }

    #[test]
    fn within_a_priority_weight_is_the_chance_to_be_first() {
        let all = [(1, 3, "three"), (1, 0, "none"), (1, 1, "one")];
        // none: 0 · three: 1 to 3 · one: 4
        let mut first = std::collections::BTreeMap::new();
        for drawn in 0..=4 {
            let mut draws = [drawn, 0, 0].into_iter();
            let hosts = hosts(&all, |most| draws.next().unwrap().min(most));
            assert_eq!(hosts.len(), 3);
            *first.entry(hosts[0].clone()).or_insert(0) += 1;
        }
        let counts: Vec<_> = first.iter().map(|(host, n)| (host.as_str(), *n)).collect();
        assert_eq!(counts, [("none", 1), ("one", 1), ("three", 3)]);
    }

    #[test]
    fn the_sum_to_draw_from_is_that_of_the_records_left() {
        let mut asked = Vec::new();
        hosts(&[(1, 5, "a"), (1, 2, "b"), (2, 7, "c")], |most| {
            asked.push(most);
            0
        });
        assert_eq!(asked, [7, 2, 7]);
    }

    #[test]
    fn the_root_as_target_means_that_there_is_no_such_service() {
        assert_eq!(
            order(records(&[(0, 0, "")]), |_| 0),
            Err(SrvProblem::NoService)
        );
        assert_eq!(order(vec![], |_| 0), Err(SrvProblem::NoRecord));
        assert_eq!(hosts(&[(0, 0, ""), (1, 0, "a")], |_| 0), ["a"]);
    }
}
