//! What two looks at a cluster mean: events, rates, percentiles, skew.

pub mod events;
pub mod facts;
pub mod latency;
pub mod rates;
pub mod told;
