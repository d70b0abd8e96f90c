//! ports (being written).
