//! Docker (being written).
