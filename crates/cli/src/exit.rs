//! How headroom ends: one enum of exit codes for all commands.

/// What an exit code says. Documented in the book, and the same for every command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitCode {
    /// Done, or nothing to do.
    Done,
    /// Could not: a target, a server or the state failed, `check --live` found something, or a test failed.
    CouldNot,
    /// The arguments or the policy are wrong.
    Refused,
    /// Decided while blind, partly or wholly: a metric was unknown.
    Blind,
    /// `plan --detailed-exitcode`: something would change.
    WouldChange,
    /// Interrupted by Ctrl-C.
    Interrupted,
    /// Ended by SIGTERM.
    Terminated,
}

impl ExitCode {
    /// All of them, in the order of their numbers.
    pub(crate) const ALL: [Self; 7] = [
        Self::Done,
        Self::CouldNot,
        Self::Refused,
        Self::Blind,
        Self::WouldChange,
        Self::Interrupted,
        Self::Terminated,
    ];

    /// The number a shell sees.
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::CouldNot => 1,
            Self::Refused => 2,
            Self::Blind => 3,
            Self::WouldChange => 10,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// What it means, for the reference.
    pub(crate) const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done, or nothing to do",
            Self::CouldNot => "could not: a target, a server, the state, `check --live` or a test failed",
            Self::Refused => "the arguments or the policy are wrong",
            Self::Blind => "decided while blind, partly or wholly: a metric was unknown",
            Self::WouldChange => "`plan --detailed-exitcode`: something would change",
            Self::Interrupted => "interrupted by Ctrl-C; `run` as a loop ends with 0",
            Self::Terminated => "ended by SIGTERM; `run` as a loop ends with 0",
        }
    }

    /// Both at once: the one that matters more.
    pub(crate) fn and(self, other: Self) -> Self {
        if other.rank() < self.rank() { other } else { self }
    }

    /// The smaller, the more it matters: 130 and 143, then 2, 1, 3, 10.
    const fn rank(self) -> u8 {
        match self {
            Self::Interrupted => 0,
            Self::Terminated => 1,
            Self::Refused => 2,
            Self::CouldNot => 3,
            Self::Blind => 4,
            Self::WouldChange => 5,
            Self::Done => 6,
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(codes: &[u8], expected: u8) {
        let of = |number: &u8| {
            ExitCode::ALL
                .into_iter()
                .find(|code| code.number() == *number)
                .unwrap()
        };
        let got = codes.iter().map(of).fold(ExitCode::Done, ExitCode::and);
        assert_eq!(got.number(), expected, "{codes:?}");
    }

    #[test]
    fn of_several_codes_the_first_of_2_1_3_10_counts() {
        check(&[], 0);
        check(&[10, 0], 10);
        check(&[10, 3], 3);
        check(&[3, 1, 10], 1);
        check(&[1, 2, 3], 2);
        check(&[1, 143], 143);
    }
}
