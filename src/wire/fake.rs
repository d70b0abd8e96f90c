//! fake (being written).
