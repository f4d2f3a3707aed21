//! A sum of digests that does not depend on order or grouping.

use crate::{Digest, Result};
use serde::{Deserialize, Serialize};

/// A fingerprint that does not depend on order or grouping: the sum, modulo
/// 2^256, of the digests of its members. Equal contents give equal sums
/// however they are split into pages. It finds differences; it is no proof
/// against somebody who forges contents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Adds one member.
    pub fn add(&mut self, member: &Digest) {
        self.add_bytes(member.as_bytes());
    }

    /// Adds all members of another fingerprint.
    pub fn merge(&mut self, other: &Fingerprint) {
        self.add_bytes(&other.0);
    }

    /// Takes one member away again.
    pub fn subtract(&mut self, other: &Fingerprint) {
        let mut borrow = false;
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            let (first, under_first) = mine.overflowing_sub(*theirs);
            let (second, under_second) = first.overflowing_sub(u8::from(borrow));
            *mine = second;
            borrow = under_first || under_second;
        }
    }

    /// The sum as a digest-shaped value.
    pub fn as_digest(&self) -> Digest {
        Digest::from_bytes(self.0)
    }

    fn add_bytes(&mut self, bytes: &[u8; 32]) {
        let mut carry = 0u16;
        for (mine, theirs) in self.0.iter_mut().zip(bytes) {
            let sum = u16::from(*mine) + u16::from(*theirs) + carry;
            *mine = sum as u8;
            carry = sum >> 8;
        }
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_digest().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Digest::deserialize(deserializer).map(|d| Self(*d.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_does_not_depend_on_order_or_grouping() {
        let members: Vec<Digest> = (0..50u8).map(|n| Digest::of(&[n])).collect();
        let sum = |list: &[Digest]| {
            let mut f = Fingerprint::default();
            list.iter().for_each(|d| f.add(d));
            f
        };
        let whole = sum(&members);
        let mut reversed = members.clone();
        reversed.reverse();
        assert_eq!(sum(&reversed), whole);
        let mut parts = sum(&members[..20]);
        parts.merge(&sum(&members[20..]));
        assert_eq!(parts, whole);
        parts.subtract(&sum(&members[20..]));
        assert_eq!(parts, sum(&members[..20]));
        assert_ne!(sum(&members[1..]), whole);
    }
}
