//! Fetches a server that is made of pinned Python packages.
//!
//! pip of a virtual environment fetches them, which is then thrown away: a folder of packages stays right when the
//! Python of the machine becomes another, and where it is moved to.

use std::{
    fs, io,
    path::Path,
    process::{Command, Stdio},
};

use super::{Servers, ServersError, at, building::Building, pins::PythonPackages};

impl Servers {
    /// Fetches `packages` by way of the folder `staging`, into `products`.
    pub(super) fn fetch_python(
        &self,
        packages: &PythonPackages,
        staging: &Path,
        products: &Path,
        building: &mut Building<'_>,
    ) -> Result<(), ServersError> {
        building.begin();
        let environment = staging.join("environment");
        self.make_environment(&environment, building)?;
        let requirements = staging.join("requirements.txt");
        fs::write(&requirements, packages.requirements).map_err(at("write", &requirements))?;
        let mut pip = clean(Command::new(environment.join("bin/python")));
        pip.args([
            "-m",
            "pip",
            "install",
            "--disable-pip-version-check",
            "--no-compile",
        ])
        // Nothing but what is pinned, and nothing that has to be compiled or run.
        .args([
            "--require-hashes",
            "--no-deps",
            "--only-binary",
            ":all:",
            "--requirement",
        ])
        .arg(&requirements)
        .arg("--target")
        .arg(products.join(PythonPackages::FOLDER));
        building.follow(&mut pip, &staging.join("log"))?;
        Ok(())
    }

    fn make_environment(&self, folder: &Path, building: &Building<'_>) -> Result<(), ServersError> {
        let server = building.name();
        let output = clean(Command::new(&self.python))
            .args(["-m", "venv"])
            .arg(folder)
            .stdin(Stdio::null())
            .output();
        match output {
            Ok(output) if output.status.success() => Ok(()),
            Ok(output) => {
                // Where a part of it is not installed, it says so on its standard output.
                let said = [output.stdout, output.stderr].concat();
                let said = String::from_utf8_lossy(&said).trim().to_owned();
                Err(ServersError::NoVenv { server, said })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(ServersError::NoPython { server }),
            Err(source) => Err(at("run", Path::new(&self.python))(source)),
        }
    }
}

/// Python, free of settings that would have it import something else.
fn clean(mut python: Command) -> Command {
    for name in [
        "PYTHONPATH",
        "PYTHONHOME",
        "PIP_TARGET",
        "PIP_USER",
        "VIRTUAL_ENV",
    ] {
        python.env_remove(name);
    }
    python
}
