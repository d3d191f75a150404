//! Results of tests as JUnit XML, as Jenkins, GitLab and others read it.

use std::io;

use quick_xml::{
    Writer,
    events::{BytesDecl, BytesText, Event},
};

use super::cases::{FailureText, Passes, Played};
use crate::output::Paint;

/// The whole document: a suite for each file, with its cases in their order.
///
/// # Errors
/// None that a text in memory could have.
pub(crate) fn document(played: &[Played<'_>]) -> io::Result<Vec<u8>> {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let suites = writer.create_element("testsuites");
    let suites = suites.with_attribute(("name", "headroom test"));
    let (tests, failures) = counts(played);
    suites
        .with_attributes([("tests", tests.as_str()), ("failures", failures.as_str())])
        .write_inner_content(|writer| {
            let of_one_file = |a: &Played<'_>, b: &Played<'_>| a.suite.file == b.suite.file;
            played
                .chunk_by(of_one_file)
                .try_for_each(|cases| suite(cases, writer))
        })?;
    let mut document = writer.into_inner();
    document.push(b'\n');
    Ok(document)
}

fn suite(cases: &[Played<'_>], writer: &mut Writer<Vec<u8>>) -> io::Result<()> {
    let name = cases
        .first()
        .map_or_else(String::new, |case| text(&case.suite.file.to_string_lossy()));
    let (tests, failures) = counts(cases);
    let attributes = [
        ("name", name.as_str()),
        ("tests", &tests),
        ("failures", &failures),
        ("errors", "0"),
        ("skipped", "0"),
    ];
    writer
        .create_element("testsuite")
        .with_attributes(attributes)
        .write_inner_content(|writer| cases.iter().try_for_each(|one| case(&name, one, writer)))?;
    Ok(())
}

fn case(file: &str, played: &Played<'_>, writer: &mut Writer<Vec<u8>>) -> io::Result<()> {
    let name = text(&played.case.name);
    let line = played.case.line.to_string();
    let attributes = [
        ("name", name.as_str()),
        ("classname", file),
        ("file", file),
        ("line", &line),
    ];
    let element = writer.create_element("testcase").with_attributes(attributes);
    if played.run.is_passed() {
        element.write_empty()?;
        return Ok(());
    }
    element.write_inner_content(|writer| {
        played.run.failures.iter().try_for_each(|failure| {
            let said = FailureText {
                played,
                failures: &[failure],
                passes: Passes::AroundFailures,
                paint: Paint::new(false),
            };
            let message = text(&played.summary(failure));
            writer
                .create_element("failure")
                .with_attributes([("type", "expectation"), ("message", message.as_str())])
                .write_text_content(BytesText::new(&text(&said.to_string())))?;
            Ok(())
        })
    })?;
    Ok(())
}

/// How many cases there are, and how many failed.
fn counts(played: &[Played<'_>]) -> (String, String) {
    let failed = played.iter().filter(|one| !one.run.is_passed()).count();
    (played.len().to_string(), failed.to_string())
}

/// What XML can hold of a text: control characters have no place in it.
fn text(text: &str) -> String {
    let held = |symbol: char| match symbol {
        '\n' | '\t' => symbol,
        symbol if symbol.is_control() || ('\u{fffe}'..='\u{ffff}').contains(&symbol) => '\u{fffd}',
        symbol => symbol,
    };
    text.chars().map(held).collect()
}
