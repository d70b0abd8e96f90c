//! Spec → the text of every file. Touches no disk and starts nothing.
