//! One test binary: the house rules, the command line, scenarios on fakes, and live clusters.

mod architecture;
