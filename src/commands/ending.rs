//! How a verb ends: the connection in order if the broker is there, then what is left to be written.

use std::io;
use std::time::Duration;

use crate::client::Client;
use crate::error::Error;
use crate::mqtt::properties::Properties;
use crate::mqtt::reason::Reason;
use crate::output::{Sink, Trace};
use crate::signal::Signals;

/// How long a goodbye may take that nobody waits for.
const GOODBYE: Duration = Duration::from_millis(500);

/// Ends the connection in order if that goes fast: who interrupts, or has all, does not want to wait.
pub async fn goodbye(client: Client, reason: Option<Reason>, disconnect: Properties) {
    let close = client.close(reason, disconnect, false);
    let _ = tokio::time::timeout(GOODBYE, close).await;
}

/// The same, and gives the broker time to read the acknowledgements that it was sent last.
pub async fn goodbye_with_acknowledgements(
    client: Client,
    reason: Option<Reason>,
    disconnect: Properties,
) {
    let close = client.close(reason, disconnect, true);
    let _ = tokio::time::timeout(GOODBYE, close).await;
}

/// Ends the connection and then writes what is left: a reader that is slow must not make a broker
/// wait that has given all. `trace` are packets that are shown among the output. A (further) signal ends the wait.
pub async fn leave(
    client: Client,
    (reason, disconnect): (Option<Reason>, Properties),
    mut sink: Sink,
    trace: Option<Trace>,
    mut signals: Signals,
    result: Result<(), Error>,
) -> Result<(), Error> {
    goodbye(client, reason, disconnect).await;
    if let Some(trace) = trace {
        trace.drain(sink.buffer());
    }
    let written = tokio::select! {
        written = sink.finish() => written,
        signal = signals.next() => {
            return result.and(Err(Error::Interrupted(
                signal,
                Some("not all messages that came were printed".to_owned()),
            )));
        }
    };
    result.and(output_result(&sink, written))
}

/// That nobody reads any more is the end, and no failure.
pub fn output_result(sink: &Sink, written: io::Result<()>) -> Result<(), Error> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::io(format!("cannot write to {}", sink.name()), error))
        }
        _ => Ok(()),
    }
}
