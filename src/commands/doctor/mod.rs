//! `mozzie doctor`: what works between here and the broker, step by step, and what to do about the rest.
//!
//! `way` opens the connection and tells of its layers, `probe` is one connection that messages are sent round, and
//! `features` are the checks that do so.

mod features;
mod probe;
mod way;

use std::time::Duration;

use crate::cli::doctor::DoctorArgs;
use crate::client::{ConnectionPlan, Reconnect};
use crate::dialect::Dialect;
use crate::error::Error;
use crate::mqtt::Version;
use crate::mqtt::codec::DecodeError;
use crate::mqtt::properties::{Place, Properties, PropertyId};
use crate::mqtt::reason::Reason;
use crate::mqtt::session::{SessionError, Settings};
use crate::mqtt::text::Text;
use crate::output::doctor::{Check, Finding, Report};
use crate::output::{self, Diagnostics, Palette, ProgressLine};

use probe::Probe;

use super::{connect, ending, runtime, secret};

const TLS_LISTENER: &str =
    "this is a TLS listener: use mqtts://, or --cafile with the certificate of its authority";

/// What is to be examined, checked.
struct DoctorPlan {
    connection: ConnectionPlan,
    /// Whether MQTT 3.1.1 will do where the broker does not speak 5.
    may_fall_back: bool,
    wait_for_broker: Option<Duration>,
    verified: bool,
    /// Everything is published below it.
    topic: String,
    max_payload: usize,
    timeout: Duration,
    debug: u8,
    disconnect: Properties,
}

pub fn run(args: DoctorArgs, diagnostics: &Diagnostics) -> Result<(), Error> {
    let asks = secret::asks(&args.connection);
    let (args, plan) = secret::planned(asks, move || {
        let plan = plan(&args)?;
        Ok((args, plan))
    })?;
    let report = runtime()?.block_on(async {
        let mut signals = super::signals()?;
        let mut examination = Examination::new(plan, diagnostics);
        tokio::select! {
            () = examination.run() => {}
            signal = signals.next() => {
                examination.clean_up().await;
                return Err(Error::Interrupted(signal, None));
            }
        }
        Ok(examination.end().await)
    })?;
    let text = match args.checks.json {
        true => report.json(),
        false => report.table(Palette::stdout(args.debug.color.forced())),
    };
    output::print(text.as_bytes())?;
    match report.failures() {
        (_, _, None) => Ok(()),
        (failed, total, Some(code)) => Err(Error::Checks {
            failed,
            total,
            code,
        }),
    }
}

fn plan(args: &DoctorArgs) -> Result<DoctorPlan, Error> {
    let typed = &args.connection;
    let version = connect::version_or(Version::V5, typed, &[])?;
    let never = [Place::Publish, Place::Subscribe, Place::Unsubscribe];
    connect::no_properties_of("doctor", &typed.properties, &never)?;
    let mut connection = connect::plan(typed, version, Dialect::Native)?;
    connection.reconnect = Reconnect::Never;
    let wait_for_broker = connection.wait_for_broker.take();
    let topic = connect::topic_if_any(args.checks.topic.as_deref(), typed.broker.url.as_ref())?;
    let identity = &connection.identity;
    let needs_5 = !typed.properties.is_empty()
        || typed.session.session_expiry_interval.is_some()
        || !connection.settings.clean_start
        || (identity.password.is_some() && identity.username.is_none());
    Ok(DoctorPlan {
        may_fall_back: typed.session.protocol_version.is_none() && !needs_5,
        wait_for_broker,
        verified: !typed.tls.insecure,
        topic: topic.map_or_else(
            || format!("mozzie/doctor/{:08x}", fastrand::u32(..)),
            |topic| topic.to_string(),
        ),
        max_payload: usize::try_from(args.checks.max_payload.0).unwrap_or(usize::MAX),
        timeout: args.checks.timeout.0,
        debug: args.debug.debug,
        disconnect: typed.properties.of(Place::Disconnect),
        connection,
    })
}

/// What a check found out where nothing failed.
struct Passed {
    took: Option<Duration>,
    detail: String,
    /// What to do about something that is not as it should be.
    warning: Option<String>,
}

impl Passed {
    fn new(took: Duration, detail: impl Into<String>) -> Self {
        Self {
            took: Some(took),
            detail: detail.into(),
            warning: None,
        }
    }
}

/// The checks as they are made.
struct Examination<'a> {
    plan: DoctorPlan,
    diagnostics: &'a Diagnostics,
    line: ProgressLine,
    report: Report,
    /// The broker let us in once.
    logged_in: bool,
    /// The connection, while it is of use.
    probe: Option<Probe>,
    /// A retained message may be at the broker.
    retained: Option<Text>,
}

impl<'a> Examination<'a> {
    fn new(plan: DoctorPlan, diagnostics: &'a Diagnostics) -> Self {
        let report = Report {
            broker: plan.connection.endpoint.to_string(),
            ..Report::default()
        };
        Self {
            plan,
            diagnostics,
            line: ProgressLine::new(),
            report,
            logged_in: false,
            probe: None,
            retained: None,
        }
    }

    async fn run(&mut self) {
        self.telling("connection");
        let opened = self.open_for_the_first_time().await;
        let up = match opened {
            Some(stream) => self.log_in(stream).await,
            None => {
                self.skip(&["login"]);
                false
            }
        };
        match up {
            true => self.features().await,
            false => self.skip(&features::NAMES),
        }
    }

    /// MQTT's part of the connection. Whether the broker let us in.
    async fn log_in(&mut self, stream: crate::net::Stream) -> bool {
        self.telling("login");
        let mut result = self.probe_over(stream).await;
        if self.plan.may_fall_back && result.as_ref().is_err_and(wants_older_version) {
            let settings = Settings {
                version: Version::V311,
                connect_properties: Properties::new(),
                ..(*self.plan.connection.settings).clone()
            };
            self.plan.connection.settings = settings.into();
            result = self.connect().await;
        }
        match result {
            Ok(probe) => {
                let passed = self.login_details(&probe);
                self.probe = Some(probe);
                self.logged_in = true;
                self.conclude("login", Ok(passed));
                true
            }
            Err(error) => {
                let is_lost = matches!(error, Error::NotAccepted(_) | Error::Session(_));
                let mut finding = self.failed(&error);
                if is_lost
                    && way::speaks_tls(&self.plan.connection.endpoint, self.plan.timeout).await
                    && let Finding::Failed { hint, .. } = &mut finding
                {
                    *hint = Some(TLS_LISTENER.to_owned());
                }
                self.write_down("login", finding, None, String::new());
                false
            }
        }
    }

    fn login_details(&mut self, probe: &Probe) -> Passed {
        let version = self.plan.connection.settings.version;
        let mut detail = format!("MQTT {version}");
        let typed = self.plan.connection.identity.client_id.as_str();
        let connack = probe.connack();
        let assigned = connack
            .properties
            .text(PropertyId::AssignedClientIdentifier)
            .map(Text::as_str);
        if let Some(id) = assigned.or(Some(typed)).filter(|id| !id.is_empty()) {
            detail.push_str(&format!(", client identifier '{id}'"));
        }
        if connack.session_present {
            detail.push_str(", session present");
        }
        if let Some(seconds) = connack.properties.number(PropertyId::ServerKeepAlive) {
            detail.push_str(&format!(", keep alive {seconds} s as the broker wants it"));
        }
        let mut passed = Passed::new(probe.login_took(), detail);
        if version == Version::V5 {
            self.report.limits = Some(probe.limits());
        } else if self.plan.may_fall_back {
            passed
                .detail
                .push_str(", for the broker does not speak MQTT 5");
        }
        passed
    }

    /// Another connection of the same kind.
    async fn connect(&self) -> Result<Probe, Error> {
        let dialed = crate::net::dial(&self.plan.connection.endpoint).await?;
        self.probe_over(dialed.stream).await
    }

    async fn probe_over(&self, stream: crate::net::Stream) -> Result<Probe, Error> {
        let trace = (self.plan.debug > 0).then(|| self.diagnostics.tracer(self.plan.debug));
        Probe::log_in(
            self.plan.connection.clone(),
            stream,
            trace,
            self.plan.timeout,
        )
        .await
    }

    /// Makes one check on a connection that is up, and makes another one where the last check has broken it.
    async fn check(
        &mut self,
        name: &'static str,
        work: impl AsyncFnOnce(&mut Probe) -> Result<Passed, Error>,
    ) -> bool {
        self.telling(name);
        let result = match self.probe().await {
            Ok(probe) => work(probe).await,
            Err(error) => Err(error),
        };
        if result.as_ref().is_err_and(ends_the_connection) {
            self.probe = None;
        }
        self.conclude(name, result)
    }

    /// The connection, made anew where there is none.
    async fn probe(&mut self) -> Result<&mut Probe, Error> {
        let probe = match self.probe.take() {
            Some(probe) => probe,
            None => self.connect().await?,
        };
        Ok(self.probe.insert(probe))
    }

    /// Writes down what a check has found. Whether all is well.
    fn conclude(&mut self, name: &'static str, result: Result<Passed, Error>) -> bool {
        let (finding, took, detail) = match result {
            Ok(passed) => {
                let finding = match passed.warning {
                    Some(hint) => Finding::Warning { hint },
                    None => Finding::Passed,
                };
                (finding, passed.took, passed.detail)
            }
            Err(error) => (self.failed(&error), None, String::new()),
        };
        let well = !matches!(finding, Finding::Failed { .. });
        self.write_down(name, finding, took, detail);
        well
    }

    fn write_down(
        &mut self,
        name: &'static str,
        finding: Finding,
        took: Option<Duration>,
        detail: String,
    ) {
        self.report.checks.push(Check {
            name,
            finding,
            took,
            detail,
        });
    }

    fn failed(&self, error: &Error) -> Finding {
        Finding::Failed {
            error: error.in_full(),
            hint: Some(self.next_step(error)),
            code: error.exit_code(),
        }
    }

    /// What to do about a failure: there is always something.
    fn next_step(&self, error: &Error) -> String {
        let topic = &self.plan.topic;
        match error {
            Error::PublishRefused { why, .. } | Error::SubscribeRefused(why) if why.is_a_lack() => {
                "the broker does not have this: by its settings, or at all".to_owned()
            }
            Error::PublishRefused { .. } | Error::SubscribeRefused(_) | Error::TimedOut(_) => {
                format!(
                    "may this user publish and subscribe below '{topic}'? The broker's access control or its \
                     settings may forbid it; --topic names another place"
                )
            }
            Error::ConnectionLost(_) if self.logged_in => format!(
                "some brokers end the connection of who publishes or subscribes where he may not: check the access \
                 control for '{topic}', or name another place with --topic; the broker's log may say more"
            ),
            other => other.hint().unwrap_or_else(|| {
                "-d shows every packet; the broker's log may say more".to_owned()
            }),
        }
    }

    fn skip(&mut self, names: &[&'static str]) {
        for name in names {
            self.write_down(name, Finding::Skipped, None, String::new());
        }
    }

    /// Says what is under way, where somebody looks and nothing else is shown.
    fn telling(&mut self, what: &str) {
        if self.plan.debug == 0 {
            self.line.show(&format!("checking: {what}"));
        }
    }

    /// The retained message must not outlive the examination.
    async fn clean_up(&mut self) {
        if let Some(topic) = self.retained.clone() {
            let removed = match self.probe().await {
                Ok(probe) => probe.remove_retained(&topic).await,
                Err(error) => Err(error),
            };
            match removed {
                Ok(()) => self.retained = None,
                Err(error) => self.diagnostics.warn(&format!(
                    "the retained message of '{topic}' could not be removed: {error}; \
                     mozzie pub -r -n -t '{topic}' removes it"
                )),
            }
        }
    }

    async fn end(mut self) -> Report {
        if let Some(probe) = self.probe {
            let properties = std::mem::take(&mut self.plan.disconnect);
            ending::goodbye(probe.into_client(), Some(Reason::SUCCESS), properties).await;
        }
        self.report
    }
}

/// Whether the broker said that it does not speak MQTT 5.
fn wants_older_version(error: &Error) -> bool {
    match error {
        Error::Session(SessionError::Decode(DecodeError::OldBroker(_))) => true,
        Error::Refused(connack) => {
            matches!(
                connack.reason,
                Reason(1) | Reason::UNSUPPORTED_PROTOCOL_VERSION
            )
        }
        _ => false,
    }
}

/// Whether nothing more can be done on a connection after this.
fn ends_the_connection(error: &Error) -> bool {
    !matches!(
        error,
        Error::PublishRefused { .. } | Error::SubscribeRefused(_) | Error::TimedOut(_)
    )
}
