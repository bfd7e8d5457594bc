//! A man page (man(7)) of one command, from clap's definition and what the manual adds.

use clap::{Arg, Command};

use super::{connects, examples, exit_codes};
use crate::cli::UNSPLIT;

/// When the manual was last looked over.
const DATE: &str = "2026-11-21";
/// No line of the source is longer, but for a single word.
const WIDTH: usize = 79;

/// The variables that are no option of some verb's.
const VARIABLES: &[(&str, &str)] = &[
    (
        "MOZZIE_PROFILE",
        "the profile to use when --profile is not given",
    ),
    (
        "MOZZIE_…",
        "every connection option, with its long name in capitals and _ for -: MOZZIE_HOST, MOZZIE_PASSWORD",
    ),
    (
        "MOZZIE_NAMESERVER",
        "ADDRESS[:PORT] to ask for SRV records instead of the name servers of the system",
    ),
    (
        "MOZZIE_JSON_ERRORS",
        "when set to 1, the same as --json-errors",
    ),
    ("NO_COLOR", "when set, nothing is coloured"),
];

const FILES: &[(&str, &str)] = &[(
    "$XDG_CONFIG_HOME/mozzie/config.toml, ~/.config/mozzie/config.toml",
    "profiles, see mozzie-profile(1)",
)];

/// The pages of the program and of its verbs: file name and text. `root` is built (`Command::build`).
pub fn all(root: &Command) -> Vec<(String, String)> {
    let mut pages = vec![("mozzie.1".to_owned(), program(root))];
    for verb in shown(root).filter(|verb| verb.get_name() != "help") {
        pages.push((format!("mozzie-{}.1", verb.get_name()), of_verb(verb)));
    }
    pages
}

fn shown(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|verb| !verb.is_hide_set())
}

fn program(root: &Command) -> String {
    let mut page = Page::new("mozzie", &about(root));
    page.section("SYNOPSIS");
    page.text("\\fBmozzie\\fR \\fICOMMAND\\fR [\\fIOPTIONS\\fR]");
    page.section("COMMANDS");
    for verb in shown(root) {
        let name = match verb.get_name() {
            "help" => "mozzie help".to_owned(),
            name => format!("mozzie-{name}(1)"),
        };
        page.item(&bold(&name), &[&about(verb)]);
    }
    page.section("OPTIONS");
    page.options(root);
    page.end(None);
    let pages: Vec<_> = shown(root)
        .filter(|verb| verb.get_name() != "help")
        .map(|verb| format!("mozzie-{}", verb.get_name()))
        .collect();
    page.see_also(pages.iter().map(String::as_str));
    page.text
}

fn of_verb(verb: &Command) -> String {
    let name = verb.get_name();
    let mut page = Page::new(&format!("mozzie-{name}"), &about(verb));
    page.section("SYNOPSIS");
    page.synopsis(verb);
    page.section("DESCRIPTION");
    page.paragraphs(&format!("{}.", about(verb)));
    if let Some(notes) = verb.get_after_help() {
        page.paragraphs(&notes.to_string().replace(UNSPLIT, ""));
    }
    if verb.has_subcommands() {
        page.section("COMMANDS");
        for action in shown(verb) {
            page.item(&usage(action.get_name(), action), &[&about(action)]);
        }
    }
    page.section("OPTIONS");
    page.options(verb);
    page.end(Some(name));
    page.see_also(["mozzie"].into_iter());
    page.text
}

fn about(command: &Command) -> String {
    command
        .get_about()
        .map(ToString::to_string)
        .unwrap_or_default()
}

fn usage(name: &str, command: &Command) -> String {
    let mut text = bold(name);
    for operand in command.get_positionals() {
        let value = italic(&value_names(operand));
        text.push_str(&match operand.is_required_set() {
            true => format!(" {value}"),
            false => format!(" [{value}]"),
        });
    }
    text
}

fn value_names(arg: &Arg) -> String {
    match arg.get_value_names() {
        Some(names) => names
            .iter()
            .map(|name| name.as_str())
            .collect::<Vec<_>>()
            .join(" "),
        None => arg.get_id().as_str().to_ascii_uppercase(),
    }
}

/// A page being written.
struct Page {
    text: String,
}

impl Page {
    fn new(name: &str, about: &str) -> Self {
        let mut page = Self {
            text: format!(
                ".TH {} 1 {DATE} \"mozzie {}\" \"mozzie manual\"\n",
                escaped(&name.to_uppercase()),
                env!("CARGO_PKG_VERSION")
            ),
        };
        page.section("NAME");
        page.text(&format!("{} \\- {}", escaped(name), escaped(about)));
        page
    }

    /// Begins a paragraph, which the first of a section is without a word.
    fn paragraph(&mut self) {
        let before = self.text.lines().next_back().unwrap_or_default();
        if !before.starts_with(".SH") {
            self.text(".PP");
        }
    }

    /// A line that is roff already.
    fn text(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn section(&mut self, heading: &str) {
        self.text(&format!(".SH {}", escaped(heading)));
    }

    /// A term that is roff already, and paragraphs that are not.
    fn item(&mut self, term: &str, paragraphs: &[&str]) {
        self.text(".TP");
        self.text(term);
        for (index, paragraph) in paragraphs.iter().enumerate() {
            if index > 0 {
                self.text(".IP");
            }
            self.filled(paragraph);
        }
    }

    /// Text that roff fills, in lines of the source that are not too long.
    fn filled(&mut self, text: &str) {
        let mut row = String::new();
        for word in text.split_whitespace() {
            if !row.is_empty() && escaped(&row).len() + 1 + escaped(word).len() > WIDTH {
                self.text(&line(&row));
                row.clear();
            }
            if !row.is_empty() {
                row.push(' ');
            }
            row.push_str(word);
        }
        self.text(&line(&row));
    }

    /// Text with blank lines between its paragraphs; what is indented stays as it is.
    fn paragraphs(&mut self, text: &str) {
        for paragraph in text.split("\n\n") {
            self.paragraph();
            let is_verbatim = paragraph.starts_with("  ");
            if is_verbatim {
                self.verbatim(
                    paragraph
                        .lines()
                        .map(|line| line.strip_prefix("  ").unwrap_or(line)),
                );
            } else {
                self.filled(paragraph);
            }
        }
    }

    fn verbatim<'a>(&mut self, lines: impl Iterator<Item = &'a str>) {
        self.text(".RS 4\n.nf");
        for text in lines {
            self.text(&line(text));
        }
        self.text(".fi\n.RE");
    }

    fn synopsis(&mut self, verb: &Command) {
        let name = format!("mozzie {}", verb.get_name());
        if let Some(usage) = verb.get_overridden_usage() {
            for (index, form) in usage.to_string().lines().enumerate() {
                if index > 0 {
                    self.text(".br");
                }
                self.text(&line(form.trim()));
            }
            return;
        }
        let mut text = usage(&name, verb);
        if verb.has_subcommands() {
            text.push_str(" \\fICOMMAND\\fR");
        }
        self.text(&format!("{text} [\\fIOPTIONS\\fR]"));
    }

    /// The options under their headings, in the order of `--help`.
    fn options(&mut self, command: &Command) {
        let options: Vec<_> = command
            .get_arguments()
            .filter(|arg| !arg.is_hide_set())
            .collect();
        let mut headings: Vec<Option<&str>> = Vec::new();
        for option in &options {
            if !headings.contains(&option.get_help_heading()) {
                headings.push(option.get_help_heading());
            }
        }
        // Those without a heading come last, as clap has it where there are others.
        headings.sort_by_key(Option::is_none);
        for heading in &headings {
            if headings.len() > 1 {
                self.text(&format!(".SS {}", escaped(heading.unwrap_or("Help"))));
            }
            for option in options
                .iter()
                .filter(|arg| arg.get_help_heading() == *heading)
            {
                self.option(option);
            }
        }
    }

    fn option(&mut self, arg: &Arg) {
        let help = arg.get_long_help().or_else(|| arg.get_help());
        let mut text = help.map(ToString::to_string).unwrap_or_default();
        let takes_value = arg.get_action().takes_values();
        let defaults = arg.get_default_values();
        if takes_value && !defaults.is_empty() {
            let default = defaults.iter().map(|value| value.to_string_lossy());
            let default = default.collect::<Vec<_>>().join(" ");
            let end = text.find("\n\n").unwrap_or(text.len());
            text.insert_str(end, &format!(" [default: {default}]"));
        }
        let paragraphs: Vec<&str> = text.split("\n\n").collect();
        self.item(&term(arg), &paragraphs);
        let possible = arg.get_possible_values();
        if takes_value && !possible.is_empty() {
            self.text(".RS");
            for value in possible.iter().filter(|value| !value.is_hide_set()) {
                let help = value
                    .get_help()
                    .map(ToString::to_string)
                    .unwrap_or_default();
                self.item(&bold(value.get_name()), &[&help]);
            }
            self.text(".RE");
        }
    }

    /// What stands behind the options on every page.
    fn end(&mut self, verb: Option<&str>) {
        if !examples(verb).is_empty() {
            self.section("EXAMPLES");
            for (line, what) in examples(verb) {
                self.paragraph();
                self.filled(&format!("{what}:"));
                self.verbatim([*line].into_iter());
            }
        }
        self.section("EXIT STATUS");
        for (code, meaning) in exit_codes(verb) {
            self.item(&bold(code), &[meaning]);
        }
        if verb.is_none_or(connects) {
            self.section("ENVIRONMENT");
            for (name, meaning) in VARIABLES {
                self.item(&bold(name), &[meaning]);
            }
            self.section("FILES");
            for (name, meaning) in FILES {
                self.item(&italic(name), &[meaning]);
            }
        }
    }

    fn see_also<'a>(&mut self, pages: impl Iterator<Item = &'a str>) {
        self.section("SEE ALSO");
        let pages: Vec<_> = pages.map(|page| format!("{}(1)", bold(page))).collect();
        self.text(&pages.join(",\n"));
    }
}

fn term(arg: &Arg) -> String {
    let mut names = Vec::new();
    names.extend(arg.get_short().map(|letter| bold(&format!("-{letter}"))));
    let long = arg.get_long().into_iter();
    let aliases = arg.get_visible_aliases().unwrap_or_default();
    names.extend(long.chain(aliases).map(|name| bold(&format!("--{name}"))));
    if names.is_empty() {
        return italic(&value_names(arg));
    }
    let names = names.join(", ");
    if !arg.get_action().takes_values() {
        return names;
    }
    let value = italic(&value_names(arg));
    match arg.is_require_equals_set() {
        true => format!("{names}[={value}]"),
        false => format!("{names} {value}"),
    }
}

fn bold(text: &str) -> String {
    format!("\\fB{}\\fR", escaped(text))
}

fn italic(text: &str) -> String {
    format!("\\fI{}\\fR", escaped(text))
}

/// Text as a line of its own, which must not begin like a request.
fn line(text: &str) -> String {
    match text.starts_with(['.', '\'']) {
        true => format!("\\&{}", escaped(text)),
        false => escaped(text),
    }
}

/// Text in roff: every byte for itself. A hyphen in what is typed must be a hyphen when it is copied.
fn escaped(text: &str) -> String {
    let mut roff = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' => roff.push_str("\\e"),
            '-' => roff.push_str("\\-"),
            '\'' => roff.push_str("\\(aq"),
            '`' => roff.push_str("\\(ga"),
            '^' => roff.push_str("\\(ha"),
            '~' => roff.push_str("\\(ti"),
            '"' => roff.push_str("\\(dq"),
            letter if letter.is_ascii() => roff.push(letter),
            letter => roff.push_str(&format!("\\[u{:04X}]", u32::from(letter))),
        }
    }
    roff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_be_taken_for_requests() {
        assert_eq!(line(".br"), "\\&.br");
        assert_eq!(line("'x"), "\\&\\(aqx");
        assert_eq!(escaped("-D \\0 …"), "\\-D \\e0 \\[u2026]");
    }

    #[test]
    fn an_option_shows_its_names_value_and_default() {
        let command = Command::new("x").arg(
            Arg::new("max")
                .short('M')
                .long("max-inflight")
                .value_name("COUNT")
                .help("How many")
                .default_value("20"),
        );
        let mut page = Page {
            text: String::new(),
        };
        page.options(&command);
        let wanted = ".TP\n\\fB\\-M\\fR, \\fB\\-\\-max\\-inflight\\fR \\fICOUNT\\fR\nHow many [default: 20]\n";
        assert_eq!(page.text, wanted);
    }
}
