//! The user as whom rcluster speaks to nodes.

use crate::secret::Secret;

/// A user with a password, and how the connection is protected. It is made once from what was typed
/// and then handed on; the password cannot be printed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Login {
    /// The ACL user; `None`: the default user.
    pub user: Option<String>,
    /// The password; `None`: the nodes ask for none.
    pub secret: Option<Secret>,
    /// How the connection is protected.
    pub tls: Tls,
}

/// How a connection is protected. There is no TLS yet; once there is a second variant, the compiler
/// names every place that has to know of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tls {
    /// Plain TCP.
    #[default]
    Off,
}

impl Login {
    /// The default user with this password.
    pub fn with(secret: Option<Secret>) -> Self {
        Login {
            secret,
            ..Login::default()
        }
    }

    /// This user with this password.
    pub fn of(user: Option<String>, secret: Option<Secret>) -> Self {
        Login {
            user,
            ..Login::with(secret)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_says_the_user_and_not_the_password() {
        let secret = Secret::parse("s3cret").expect("a password");
        let login = format!("{:?}", Login::of(Some("ann".to_owned()), secret));
        assert!(
            login.contains("ann") && !login.contains("s3cret"),
            "{login}"
        );
    }
}
