//! The pictures of the book: pages that an example writes, as a real browser shows them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use headroom_test_support::browser::Browser;

use crate::{cargo, problem::Problem};

const PICTURES: &str = "docs/src/pictures";
/// In pixels: what a mail reader shows beside its list.
const WIDTH: u32 = 640;
/// Low enough to be lower than any page.
const LOW: u32 = 100;
/// The largest picture that the book is to carry, in bytes.
const MAX_BYTES: u64 = 100_000;

pub(crate) fn take() -> Result<(), Problem> {
    let browser = Browser::find()?;
    let folder = tempfile::tempdir().map_err(file("made", Path::new("a temporary folder")))?;
    let pages = folder.path();
    cargo::run(&[
        "run",
        "--package",
        "headroom-notifier",
        "--features",
        "testing",
        "--example",
        "mail_pages",
        "--",
        &pages.to_string_lossy(),
    ])?;
    let pictures = cargo::root().join(PICTURES);
    fs::create_dir_all(&pictures).map_err(file("made", &pictures))?;
    for page in html_files(pages)? {
        let picture = pictures
            .join(page.file_name().unwrap_or_default())
            .with_extension("png");
        take_one(&browser, &page, &picture)?;
        eprintln!("{}", picture.display());
    }
    Ok(())
}

fn html_files(folder: &Path) -> Result<Vec<PathBuf>, Problem> {
    let entries = fs::read_dir(folder).map_err(file("read", folder))?;
    let mut pages: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    pages.retain(|path| path.extension().is_some_and(|extension| extension == "html"));
    pages.sort();
    Ok(pages)
}

fn take_one(browser: &Browser, page: &Path, picture: &Path) -> Result<(), Problem> {
    let height = height(browser, page)?;
    run(|profile| browser.screenshot(page, picture, (WIDTH, height), profile))?;
    let size = fs::metadata(picture).map_err(file("read", picture))?.len();
    if size > MAX_BYTES {
        return Err(Problem::LargePicture {
            path: picture.to_owned(),
            size,
        });
    }
    Ok(())
}

/// How high the page is, which the page itself is made to say.
fn height(browser: &Browser, page: &Path) -> Result<u32, Problem> {
    let html = fs::read_to_string(page).map_err(file("read", page))?;
    let script = "<script>document.title = Math.ceil(document.body.getBoundingClientRect().height)</script>";
    let html = html.replace("</body>", &format!("{script}</body>"));
    let measuring = page.with_extension("htm");
    fs::write(&measuring, html).map_err(file("written", &measuring))?;
    let shown = run(|profile| browser.dump(&measuring, (WIDTH, LOW), profile))?;
    let title = shown
        .split_once("<title>")
        .and_then(|(_, rest)| rest.split_once("</title>"));
    title
        .and_then(|(height, _)| height.parse().ok())
        .ok_or_else(|| Problem::NotShown {
            page: page.to_owned(),
        })
}

/// Runs the browser with a profile of its own, and returns what it writes to its standard output.
fn run(command: impl FnOnce(&Path) -> Command) -> Result<String, Problem> {
    let profile = tempfile::tempdir().map_err(file("made", Path::new("a temporary folder")))?;
    let mut command = command(profile.path());
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|source| Problem::NotRun {
            command: name.clone(),
            source,
        })?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
        let status = output.status;
        Err(Problem::Failed {
            command: name,
            status,
        })
    }
}

fn file(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Problem {
    let path = path.to_owned();
    move |source| Problem::File { path, what, source }
}
