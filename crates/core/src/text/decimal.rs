//! A number of up to three decimals, for thresholds. It is exact, so that specs can be compared,
//! and is written as people write numbers.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, str::FromStr};

/// The largest one: everything that is measured here is far below.
const MOST: f64 = 1e9;

/// Zero or more, in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Decimal(u64);

impl Decimal {
    /// A whole number.
    pub const fn whole(number: u32) -> Self {
        Decimal(number as u64 * 1000)
    }

    /// The number as `f64`.
    pub fn value(self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "at most 1e12, below 2^53")]
        let thousandths = self.0 as f64;
        thousandths / 1000.0
    }

    /// Whether it is nothing.
    pub fn is_zero(self) -> bool {
        self.0 == 0
    }

    fn new(number: f64) -> Result<Self, String> {
        if !(0.0..=MOST).contains(&number) {
            return Err(format!("'{number}' is not a number from 0 to {MOST}"));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it was found to be from 0 to 1e9"
        )]
        let thousandths = (number * 1000.0).round() as u64;
        Ok(Decimal(thousandths))
    }
}

impl FromStr for Decimal {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number: f64 = text
            .parse()
            .map_err(|_| format!("'{text}' is not a number"))?;
        Decimal::new(number)
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.value())
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_multiple_of(1000) {
            serializer.serialize_u64(self.0 / 1000)
        } else {
            serializer.serialize_f64(self.value())
        }
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Decimal::new(f64::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_and_written_as_people_do() {
        for (text, shown) in [("5", "5"), ("0.8", "0.8"), ("99.999", "99.999"), ("0", "0")] {
            let number: Decimal = text.parse().expect("a number");
            assert_eq!(number.to_string(), shown);
            let json = serde_json::to_string(&number).expect("JSON");
            assert_eq!(json, shown);
            assert_eq!(
                serde_json::from_str::<Decimal>(&json).expect("JSON"),
                number
            );
        }
        for text in ["-1", "NaN", "inf", "", "5ms", "1e300"] {
            assert!(text.parse::<Decimal>().is_err(), "{text}");
        }
    }
}
