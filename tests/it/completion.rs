//! Completion as somebody at the keyboard has it: real shells in a real terminal, keys and the screen; and the man
//! pages as the programs that read them see them.

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{
    needs,
    support::{Terminal, mozzie},
};

/// A folder with what is completed: files, a folder, profiles; and the scripts.
fn house() -> TempDir {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("authority.pem", "");
    write("certificates/a.pem", "");
    write("certificates.txt", "");
    write(
        "config/mozzie/config.toml",
        "[profile.workshop]\nhost = \"a\"\n\n[profile.garden]\nhost = \"b\"\n",
    );
    for (shell, name) in [
        ("bash", "mozzie.bash"),
        ("zsh", "functions/_mozzie"),
        ("fish", "mozzie.fish"),
        ("elvish", "mozzie.elv"),
    ] {
        let done = mozzie("completions").arg(shell).run();
        write(name, &done.stdout_text());
    }
    write(
        "bashrc",
        "PS1='ready> '; bind 'set show-all-if-ambiguous on'; . ./mozzie.bash\n",
    );
    write(
        "rc.elv",
        "set edit:prompt = { put 'ready> ' }; set edit:rprompt = { }\n\
         set edit:insert:binding[Ctrl-L] = { edit:clear }\n\
         eval (slurp < mozzie.elv)\n",
    );
    write(
        ".zshrc",
        "PS1='ready> '; fpath=($PWD/functions $fpath); autoload -U compinit; compinit -u -D\n",
    );
    folder
}

/// Starts a shell by this line in the folder, types each text and TAB, and waits for what the screen must then show.
fn completes(shell: &str, cases: &[(&str, &[&str])]) {
    let folder = house();
    let here = folder.path().display();
    let programs = Path::new(env!("CARGO_BIN_EXE_mozzie")).parent().unwrap();
    let terminal = Terminal::start(
        120,
        30,
        &format!(
            "cd {here}; export PATH={}:$PATH HOME={here} ZDOTDIR={here} XDG_CONFIG_HOME={here}/config \
             XDG_RUNTIME_DIR={here}; exec {shell}",
            programs.display()
        ),
    );
    terminal.wait_for(&format!("{shell} asks"), |screen| {
        screen.trim_end() == PROMPT
    });
    for (typed, wanted) in cases {
        terminal.keys(typed);
        terminal.wait_for(&format!("{shell}: the echo of '{typed}'"), |screen| {
            screen.contains(typed.trim_end())
        });
        terminal.keys("\t");
        terminal.wait_for(
            &format!("{shell}: '{typed}' and TAB makes {wanted:?}"),
            |screen| wanted.iter().all(|wanted| screen.contains(wanted)),
        );
        until(&terminal, "C-c", |screen| {
            screen.lines().next_back() == Some(PROMPT)
        });
        until(&terminal, "C-l", |screen| screen == PROMPT);
    }
}

const PROMPT: &str = "ready>";

/// Presses a key, again each second: a shell that is busy with its list takes no notice.
fn until(terminal: &Terminal, key: &str, ready: impl Fn(&str) -> bool) {
    let mut pressed: Option<Instant> = None;
    terminal.wait_for(&format!("what {key} does"), |screen| {
        if pressed.is_none_or(|at| at.elapsed() > Duration::from_secs(1)) {
            terminal.run(&format!("send-keys -t it {key}"));
            pressed = Some(Instant::now());
            return false;
        }
        ready(screen.trim_end())
    });
}

/// What every shell must do.
const CASES: &[(&str, &[&str])] = &[
    ("mozzie be", &["mozzie bench"]),
    ("mozzie pub --repeat-d", &["mozzie pub --repeat-delay"]),
    ("mozzie pub -V ", &["311"]),
    (
        "mozzie pub -m 'a b' -D publish payload-f",
        &["payload-format-indicator"],
    ),
    ("mozzie sub --retain-handling ne", &["never", "new"]),
    // elvish quotes a word with =
    ("mozzie sub --json=p", &["--json=parsed"]),
    ("mozzie sub --profile w", &["--profile workshop"]),
    ("mozzie profile show g", &["profile show garden"]),
    ("mozzie pub --cafile auth", &["--cafile authority.pem"]),
    ("mosquitto_pub --cafile auth", &["--cafile authority.pem"]),
    ("mosquitto_sub --retained-o", &["--retained-only"]),
    ("mosquitto_rr -V ", &["311"]),
];

/// What those do in which a file can stand behind `=`, and a folder is asked for.
const FILES: &[(&str, &[&str])] = &[
    ("mozzie pub --cafile=auth", &["--cafile=authority.pem"]),
    ("mozzie sub --capath cert", &["--capath certificates/"]),
    ("mozzie sub --exec tmu", &["--exec tmux"]),
];

#[test]
fn bash_completes_verbs_options_and_values() {
    needs!("tmux", "bash");
    let shell = "bash --rcfile bashrc -i";
    completes(shell, CASES);
    completes(shell, FILES);
}

#[test]
fn zsh_completes_verbs_options_and_values() {
    needs!("tmux", "zsh");
    let shell = "zsh -d -i";
    completes(shell, CASES);
    completes(shell, FILES);
}

#[test]
fn fish_completes_verbs_options_and_values() {
    needs!("tmux", "fish");
    let shell = "fish --no-config -C 'source mozzie.fish; set fish_greeting; \
                 function fish_prompt; echo -n \"ready> \"; end'";
    completes(shell, CASES);
    completes(shell, FILES);
}

#[test]
fn elvish_completes_verbs_options_and_values() {
    needs!("tmux", "elvish");
    let shell = "elvish -rc rc.elv";
    completes(shell, CASES);
    completes(shell, FILES);
}

#[test]
fn the_scripts_are_read_without_a_complaint_also_by_source() {
    needs!("bash", "zsh", "fish");
    let folder = house();
    for line in [
        "bash -n mozzie.bash",
        "bash -c 'source mozzie.bash && complete -p mozzie mosquitto_rr > /dev/null'",
        "zsh -n functions/_mozzie",
        "zsh -f -c 'autoload -U compinit; compinit -u -D; source functions/_mozzie; [[ $_comps[mosquitto_rr] = _mozzie ]]'",
        "fish --no-config -n mozzie.fish",
    ] {
        let done = Command::new("sh")
            .args(["-c", line])
            .current_dir(folder.path())
            .env("HOME", folder.path())
            .output()
            .unwrap();
        let said = [done.stdout, done.stderr].concat();
        assert!(
            done.status.success() && said.is_empty(),
            "{line}: {}",
            String::from_utf8_lossy(&said)
        );
    }
}

#[test]
fn man_pages_are_clean_for_those_who_read_them() {
    needs!("mandoc", "groff");
    let folder = TempDir::new().unwrap();
    mozzie("man").arg(folder.path()).run().prints("");
    for entry in fs::read_dir(folder.path()).unwrap() {
        let page = entry.unwrap().path();
        for words in [
            &["mandoc", "-T", "lint", "-W", "warning"][..],
            &["groff", "-man", "-Tutf8", "-ww", "-z"],
        ] {
            let done = Command::new(words[0])
                .args(&words[1..])
                .arg(&page)
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
            assert!(
                done.status.success() && said.is_empty(),
                "{words:?}: {said}"
            );
        }
        let text = fs::read_to_string(&page).unwrap();
        for section in [
            ".SH NAME",
            ".SH SYNOPSIS",
            ".SH OPTIONS",
            ".SH EXAMPLES",
            ".SH EXIT STATUS",
        ] {
            assert!(text.contains(section), "{} has {section}", page.display());
        }
    }
}

#[test]
fn the_long_help_has_examples_and_exit_codes_and_help_is_a_verb_too() {
    let short = mozzie("pub --help").run().stdout_text();
    let long = mozzie("pub --help-all").run().stdout_text();
    assert!(!short.contains("Examples:") && short.lines().count() < long.lines().count() / 2);
    assert!(long.contains("Examples:") && long.contains("Exit codes:"));
    mozzie("help pub").run().prints(&long);
    let whole = mozzie("help").run().stdout_text();
    assert!(whole.contains("Examples:") && whole.contains("\n  bench "));
    mozzie("help nothing").run().fails(2, &["nothing"]);
    mozzie("help pub -t a").run().prints(&long);
}

#[test]
fn a_broken_configuration_file_does_not_stop_completion() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("mozzie")).unwrap();
    fs::write(folder.path().join("mozzie/config.toml"), "=").unwrap();
    mozzie("complete --word= -- mozzie sub --profile")
        .env("XDG_CONFIG_HOME", folder.path())
        .run()
        .prints("words\nnone\tno profile at all\n");
}
