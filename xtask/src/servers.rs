//! The real servers that tests use.

use headroom_test_support::servers::{ALL, Servers};

pub(crate) fn ensure() -> Result<(), String> {
    for server in ALL {
        Servers::of_this_machine()
            .and_then(|servers| servers.ensure(server, |progress| eprintln!("{progress}")))
            .map_err(|error| format!("error: {error}\n help: {}", error.help().unwrap_or_default()))?;
    }
    Ok(())
}
