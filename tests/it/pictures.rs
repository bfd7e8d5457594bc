//! The pictures in the README: a real terminal, real runs, drawn from what was on the screen.
//!
//! `RECORD_PICTURES=target/release/mozzie cargo test --test it pictures` records them anew with that program.

use std::{
    env,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use crate::{
    needs,
    support::{Client, Mosquitto, Terminal},
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What is typed, and the size of the terminal.
const PICTURES: [(&str, &str, (u16, u16)); 3] = [
    ("sub", "mozzie sub -t 'home/#' -v -C 6", (80, 12)),
    ("watch", "mozzie sub -t 'home/#' --watch", (84, 10)),
    ("bench", "mozzie bench -q 1 --duration 5s", (84, 36)),
];

#[test]
fn the_pictures_of_the_readme_are_there() {
    if let Some(program) = env::var_os("RECORD_PICTURES") {
        needs!("tmux", "mosquitto", "bash");
        let program = root().join(PathBuf::from(program));
        for (name, line, size) in PICTURES {
            fs::write(path(name), record(&program, name, line, size)).unwrap();
        }
    }
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    for (name, line, _) in PICTURES {
        let picture = fs::read_to_string(path(name)).unwrap();
        assert!(picture.contains(&escaped(line)), "{name}: {line}");
        assert!(
            readme.contains(&format!("](tests/pictures/{name}.svg)")),
            "{name}"
        );
    }
}

fn path(name: &str) -> PathBuf {
    root().join(format!("tests/pictures/{name}.svg"))
}

/// Runs the line in a shell and draws what is then on the screen.
fn record(program: &Path, name: &str, line: &str, (columns, rows): (u16, u16)) -> String {
    let broker = Mosquitto::start();
    let programs = program.parent().unwrap().display();
    let terminal = Terminal::start(
        columns,
        rows,
        &format!(
            "PS1='$ ' PATH={programs}:$PATH MOZZIE_HOST=127.0.0.1 MOZZIE_PORT={} \
             exec bash --norc --noprofile -i",
            broker.port
        ),
    );
    terminal.wait_for("a prompt", |screen| screen.trim_end() == "$");
    terminal.keys(&format!("{line}\r"));
    match name {
        "bench" => terminal.wait_for("the result", |screen| screen.trim_end().ends_with("\n$")),
        _ => {
            broker.subscribed(1);
            let done = messages(&broker, &terminal, name == "watch");
            terminal.wait_for("the messages", done);
        }
    }
    let screen = terminal.run("capture-pane -p -e -t it").stdout;
    let screen = String::from_utf8_lossy(&screen);
    let screen = screen.trim_end();
    // The prompt behind the end is no part of it.
    picture(screen.strip_suffix("\n$").unwrap_or(screen), columns, line)
}

/// A house speaks. Returns how the screen looks when all has come.
fn messages(broker: &Mosquitto, terminal: &Terminal, often: bool) -> fn(&str) -> bool {
    let mut house = Client::connect(broker.port);
    for round in 0..if often { 40 } else { 1 } {
        let tenth = round % 7;
        house.publish("home/attic/temperature", format!("17.{tenth}"), 0, false);
        if round % 2 == 0 {
            house.publish("home/kitchen/temperature", format!("21.{tenth}"), 0, false);
            let power = format!(r#"{{"power":{},"unit":"W"}}"#, 1840 + 3 * tenth);
            house.publish("home/kitchen/oven", power, 0, false);
        }
        if round % 5 == 0 {
            house.publish("home/door/bell", "ring \u{1f514}", 0, false);
            house.publish("home/hall/note", "milk\nbread", 0, false);
            house.publish("home/attic/sensor", b"\x1b[2J\xff\x00", 0, false);
        }
        if often {
            // As fast as a reader of the screen sees them.
            let count = format!("{} in all", round + 1);
            let before = terminal.screen();
            terminal.wait_for(&count, |screen| screen != before);
        }
    }
    |screen| {
        screen.contains("sensor")
            && (screen.contains("6 topics") || screen.trim_end().ends_with("\n$"))
    }
}

/// The width and height of a character.
const CELL: (f32, f32) = (8.4, 18.0);

/// The screen with its colours as SVG; `title` is for those who cannot see it.
fn picture(screen: &str, columns: u16, title: &str) -> String {
    let lines: Vec<&str> = screen.trim_end().lines().collect();
    let (width, height) = (
        f32::from(columns) * CELL.0 + 24.0,
        lines.len() as f32 * CELL.1 + 24.0,
    );
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
         height=\"{height:.0}\" role=\"img\" font-family=\"ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace\" \
         font-size=\"14\" xml:space=\"preserve\">\n<title>{}</title>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"#1e1e2e\"/>\n",
        escaped(title)
    );
    let mut style = Style::default();
    for (row, line) in lines.iter().enumerate() {
        let mut column = 0;
        for run in runs(line, &mut style) {
            let cells = width_of(&run.text);
            let (x, y) = (12.0 + column as f32 * CELL.0, 12.0 + row as f32 * CELL.1);
            column += cells;
            run.draw(&mut svg, x, y, cells as f32 * CELL.0);
        }
    }
    svg + "</svg>\n"
}

/// Cells of a text; what is no letter of the languages used here is wide.
fn width_of(text: &str) -> usize {
    text.chars()
        .map(|c| if c >= '\u{1f000}' { 2 } else { 1 })
        .sum()
}

#[derive(Debug, Clone, Default)]
struct Style {
    bold: bool,
    dim: bool,
    reverse: bool,
    colour: Option<u8>,
}

struct Run {
    style: Style,
    text: String,
}

impl Run {
    fn draw(&self, svg: &mut String, x: f32, y: f32, length: f32) {
        const FOREGROUND: &str = "#cdd6f4";
        const COLOURS: [&str; 8] = [
            "#6c7086", "#f38ba8", "#a6e3a1", "#f9e2af", "#89b4fa", "#f5c2e7", "#94e2d5", "#bac2de",
        ];
        let style = &self.style;
        let colour = style.colour.map_or(FOREGROUND, |n| COLOURS[usize::from(n)]);
        let mut fill = colour;
        if style.reverse {
            let height = CELL.1;
            writeln!(
                svg,
                "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{length:.1}\" height=\"{height}\" fill=\"{colour}\"/>"
            )
            .unwrap();
            fill = "#1e1e2e";
        }
        if self.text.trim().is_empty() {
            return;
        }
        let weight = if style.bold {
            " font-weight=\"bold\""
        } else {
            ""
        };
        let opacity = if style.dim { " opacity=\"0.6\"" } else { "" };
        writeln!(
            svg,
            "<text x=\"{x:.1}\" y=\"{:.1}\" textLength=\"{length:.1}\" lengthAdjust=\"spacingAndGlyphs\" \
             fill=\"{fill}\"{weight}{opacity}>{}</text>",
            y + 13.5,
            escaped(&self.text)
        )
        .unwrap();
    }
}

/// The pieces of a line that look alike; a style goes on in the next line.
fn runs(line: &str, style: &mut Style) -> Vec<Run> {
    let mut runs = Vec::new();
    for piece in line.split("\x1b[") {
        let mut text = piece;
        // Only what follows an ESC [ has a sequence before its text; a line begins without one.
        let is_first = std::ptr::eq(piece.as_ptr(), line.as_ptr());
        if !is_first && let Some((codes, rest)) = piece.split_once('m') {
            codes.split(';').for_each(|code| style.take(code));
            text = rest;
        }
        // A blank is drawn by leaving it out: pieces then begin where they stand, whatever the font.
        for word in text.split_inclusive("  ") {
            runs.push(Run {
                style: style.clone(),
                text: word.to_owned(),
            });
        }
    }
    runs
}

impl Style {
    fn take(&mut self, code: &str) {
        match code.parse().unwrap_or(0) {
            0 => *self = Self::default(),
            1 => self.bold = true,
            2 => self.dim = true,
            7 => self.reverse = true,
            22 => (self.bold, self.dim) = (false, false),
            27 => self.reverse = false,
            n @ 30..=37 => self.colour = Some(n - 30),
            n @ 90..=97 => self.colour = Some(n - 90),
            39 => self.colour = None,
            _ => {}
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
