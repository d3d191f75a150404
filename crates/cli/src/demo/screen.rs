//! The demo's live screen. Draws what it is given; the numbers are made elsewhere.

use std::{
    collections::VecDeque,
    io::{self, Stdout},
    thread,
    time::Duration,
};

use ratatui::{
    DefaultTerminal, Frame, Terminal, TerminalOptions, Viewport,
    crossterm::{
        event::{self, Event, KeyCode, KeyModifiers},
        terminal::{disable_raw_mode, enable_raw_mode},
    },
    layout::{Constraint, Layout, Rect},
    prelude::CrosstermBackend,
    style::{Color, Modifier, Style, Stylize},
    text::{Line, Span},
    widgets::{Block, Borders, Paragraph, Sparkline},
};
use tokio_util::sync::CancellationToken;

use super::chart::Moment;

/// Rows that the screen takes.
const HEIGHT: u16 = 18;
/// Decisions that are kept on the screen.
const LAST_DECISIONS: usize = 7;

/// What the screen shows besides the moments.
#[derive(Clone, Debug)]
pub(crate) struct View {
    /// How long the demo takes in all.
    pub(crate) duration: Duration,
    /// The load one replica is meant to carry, in requests per second.
    pub(crate) per_replica: f64,
    /// The latency that is the goal.
    pub(crate) goal: Duration,
    /// Share of requests so far that missed the goal, from 0 to 1.
    pub(crate) missed: f64,
    /// The newest moments, oldest first.
    pub(crate) moments: Vec<Moment>,
    /// The last decisions with their reasons, oldest first.
    decisions: VecDeque<String>,
}

impl View {
    /// A view before anything has happened.
    pub(crate) fn new(duration: Duration, per_replica: f64, goal: Duration) -> Self {
        Self {
            duration,
            per_replica,
            goal,
            missed: 0.0,
            moments: Vec::new(),
            decisions: VecDeque::new(),
        }
    }

    /// Shows one more decision, and forgets the oldest.
    pub(crate) fn add_decision(&mut self, line: String) {
        if self.decisions.len() == LAST_DECISIONS {
            self.decisions.pop_front();
        }
        self.decisions.push_back(line);
    }
}

/// A live screen below the prompt. The terminal is as it was before when this is dropped, also on a panic.
pub(crate) struct Screen {
    terminal: DefaultTerminal,
}

impl Screen {
    /// Takes the lower part of the terminal. Ctrl-C, `q` and Escape call for `stop`.
    ///
    /// # Errors
    /// When the terminal cannot be used.
    pub(crate) fn open(stop: CancellationToken) -> io::Result<Self> {
        enable_raw_mode()?;
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            // A terminal that cannot be restored is no reason to lose the panic's message.
            let _ = disable_raw_mode();
            before(panic);
        }));
        let options = TerminalOptions {
            viewport: Viewport::Inline(HEIGHT),
        };
        let terminal = Terminal::with_options(CrosstermBackend::new(io::stdout()), options)
            .inspect_err(|_| drop(disable_raw_mode()))?;
        thread::spawn(move || watch_keys(&stop));
        Ok(Self { terminal })
    }

    /// Draws `view`.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub(crate) fn draw(&mut self, view: &View) -> io::Result<()> {
        self.terminal.draw(|frame| render(frame, view)).map(|_| ())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Nothing is left to do where the terminal is gone.
        let _ = disable_raw_mode();
        let _ = self.terminal.show_cursor();
        let backend: &mut CrosstermBackend<Stdout> = self.terminal.backend_mut();
        let _ = io::Write::write_all(backend, b"\r\n");
    }
}

/// In raw mode Ctrl-C is a key, not a signal.
fn watch_keys(stop: &CancellationToken) {
    while !stop.is_cancelled() {
        match event::poll(Duration::from_millis(100)) {
            Ok(false) => {}
            Ok(true) => {
                if event::read().is_ok_and(|event| is_stop(&event)) {
                    stop.cancel();
                }
            }
            Err(_) => return,
        }
    }
}

fn is_stop(event: &Event) -> bool {
    let Some(key) = event.as_key_press_event() else {
        return false;
    };
    matches!(key.code, KeyCode::Char('q') | KeyCode::Esc)
        || (key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL))
}

fn render(frame: &mut Frame<'_>, view: &View) {
    let [head, load, replicas, latency, decisions] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(5),
        Constraint::Length(2),
        Constraint::Length(1),
        Constraint::Min(3),
    ])
    .areas(frame.area());
    let Some(now) = view.moments.last() else {
        frame.render_widget(
            Paragraph::new("headroom demo: starting the first replica …"),
            head,
        );
        return;
    };
    frame.render_widget(headline(view, now), head);
    render_load(frame, load, view, now);
    frame.render_widget(
        Paragraph::new(vec![
            bar("wanted", now.wanted, Color::Yellow),
            bar("ready ", now.ready, Color::Green),
        ]),
        replicas,
    );
    frame.render_widget(latency_line(view, now), latency);
    let lines: Vec<Line<'_>> = view
        .decisions
        .iter()
        .map(|line| Line::from(line.as_str()))
        .collect();
    let block = Block::new().borders(Borders::TOP).title(" decisions ");
    frame.render_widget(Paragraph::new(lines).block(block), decisions);
}

fn headline<'a>(view: &View, now: &Moment) -> Line<'a> {
    Line::from(vec![
        "headroom demo".bold(),
        Span::raw(format!(
            "  {:.0} of {:.0} s   load {:.0} requests/s   {} of {} replicas ready   q ends it",
            now.elapsed.as_secs_f64(),
            view.duration.as_secs_f64(),
            now.load,
            now.ready,
            now.wanted
        )),
    ])
}

fn render_load(frame: &mut Frame<'_>, area: Rect, view: &View, now: &Moment) {
    let width = usize::from(area.width.max(1));
    let recent = &view.moments[view.moments.len().saturating_sub(width)..];
    let data: Vec<Option<u64>> = recent.iter().map(|moment| whole(moment.load)).collect();
    let title = format!(
        " load: worth {:.1} replicas of {:.0} requests/s ",
        now.load / view.per_replica,
        view.per_replica
    );
    let block = Block::new().borders(Borders::TOP).title(title);
    frame.render_widget(
        Sparkline::default()
            .data(data)
            .style(Style::new().fg(Color::Blue))
            .block(block),
        area,
    );
}

fn whole(load: f64) -> Option<u64> {
    // A load on the screen is far below where this could cut anything off.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be a small positive number"
    )]
    (0.0..1e9).contains(&load).then_some(load as u64)
}

fn bar<'a>(name: &'a str, count: u32, color: Color) -> Line<'a> {
    let blocks = "■ ".repeat(usize::try_from(count.min(60)).unwrap_or(60));
    Line::from(vec![
        Span::raw(format!("{name} {count:>3} ")),
        Span::styled(blocks, Style::new().fg(color)),
    ])
}

fn latency_line<'a>(view: &View, now: &Moment) -> Line<'a> {
    let goal = view.goal.as_millis();
    let p95 = match now.p95 {
        None => Span::raw("no answers"),
        Some(p95) if p95 > view.goal => Span::styled(
            format!("{} ms", p95.as_millis()),
            Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
        ),
        Some(p95) => Span::styled(format!("{} ms", p95.as_millis()), Style::new().fg(Color::Green)),
    };
    Line::from(vec![
        Span::raw("p95 latency "),
        p95,
        Span::raw(format!(
            " against a goal of {goal} ms; missed so far: {:.1} %",
            view.missed * 100.0
        )),
    ])
}

#[cfg(test)]
mod tests {
    use ratatui::backend::TestBackend;

    use super::*;

    #[test]
    fn the_screen_shows_load_replicas_latency_and_the_last_decisions() {
        let mut view = View::new(Duration::from_secs(60), 75.0, Duration::from_millis(250));
        for second in 0..20 {
            view.add_decision(format!("decision {second}"));
        }
        view.moments.push(Moment {
            elapsed: Duration::from_secs(30),
            load: 300.0,
            wanted: 4,
            ready: 3,
            p95: Some(Duration::from_millis(310)),
        });
        let mut terminal = Terminal::new(TestBackend::new(90, HEIGHT)).unwrap();
        terminal.draw(|frame| render(frame, &view)).unwrap();
        let screen = terminal.backend().to_string();
        for text in [
            "30 of 60 s",
            "load 300",
            "3 of 4 replicas ready",
            "worth 4.0 replicas",
            "310 ms",
            "decision 19",
            "decision 13",
        ] {
            assert!(screen.contains(text), "{text} is not on\n{screen}");
        }
        assert!(
            !screen.contains("decision 12"),
            "the oldest is forgotten\n{screen}"
        );
    }
}
