//! Writes the mails that the book shows, as HTML, into the folder that is named. `cargo xtask screenshots` takes the pictures.
#![expect(clippy::print_stderr, reason = "it tells its developer what went wrong")]

use std::{env, fs, io, path::Path, process::ExitCode};

use headroom_notifier::{Event, EventKind, Language, Message, Notice, Stage, Style, mail_html, testing};
use headroom_policy_engine::Replicas;
use jiff::tz::TimeZone;

fn main() -> ExitCode {
    let Some(folder) = env::args_os().nth(1) else {
        eprintln!("error: name the folder to write into");
        return ExitCode::FAILURE;
    };
    match write(Path::new(&folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn write(folder: &Path) -> io::Result<()> {
    let at_max = |stage: fn(&Stage) -> bool| {
        let of_it = |notice: &Notice| notice.kind() == EventKind::AtMax && stage(&notice.stage);
        let mut notice = testing::notices().into_iter().find(of_it)?;
        if let Event::AtMax { max, wanted, .. } = &mut notice.event {
            // As its steps say.
            (*max, *wanted) = (Replicas::new(6), Replicas::new(10));
        }
        Some(notice)
    };
    let pages = [
        ("mail-scaled", Some(testing::scaled()), Language::En),
        (
            "mail-at-max",
            at_max(|stage| matches!(stage, Stage::Opened)),
            Language::En,
        ),
        (
            "mail-resolved",
            at_max(|stage| matches!(stage, Stage::Closed { .. })),
            Language::En,
        ),
        ("mail-digest", Some(testing::digest()), Language::En),
        ("mail-korean", Some(testing::scaled()), Language::Ko),
    ];
    for (name, notice, language) in pages {
        let timezone = TimeZone::get("Asia/Seoul").map_err(io::Error::other)?;
        let style = Style { language, timezone };
        let html = notice.and_then(|notice| mail_html(&Message::of(notice), &style));
        let html = html.ok_or_else(|| io::Error::other(format!("there is no {name}")))?;
        fs::write(folder.join(format!("{name}.html")), html)?;
    }
    Ok(())
}
