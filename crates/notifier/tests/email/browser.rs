//! The HTML of a mail in a real browser.

use std::{fs, time::Duration};

use headroom_notifier::{Language, Message, Style, mail_html, testing};
use headroom_test_support::{Process, browser::Browser, temp_dir};
use jiff::tz::TimeZone;
use serde_json::Value;

/// Each mail in a frame of its own, as readers have it, and what the browser made of it as the title.
const LOOK: &str = r#"<script>
onload = () => {
  const seen = [];
  for (const frame of document.querySelectorAll("iframe")) {
    const page = frame.contentDocument.documentElement;
    seen.push({
      width: page.scrollWidth,
      heading: page.querySelector("h1").getBoundingClientRect().height,
      loaded: frame.contentWindow.performance.getEntriesByType("resource").length,
    });
  }
  document.title = JSON.stringify(seen);
};
</script>"#;

fn pages(language: Language) -> Vec<String> {
    let style = Style {
        language,
        timezone: TimeZone::UTC,
    };
    let mut long = testing::scaled();
    long.cluster = Some("w".repeat(300).into());
    let notices = testing::notices().into_iter().chain([long]);
    notices
        .map(|notice| mail_html(&Message::of(notice), &style).unwrap())
        .collect()
}

#[test]
#[ignore = "needs Chromium: run `cargo xtask test`"]
fn every_mail_fits_a_phone_and_a_desk_and_loads_nothing() {
    let browser = Browser::find().unwrap_or_else(|error| panic!("{error}\nhelp: {}", error.help()));
    for (language, width) in [(Language::En, 360), (Language::Ko, 360), (Language::Ko, 800)] {
        let pages = pages(language);
        let folder = temp_dir();
        let frames: String = pages
            .iter()
            .map(|html| {
                let html = html.replace('&', "&amp;").replace('"', "&quot;");
                format!(r#"<iframe width="{width}" height="900" frameborder="0" srcdoc="{html}"></iframe>"#)
            })
            .collect();
        let page = folder.path().join("mails.html");
        fs::write(
            &page,
            format!("<!doctype html><meta charset=utf-8>{LOOK}<body>{frames}"),
        )
        .unwrap();

        let profile = folder.path().join("profile");
        fs::create_dir(&profile).unwrap();
        let mut chromium = Process::start("chromium", &mut browser.dump(&page, (1000, 1000), &profile));
        assert!(chromium.wait_blocking(Duration::from_secs(120)).success());
        let shown = chromium.stdout();
        let title = shown
            .split_once("<title>")
            .unwrap()
            .1
            .split_once("</title>")
            .unwrap()
            .0;
        let seen: Vec<Value> = serde_json::from_str(title).unwrap();
        assert_eq!(seen.len(), pages.len());
        for (mail, page) in seen.iter().zip(&pages) {
            assert_eq!(mail["width"], width, "{page}");
            assert!(mail["heading"].as_f64().unwrap() > 20.0, "{page}");
            assert_eq!(mail["loaded"], 0, "{page}");
        }
    }
}
