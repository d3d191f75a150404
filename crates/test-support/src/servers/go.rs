//! Builds a server from its pinned Go module.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{
    Servers, ServersError, at,
    building::Building,
    pins::{GoModule, ModuleFiles},
};

impl Servers {
    /// Builds `module` in the folder `staging`, and leaves what came of it in `products`.
    pub(super) fn build_go(
        &self,
        module: &GoModule,
        staging: &Path,
        products: &Path,
        building: &mut Building<'_>,
    ) -> Result<(), ServersError> {
        let folder = staging.join("module");
        fs::create_dir(&folder).map_err(at("create", &folder))?;
        for (name, content) in [("go.mod", module.go_mod), ("go.sum", module.go_sum)] {
            let path = folder.join(name);
            fs::write(&path, content).map_err(at("write", &path))?;
        }
        self.check_go(module, &folder, building)?;

        building.begin();
        let mut install = self.go(&folder);
        install
            .args([
                "install",
                "-trimpath",
                "-tags",
                module.tags,
                "-ldflags",
                &module.link_flags(),
                "tool",
            ])
            .env("GOBIN", products)
            .env("CGO_ENABLED", "0");
        let said = building.follow(&mut install, &staging.join("log"))?;
        for (built, name) in module.renames {
            // One that is not there is found missing below.
            drop(fs::rename(products.join(built), products.join(name)));
        }
        for files in module.files {
            self.keep_files(files, &folder, &products.join(files.name), building)?;
        }
        match module.products().find(|name| !products.join(name).exists()) {
            None => Ok(()),
            Some(missing) => Err(building.failed(format!("{said}\nno {missing} came of it"))),
        }
    }

    /// Copies a folder of one of the server's modules, as flat as it is, into `to`.
    fn keep_files(
        &self,
        files: &ModuleFiles,
        module: &Path,
        to: &Path,
        building: &Building<'_>,
    ) -> Result<(), ServersError> {
        let output = self
            .go(module)
            .args(["list", "-m", "-f", "{{.Dir}}", files.module])
            .stdin(Stdio::null())
            .output()
            .map_err(at("run", Path::new(&self.go)))?;
        if !output.status.success() {
            return Err(building.failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
        }
        let from = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()).join(files.path);
        fs::create_dir(to).map_err(at("create", to))?;
        for entry in fs::read_dir(&from).map_err(at("read", &from))? {
            let path = entry.map_err(at("read", &from))?.path();
            let Some(name) = path.file_name().filter(|_| path.is_file()) else {
                continue;
            };
            let content = fs::read(&path).map_err(at("read", &path))?;
            let copy = to.join(name);
            fs::write(&copy, content).map_err(at("write", &copy))?;
        }
        Ok(())
    }

    /// Go, in the folder of the pins and free of settings that would bend the build.
    fn go(&self, module: &Path) -> Command {
        let mut command = Command::new(&self.go);
        command
            .current_dir(module)
            .env("GOFLAGS", "-mod=readonly -buildvcs=false")
            .env("GOWORK", "off");
        command
    }

    /// Asks Go about the pins, which it refuses to read if it is too old for them.
    fn check_go(
        &self,
        module: &GoModule,
        folder: &Path,
        building: &Building<'_>,
    ) -> Result<(), ServersError> {
        let needed = module.go_version();
        match self.go(folder).args(["list", "-m"]).stdin(Stdio::null()).output() {
            Ok(output) if output.status.success() => Ok(()),
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                Err(ServersError::GoRefused { needed, said })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(ServersError::NoGo {
                server: building.name(),
                needed,
            }),
            Err(source) => Err(at("run", Path::new(&self.go))(source)),
        }
    }
}
