//! One run of a command for one message: the message in, what it prints out, and no way to hang or to
//! grow without bounds.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::ExitStatusExt;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use bytes::Bytes;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::watch;

use crate::mqtt::packet::Message;
use crate::mqtt::properties::{PropertyId, Value};

/// What runs the commands.
pub const SHELL: &str = "sh";
/// How long a command may take to end that is told to: on a busy machine even a short one takes a
/// second. Whoever cannot wait sends a second signal.
const GRACE: Duration = Duration::from_secs(5);

/// Where what a command prints goes.
#[derive(Debug, Clone, Copy)]
pub enum Output {
    /// To whoever runs it: this many bytes at most.
    Captured(usize),
    /// To our own stdout.
    Inherited,
}

/// Why a run is no success.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    #[error("cannot start the shell '{SHELL}' for the command: {}", crate::net::io_reason(.0))]
    Start(io::Error),
    #[error("cannot read what the command prints: {}", crate::net::io_reason(.0))]
    Read(io::Error),
    #[error("the command failed with {}", status_words(*.0))]
    Failed(ExitStatus),
    #[error("the command printed more than {0} bytes, the most that a reply can be")]
    TooLarge(usize),
    #[error("the command was ended before it was done")]
    Stopped,
}

/// A command and all that it started, as one process group. Ended when this is dropped.
struct Group(Option<Pid>);

impl Group {
    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.0 {
            // It may have ended by itself.
            let _ = kill_process_group(pid, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// Runs the command for a message and gives what it printed, if that is captured. Ends it when `stop`
/// changes or is gone.
pub async fn run(
    command: &str,
    message: &Message,
    stdin: Bytes,
    output: Output,
    mut stop: watch::Receiver<()>,
) -> Result<Bytes, JobError> {
    let (stdout, limit) = match output {
        Output::Captured(limit) => (Stdio::piped(), limit),
        Output::Inherited => (Stdio::inherit(), 0),
    };
    let mut shell = Command::new(SHELL);
    for (name, _) in std::env::vars_os().filter(|(name, _)| says_of_a_message(name)) {
        // Of the message that we may be run for ourselves.
        shell.env_remove(name);
    }
    let mut child = shell
        .arg("-c")
        .arg(command)
        .envs(environment(message))
        .stdin(Stdio::piped())
        .stdout(stdout)
        // Its own group, so that all of a pipeline can be ended, and a Ctrl-C is ours to handle.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(JobError::Start)?;
    let mut group = Group(
        child
            .id()
            .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)),
    );
    let result = tokio::select! {
        result = exchange(&mut child, stdin, limit) => result,
        _ = stop.changed() => {
            group.signal(Signal::TERM);
            let _ = tokio::time::timeout(GRACE, child.wait()).await;
            return Err(JobError::Stopped);
        }
    };
    if !matches!(result, Err(JobError::TooLarge(_) | JobError::Read(_))) {
        // It has ended by itself; what it left running in the background may stay.
        group.0 = None;
    }
    result
}

/// Writes to the command and reads from it at once, since either pipe may be full while the other
/// waits; then waits for the end.
async fn exchange(child: &mut Child, input: Bytes, limit: usize) -> Result<Bytes, JobError> {
    let stdin = child.stdin.take();
    let stdout = child.stdout.take();
    let mut write = pin!(async move {
        if let Some(mut stdin) = stdin {
            // A command need not read what it is given.
            let _ = stdin.write_all(&input).await;
        }
    });
    let mut written = false;
    let mut read = pin!(read(stdout, limit));
    let output = loop {
        tokio::select! {
            output = &mut read => break output?,
            () = &mut write, if !written => written = true,
        }
    };
    let mut wait = pin!(child.wait());
    let status = loop {
        tokio::select! {
            status = &mut wait => break status.map_err(JobError::Read)?,
            () = &mut write, if !written => written = true,
        }
    };
    match status.success() {
        true => Ok(output.into()),
        false => Err(JobError::Failed(status)),
    }
}

async fn read(stdout: Option<ChildStdout>, limit: usize) -> Result<Vec<u8>, JobError> {
    let mut output = Vec::new();
    if let Some(stdout) = stdout {
        stdout
            .take(limit as u64 + 1)
            .read_to_end(&mut output)
            .await
            .map_err(JobError::Read)?;
    }
    match output.len() > limit {
        true => Err(JobError::TooLarge(limit)),
        false => Ok(output),
    }
}

fn status_words(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => status.to_string(),
    }
}

/// Variables of [`environment`] that only some messages have.
const OPTIONAL: [&str; 5] = [
    "MQTT_RESPONSE_TOPIC",
    "MQTT_CONTENT_TYPE",
    "MQTT_PAYLOAD_FORMAT_INDICATOR",
    "MQTT_MESSAGE_EXPIRY_INTERVAL",
    "MQTT_CORRELATION_DATA",
];
const USER_PROPERTY: &str = "MQTT_USER_PROPERTY_";

fn says_of_a_message(variable: &OsStr) -> bool {
    let name = variable.as_bytes();
    name.starts_with(USER_PROPERTY.as_bytes()) || OPTIONAL.iter().any(|o| o.as_bytes() == name)
}

/// What a command can know of its message beside the payload.
fn environment(message: &Message) -> BTreeMap<String, OsString> {
    let mut variables = BTreeMap::from([
        ("MQTT_TOPIC".to_owned(), bytes(message.topic.as_bytes())),
        ("MQTT_QOS".to_owned(), message.qos.to_string().into()),
        (
            "MQTT_RETAIN".to_owned(),
            u8::from(message.retain).to_string().into(),
        ),
    ]);
    for property in message.properties.iter() {
        let (name, value) = match (property.id(), property.value()) {
            (PropertyId::ResponseTopic, Value::Text(text)) => {
                ("MQTT_RESPONSE_TOPIC".to_owned(), bytes(text.as_bytes()))
            }
            (PropertyId::ContentType, Value::Text(text)) => {
                ("MQTT_CONTENT_TYPE".to_owned(), bytes(text.as_bytes()))
            }
            (PropertyId::PayloadFormatIndicator, Value::Byte(number)) => (
                "MQTT_PAYLOAD_FORMAT_INDICATOR".to_owned(),
                number.to_string().into(),
            ),
            (PropertyId::MessageExpiryInterval, Value::FourByte(seconds)) => (
                "MQTT_MESSAGE_EXPIRY_INTERVAL".to_owned(),
                seconds.to_string().into(),
            ),
            // It may hold any byte, and a variable cannot.
            (PropertyId::CorrelationData, Value::Binary(data)) => {
                let hex: String = data.iter().map(|byte| format!("{byte:02x}")).collect();
                ("MQTT_CORRELATION_DATA".to_owned(), hex.into())
            }
            (PropertyId::UserProperty, Value::Pair(name, value)) => (
                format!("{USER_PROPERTY}{}", variable_name(name.as_str())),
                bytes(value.as_bytes()),
            ),
            _ => continue,
        };
        // A user property may occur again, and names may differ in what variables cannot have.
        match variables.entry(name) {
            Entry::Vacant(entry) => {
                entry.insert(value);
            }
            Entry::Occupied(mut entry) => {
                entry.get_mut().push("\n");
                entry.get_mut().push(value);
            }
        }
    }
    variables
}

/// A property's name as shells allow it: capitals, digits and underscores.
fn variable_name(name: &str) -> String {
    name.chars()
        .map(|c| match c {
            c if c.is_ascii_alphanumeric() => c.to_ascii_uppercase(),
            _ => '_',
        })
        .collect()
}

fn bytes(bytes: &[u8]) -> OsString {
    OsString::from_vec(bytes.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mqtt::text::Text;

    fn run_with(command: &str, payload: Vec<u8>, limit: usize) -> Result<Bytes, JobError> {
        let message = Message {
            topic: Text::try_from("a/b").unwrap(),
            ..Message::default()
        };
        let (_keep, stop) = watch::channel(());
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(run(
                command,
                &message,
                payload.into(),
                Output::Captured(limit),
                stop,
            ))
    }

    #[test]
    fn large_payloads_pass_both_ways_at_once() {
        let payload: Vec<u8> = (0..4 << 20).map(|n: u32| n as u8).collect();
        let output = run_with("cat", payload.clone(), payload.len()).unwrap();
        assert!(output == payload);
    }

    #[test]
    fn a_command_need_not_read_its_input() {
        let payload = vec![0; 4 << 20];
        assert_eq!(run_with("echo hi", payload, 100).unwrap(), "hi\n");
    }

    #[test]
    fn output_without_end_is_cut_and_the_command_ended() {
        let error = run_with("yes; true", vec![0; 1 << 20], 1000).unwrap_err();
        assert!(matches!(error, JobError::TooLarge(1000)), "{error}");
    }

    #[test]
    fn a_failure_says_how_the_command_ended() {
        for (command, words) in [("exit 3", "exit status 3"), ("kill -9 $$", "signal 9")] {
            let error = run_with(command, Vec::new(), 10).unwrap_err();
            assert!(error.to_string().ends_with(words), "{error}");
        }
    }

    #[test]
    fn names_of_user_properties_become_names_of_variables() {
        assert_eq!(variable_name("Run-id é.2"), "RUN_ID___2");
    }
}
