//! Divides a network's subnet: Docker allocates from the upper half; in the lower half, each node
//! has the address that its number gives.

use std::{fmt, net::Ipv4Addr, str::FromStr};

/// An IPv4 subnet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Subnet {
    base: u32,
    prefix: u32,
}

impl Subnet {
    /// The address of the host in the network: the first one, as Docker does it.
    pub(super) fn gateway(self) -> Ipv4Addr {
        Ipv4Addr::from(self.base + 1)
    }

    /// The half that Docker may allocate from.
    pub(super) fn upper_half(self) -> Subnet {
        Subnet {
            base: self.base + self.half(),
            prefix: self.prefix + 1,
        }
    }

    /// The address of a node, if the lower half is large enough.
    pub(super) fn node(self, number: u16) -> Option<Ipv4Addr> {
        let offset = 1 + u32::from(number);
        (offset > 1 && offset < self.half()).then(|| Ipv4Addr::from(self.base + offset))
    }

    fn half(self) -> u32 {
        1 << (31 - self.prefix)
    }
}

impl FromStr for Subnet {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (ip, prefix) = text.split_once('/').ok_or(())?;
        let ip: Ipv4Addr = ip.parse().map_err(|_| ())?;
        let prefix: u32 = prefix.parse().map_err(|_| ())?;
        if !(1..=29).contains(&prefix) {
            return Err(());
        }
        let base = u32::from(ip) & (u32::MAX << (32 - prefix));
        Ok(Subnet { base, prefix })
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from(self.base), self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_and_docker_never_share_an_address() {
        for text in [
            "172.18.0.0/16",
            "192.168.240.0/20",
            "10.5.5.0/24",
            "10.5.5.8/29",
        ] {
            let subnet: Subnet = text.parse().unwrap();
            assert_eq!(subnet.to_string(), text);
            let upper = subnet.upper_half();
            let mut last = u32::from(subnet.gateway());
            for number in 1..=1000 {
                let Some(address) = subnet.node(number) else {
                    break;
                };
                assert!(
                    u32::from(address) > last && u32::from(address) < upper.base,
                    "{text}"
                );
                last = address.into();
            }
        }
    }

    #[test]
    fn a_small_subnet_has_room_for_few() {
        let subnet: Subnet = "10.0.0.0/28".parse().unwrap();
        assert_eq!(subnet.node(6), Some(Ipv4Addr::new(10, 0, 0, 7)));
        assert_eq!(subnet.node(7), None);
        assert_eq!(subnet.upper_half().to_string(), "10.0.0.8/29");
        assert!("fd00::/64".parse::<Subnet>().is_err());
        assert!("10.0.0.0/31".parse::<Subnet>().is_err());
    }
}
