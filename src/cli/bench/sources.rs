//! Local addresses to connect from: single ones, ranges and networks, with commas between.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// More would not bring more connections: a broker's port has some 60,000 from each.
const MAX: usize = 65_536;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceAddresses(pub Vec<IpAddr>);

impl FromStr for SourceAddresses {
    type Err = String;

    fn from_str(typed: &str) -> Result<Self, Self::Err> {
        let mut all = Vec::new();
        for part in typed.split(',') {
            let (first, last) = bounds(part).ok_or_else(|| {
                format!(
                    "'{part}' is no local address (use 10.0.0.1 or fd00::1, a range 10.0.0.1-10.0.0.9 or a \
                     network 10.0.0.0/24)"
                )
            })?;
            let count = (last - first).saturating_add(1);
            if count > (MAX - all.len()) as u128 {
                return Err(format!("'{part}' makes more than {MAX} local addresses"));
            }
            let is_v4 = part.contains('.') && !part.contains(':');
            all.extend((0..count).map(|ahead| address(first + ahead, is_v4)));
        }
        Ok(Self(all))
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

fn address(number: u128, is_v4: bool) -> IpAddr {
    if is_v4 {
        Ipv4Addr::from(number as u32).into()
    } else {
        Ipv6Addr::from(number).into()
    }
}

/// The first and the last address of a part.
fn bounds(part: &str) -> Option<(u128, u128)> {
    if let Some((first, last)) = part.split_once('-') {
        let first: IpAddr = first.parse().ok()?;
        let last = match last.parse::<u8>() {
            // 10.0.0.1-9
            Ok(byte) if first.is_ipv4() => (number(first) & !0xff) | u128::from(byte),
            _ => {
                let last: IpAddr = last.parse().ok()?;
                if last.is_ipv4() != first.is_ipv4() {
                    return None;
                }
                number(last)
            }
        };
        let first = number(first);
        return (first <= last).then_some((first, last));
    }
    if let Some((network, bits)) = part.split_once('/') {
        let network: IpAddr = network.parse().ok()?;
        let bits: u32 = bits.parse().ok()?;
        let width: u32 = if network.is_ipv4() { 32 } else { 128 };
        let free = width.checked_sub(bits)?;
        let within = 1_u128.checked_shl(free).map_or(u128::MAX, |size| size - 1);
        let first = number(network) & !within;
        let last = first + within;
        // The addresses of the network itself and of all its hosts are nobody's.
        return Some(if network.is_ipv4() && free >= 2 {
            (first + 1, last - 1)
        } else {
            (first, last)
        });
    }
    let one = number(part.parse().ok()?);
    Some((one, one))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(typed: &str) -> Vec<String> {
        let addresses = typed.parse::<SourceAddresses>().unwrap();
        addresses.0.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn lists_ranges_and_networks_are_written_out() {
        let table: [(&str, &[&str]); 8] = [
            ("127.0.0.2", &["127.0.0.2"]),
            ("127.0.0.2,::1", &["127.0.0.2", "::1"]),
            (
                "10.0.0.254-10.0.1.1",
                &["10.0.0.254", "10.0.0.255", "10.0.1.0", "10.0.1.1"],
            ),
            ("10.0.0.7-9", &["10.0.0.7", "10.0.0.8", "10.0.0.9"]),
            ("10.0.0.5/30", &["10.0.0.5", "10.0.0.6"]),
            ("10.0.0.4/31", &["10.0.0.4", "10.0.0.5"]),
            ("10.0.0.4/32", &["10.0.0.4"]),
            ("fd00::/127", &["fd00::", "fd00::1"]),
        ];
        for (typed, addresses) in table {
            assert_eq!(texts(typed), addresses, "{typed}");
        }
        assert_eq!(texts("10.1.0.0/16").len(), 65_534);
    }

    #[test]
    fn what_is_none_is_refused() {
        for typed in [
            "",
            ",",
            "host",
            "10.0.0.9-10.0.0.1",
            "10.0.0.1-::1",
            "10.0.0.0/33",
            "10.0.0.0/8",
            "::/0",
            "fd00::/64",
            "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            "::/128,x",
            "10.0.0.1-300",
            "0.0.0.0-255.255.255.255",
        ] {
            assert!(typed.parse::<SourceAddresses>().is_err(), "{typed}");
        }
    }

    #[test]
    fn too_many_are_called_that() {
        for typed in [
            "fd00::/64",
            "::/0",
            "10.0.0.0/8",
            "::-ffff::",
            "127.0.0.1,fd00::/112",
        ] {
            let refused = typed.parse::<SourceAddresses>().unwrap_err();
            assert!(
                refused.ends_with("makes more than 65536 local addresses"),
                "{refused}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[0-9a-f:./,-]{0,40}") {
            let _ = text.parse::<SourceAddresses>();
        }

        #[test]
        fn a_range_begins_and_ends_where_it_says(first: u32, more in 0..300u32) {
            let last = first.saturating_add(more);
            let (from, to) = (Ipv4Addr::from(first), Ipv4Addr::from(last));
            let all = format!("{from}-{to}").parse::<SourceAddresses>().unwrap().0;
            prop_assert_eq!(all.len() as u32, last - first + 1);
            prop_assert_eq!(all.first(), Some(&IpAddr::V4(from)));
            prop_assert_eq!(all.last(), Some(&IpAddr::V4(to)));
        }
    }
}
