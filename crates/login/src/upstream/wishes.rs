//! What is wished of a sign-in, and whether it was done. [OpenID Core §3.1.2.1]
//!
//! [OpenID Core §3.1.2.1]: https://openid.net/specs/openid-connect-core-1_0.html#AuthRequest

use countersign_types::{Lifetime, Timestamp};

use super::SKEW;
use super::error::LoginError;

/// What is wished of a sign-in at a provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// Whom the person may be.
    pub login_hint: Option<String>,
    /// How long ago the person may have signed in.
    pub max_age: Option<Lifetime>,
    /// The person signs in again, whoever is signed in there: not before this moment.
    pub anew_since: Option<Timestamp>,
    /// The person chooses one of their accounts.
    pub select_account: bool,
}

impl Wishes {
    /// The `max_age` that is asked for. By it the provider has to say when the person signed in,
    /// which `prompt=login` alone leaves open.
    pub(super) fn asked_max_age(&self) -> Option<Lifetime> {
        let at_once = self.anew_since.map(|_| Lifetime::from_secs(0));
        at_once.or(self.max_age)
    }

    /// Whether the person signed in as was wished. Clocks may differ.
    pub(super) fn check(
        &self,
        auth_time: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(), LoginError> {
        let latest = now.after(SKEW);
        if auth_time.is_some_and(|moment| moment > latest) {
            return Err(LoginError::AuthTime);
        }
        let limits = [
            self.max_age.map(|max_age| now.before(max_age).before(SKEW)),
            self.anew_since.map(|moment| moment.before(SKEW)),
        ];
        match (limits.into_iter().flatten().max(), auth_time) {
            (None, _) => Ok(()),
            (Some(earliest), Some(moment)) if moment >= earliest => Ok(()),
            (Some(_), _) => Err(LoginError::AuthTime),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix(10_000);

    #[test]
    fn a_sign_in_is_as_late_as_was_wished() {
        let at = Timestamp::from_unix;
        let seconds = |seconds| Some(Lifetime::from_secs(seconds));
        for (max_age, anew_since, auth_time, is_good) in [
            (None, None, None, true),
            (None, None, Some(at(1)), true),
            (None, None, Some(at(10_061)), false),
            (seconds(100), None, None, false),
            (seconds(100), None, Some(at(9840)), true),
            (seconds(100), None, Some(at(9839)), false),
            (None, Some(at(9900)), None, false),
            (None, Some(at(9900)), Some(at(9840)), true),
            (None, Some(at(9900)), Some(at(9839)), false),
            (seconds(5000), Some(at(9900)), Some(at(9000)), false),
        ] {
            let wishes = Wishes { max_age, anew_since, ..Wishes::default() };
            let checked = wishes.check(auth_time, NOW);
            assert_eq!(checked.is_ok(), is_good, "{wishes:?} {auth_time:?}");
        }
    }
}
