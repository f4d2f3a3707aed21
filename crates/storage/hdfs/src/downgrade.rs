//! Whether the NameNodes insist on Kerberos.
//!
//! The client goes on without Kerberos wherever a NameNode offers SIMPLE, acting
//! as the local user, and has no setting that forbids it. It connects again by
//! itself, and nobody is told. So the NameNodes are asked before a client is
//! made, and again beside the work for as long as there is some. Calls between
//! a NameNode's change and the next answer are not protected.

use rockhold_core::{Error, ErrorKind, Result};
use std::time::{Duration, Instant};

/// How old answers may become before the NameNodes are asked again.
const RECENT: Duration = Duration::from_secs(10);

/// What the NameNodes said.
#[derive(Debug)]
pub(crate) enum Answers {
    /// Some answered, and all of these insist on Kerberos.
    Insisted,
    /// Nobody answered.
    Silent,
    /// The one at this address lets us in without.
    Lax(String),
}

/// What is known of the NameNodes.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// When they were asked last.
    asked: Option<Instant>,
    /// Whether they are being asked beside the work.
    asking: bool,
    /// Who lets us in without Kerberos.
    lax: Option<String>,
}

impl Known {
    /// Whether they are to be asked beside the work now. If so, this is not
    /// said again before [`Known::end`].
    pub(crate) fn begin(&mut self) -> bool {
        let begins = !self.asking && !self.is_recent();
        self.asking |= begins;
        begins
    }

    /// Those who asked beside the work are through.
    pub(crate) fn end(&mut self) {
        self.asking = false;
    }

    /// They are being asked.
    pub(crate) fn ask(&mut self) {
        self.asked = Some(Instant::now());
    }

    /// They answered. Silence takes no refusal back.
    pub(crate) fn note(&mut self, answers: Answers) {
        match answers {
            Answers::Insisted => self.lax = None,
            Answers::Silent => {}
            Answers::Lax(address) => self.lax = Some(address),
        }
    }

    /// Refuses to go on.
    ///
    /// # Errors
    /// `Unauthenticated` from when a NameNode was found that lets us in without
    /// Kerberos until they are found in order.
    pub(crate) fn check(&self) -> Result<()> {
        let Some(address) = &self.lax else { return Ok(()) };
        let message = "Kerberos is asked for and the NameNode does not require it; either the cluster is not \
                       secured (set \"hadoop.security.authentication\" = \"simple\"), or this is not the \
                       NameNode that is meant";
        Err(Error::new(ErrorKind::Unauthenticated, message).during("open").at(address))
    }

    /// The same, where asking again is too early.
    pub(crate) fn check_recent(&self) -> Result<()> {
        if self.is_recent() { self.check() } else { Ok(()) }
    }

    fn is_recent(&self) -> bool {
        self.asked.is_some_and(|asked| asked.elapsed() < RECENT)
    }

    /// As if much time had passed.
    #[cfg(test)]
    pub(crate) fn age(&mut self) {
        self.asked = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_stands_until_the_namenodes_are_found_in_order() {
        let mut known = Known::default();
        known.check().unwrap();
        known.note(Answers::Lax("a:1".into()));
        let error = known.check().unwrap_err();
        assert!(error.kind() == ErrorKind::Unauthenticated && !error.is_temporary(), "{error:?}");
        assert!(error.to_string().starts_with("open a:1: Kerberos is asked for"), "{error}");
        known.note(Answers::Silent);
        assert!(known.check().is_err());
        known.note(Answers::Insisted);
        known.check().unwrap();
    }

    #[test]
    fn they_are_asked_by_one_at_a_time_and_not_all_the_time() {
        let mut known = Known::default();
        assert!(known.begin() && !known.begin());
        known.ask();
        known.end();
        assert!(!known.begin());
        known.note(Answers::Lax("a:1".into()));
        assert!(known.check_recent().is_err());
        known.age();
        assert!(known.begin() && known.check_recent().is_ok());
    }
}
