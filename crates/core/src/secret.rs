//! A password that cannot be printed by accident.

use std::fmt;

/// A secret. It has no `Display` and no `Serialize`, and its `Debug` says nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A secret from outside; `None` when it is empty (which means "no password").
    ///
    /// Anything printable is allowed, spaces, quotes and `#` included. Control characters (a line
    /// break above all) cannot be written into redis.conf as typed and are refused with a reason.
    pub fn parse(text: &str) -> Result<Option<Self>, &'static str> {
        if text.is_empty() {
            return Ok(None);
        }
        if text.chars().any(char::is_control) {
            return Err("a password has to be one line of printable characters");
        }
        // redis.conf is read in lines of at most CONFIG_READ_LEN (1024) bytes, and other uses of
        // passwords have lower limits. A longer text is a mistake.
        if text.len() > 512 {
            return Err("a password can have at most 512 bytes");
        }
        Ok(Some(Secret(text.to_owned())))
    }

    /// The secret itself, for the wire and for files of mode 0600.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_says_nothing() {
        let secret = Secret::parse("s3cret").ok().flatten();
        assert_eq!(format!("{secret:?}"), "Some(Secret(…))");
    }

    #[test]
    fn a_line_break_is_refused_and_nothing_is_no_password() {
        assert!(Secret::parse("a\nb").is_err());
        assert_eq!(Secret::parse(""), Ok(None));
        assert!(matches!(Secret::parse(" it's \"#1\" "), Ok(Some(_))));
    }
}
