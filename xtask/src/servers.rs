//! The real servers that tests use, with a line about what is being done.

use headroom_test_support::servers::{ALL, Servers};

use crate::problem::Problem;

pub(crate) fn ensure() -> Result<(), Problem> {
    let servers = Servers::of_this_machine()?;
    for server in ALL {
        servers.ensure(server, |progress| eprintln!("{progress}"))?;
    }
    Ok(())
}
