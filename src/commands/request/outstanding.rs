//! Requests that wait for replies, and which reply is whose. No I/O and no clock.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

/// Ended requests whose late replies are still told from those of strangers.
const REMEMBERED: usize = 256;

/// What a message on the response topic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// A reply to this request, so long after it was sent. `complete`: the last one it waited for.
    Reply {
        number: u64,
        after: Duration,
        complete: bool,
    },
    /// A reply to a request that waits no more.
    Late(u64),
    /// Nobody here asked for it.
    Foreign,
}

/// A request that did not get all its replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unanswered {
    pub number: u64,
    pub replies: u64,
}

#[derive(Debug)]
struct Request {
    correlation: Option<Bytes>,
    sent: Instant,
    deadline: Option<Instant>,
    replies: u64,
    /// The broker has it, as far as its QoS tells.
    delivered: bool,
}

#[derive(Debug)]
pub struct Outstanding {
    /// By number, and so by the time of sending.
    requests: BTreeMap<u64, Request>,
    by_correlation: HashMap<Bytes, u64>,
    ended: VecDeque<(Bytes, u64)>,
    /// Replies to wait for, per request.
    wanted: u64,
}

impl Outstanding {
    pub fn new(wanted: u64) -> Self {
        Self {
            requests: BTreeMap::new(),
            by_correlation: HashMap::new(),
            ended: VecDeque::new(),
            wanted,
        }
    }

    pub fn len(&self) -> usize {
        self.requests.len()
    }

    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// A request was sent. Without correlation data there must be no other.
    pub fn sent(
        &mut self,
        number: u64,
        correlation: Option<Bytes>,
        now: Instant,
        timeout: Option<Duration>,
        delivered: bool,
    ) {
        if let Some(data) = &correlation {
            self.by_correlation.insert(data.clone(), number);
        }
        let request = Request {
            correlation,
            sent: now,
            deadline: timeout.map(|timeout| now + timeout),
            replies: 0,
            delivered,
        };
        self.requests.insert(number, request);
    }

    /// The broker acknowledged a request. Its reply may have been faster.
    pub fn delivered(&mut self, number: u64) {
        if let Some(request) = self.requests.get_mut(&number) {
            request.delivered = true;
        }
    }

    /// No more replies are wanted. Gives how long the first request has waited.
    pub fn clear(&mut self, now: Instant) -> Option<Duration> {
        let first = self.requests.first_key_value();
        let waited = first.map(|(_, request)| now - request.sent);
        self.requests.clear();
        self.by_correlation.clear();
        waited
    }

    /// A request will have no reply, for it was refused.
    pub fn remove(&mut self, number: u64) {
        if let Some(request) = self.requests.remove(&number)
            && let Some(data) = request.correlation
            && self.by_correlation.get(&data) == Some(&number)
        {
            self.by_correlation.remove(&data);
            self.ended.push_back((data, number));
            if self.ended.len() > REMEMBERED {
                self.ended.pop_front();
            }
        }
    }

    /// A message came to the response topic with this correlation data.
    pub fn reply(&mut self, correlation: Option<&Bytes>, now: Instant) -> Verdict {
        let mut waiting = self.requests.iter();
        let number = match (correlation, waiting.next()) {
            // Without correlation data one request waits at a time, and whatever comes is for it.
            (_, Some((number, request))) if request.correlation.is_none() => Some(*number),
            (Some(data), _) => self.by_correlation.get(data).copied(),
            (None, _) => None,
        };
        let Some(number) = number else {
            let known = self
                .ended
                .iter()
                .rev()
                .find(|(data, _)| Some(data) == correlation);
            return known.map_or(Verdict::Foreign, |(_, number)| Verdict::Late(*number));
        };
        let Some(request) = self.requests.get_mut(&number) else {
            return Verdict::Foreign;
        };
        request.replies += 1;
        let complete = request.replies == self.wanted;
        let after = now.saturating_duration_since(request.sent);
        if complete {
            self.remove(number);
        }
        Verdict::Reply {
            number,
            after,
            complete,
        }
    }

    /// When [`Outstanding::expire`] has something to say.
    pub fn deadline(&self) -> Option<Instant> {
        self.requests.values().find_map(|request| request.deadline)
    }

    /// Ends the requests whose time is up.
    pub fn expire(&mut self, now: Instant) -> Vec<Unanswered> {
        self.end_where(|request| request.deadline.is_some_and(|deadline| deadline <= now))
    }

    /// Ends the requests that the broker had already when the connection broke: their replies may have
    /// come to nobody.
    pub fn end_delivered(&mut self) -> Vec<Unanswered> {
        self.end_where(|request| request.delivered)
    }

    /// Time that does not count, because nothing was read.
    pub fn postpone(&mut self, by: Duration) {
        for request in self.requests.values_mut() {
            request.deadline = request.deadline.map(|deadline| deadline + by);
        }
    }

    fn end_where(&mut self, condition: impl Fn(&Request) -> bool) -> Vec<Unanswered> {
        let ended: Vec<_> = self
            .requests
            .iter()
            .filter(|(_, request)| condition(request))
            .map(|(number, request)| Unanswered {
                number: *number,
                replies: request.replies,
            })
            .collect();
        for request in &ended {
            self.remove(request.number);
        }
        ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn data(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    fn reply(number: u64, after: Duration, complete: bool) -> Verdict {
        Verdict::Reply {
            number,
            after,
            complete,
        }
    }

    #[test]
    fn a_reply_belongs_to_the_request_whose_correlation_data_it_brings() {
        let now = Instant::now();
        let mut outstanding = Outstanding::new(1);
        outstanding.sent(1, Some(data("a")), now, None, true);
        outstanding.sent(2, Some(data("b")), now + SECOND, None, true);
        let later = now + 3 * SECOND;
        assert_eq!(outstanding.reply(Some(&data("c")), later), Verdict::Foreign);
        assert_eq!(outstanding.reply(None, later), Verdict::Foreign);
        assert_eq!(
            outstanding.reply(Some(&data("b")), later),
            reply(2, 2 * SECOND, true)
        );
        assert_eq!(outstanding.reply(Some(&data("b")), later), Verdict::Late(2));
        assert_eq!(
            outstanding.reply(Some(&data("a")), later),
            reply(1, 3 * SECOND, true)
        );
        assert!(outstanding.is_empty());
    }

    #[test]
    fn several_replies_complete_a_request() {
        let now = Instant::now();
        let mut outstanding = Outstanding::new(2);
        outstanding.sent(1, Some(data("a")), now, Some(SECOND), true);
        let first = outstanding.reply(Some(&data("a")), now);
        assert_eq!(first, reply(1, Duration::ZERO, false));
        let missing = Unanswered {
            number: 1,
            replies: 1,
        };
        assert_eq!(outstanding.expire(now), []);
        assert_eq!(outstanding.expire(now + SECOND), [missing]);
        assert_eq!(outstanding.reply(Some(&data("a")), now), Verdict::Late(1));
    }

    #[test]
    fn without_correlation_data_the_next_message_is_the_reply() {
        let now = Instant::now();
        let mut outstanding = Outstanding::new(1);
        assert_eq!(outstanding.reply(None, now), Verdict::Foreign);
        outstanding.sent(1, None, now, None, true);
        assert_eq!(outstanding.reply(None, now), reply(1, Duration::ZERO, true));
        assert_eq!(outstanding.reply(None, now), Verdict::Foreign);
    }

    #[test]
    fn fixed_correlation_data_serves_one_request_after_the_other() {
        let now = Instant::now();
        let mut outstanding = Outstanding::new(1);
        for number in 1..=2 {
            outstanding.sent(number, Some(data("x")), now, None, true);
            let verdict = outstanding.reply(Some(&data("x")), now);
            assert_eq!(verdict, reply(number, Duration::ZERO, true));
        }
        assert_eq!(outstanding.reply(Some(&data("x")), now), Verdict::Late(2));
    }

    #[test]
    fn deadlines_move_by_the_time_that_does_not_count() {
        let now = Instant::now();
        let mut outstanding = Outstanding::new(1);
        outstanding.sent(1, Some(data("a")), now, Some(SECOND), true);
        outstanding.postpone(SECOND);
        assert_eq!(outstanding.deadline(), Some(now + 2 * SECOND));
        assert_eq!(outstanding.expire(now + SECOND), []);
    }

    #[test]
    fn a_broken_connection_ends_what_the_broker_had() {
        let now = Instant::now();
        let mut outstanding = Outstanding::new(1);
        for number in 1..=3 {
            let data = Bytes::from(number.to_string());
            outstanding.sent(number, Some(data), now, None, false);
        }
        outstanding.delivered(2);
        let missing = Unanswered {
            number: 2,
            replies: 0,
        };
        assert_eq!(outstanding.end_delivered(), [missing]);
        assert_eq!(outstanding.len(), 2);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let now = Instant::now();
        let mut outstanding = Outstanding::new(1);
        for number in 0..1000_u64 {
            let data = Bytes::from(number.to_string());
            outstanding.sent(number, Some(data.clone()), now, None, true);
            outstanding.reply(Some(&data), now);
        }
        assert_eq!(outstanding.ended.len(), REMEMBERED);
        assert!(outstanding.by_correlation.is_empty());
    }
}
