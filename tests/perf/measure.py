"""What tests/perf/run and tests/perf/bench measure with."""

import json
import os
import select
import statistics
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CORES = sorted(os.sched_getaffinity(0))
# mosquitto_pub -l stops early once its packet identifiers wrap: it takes the acknowledgement of the
# identifier that its last line will have for the end.
LINES = 65_000
# Seconds after which a command counts as stuck: it waits for messages that were lost.
PATIENCE = 120
# What bench ends with when it was late itself, as it is on a busy machine: its CPU time is what counts here.
INVALID = 9
# For how long a virtual machine's idle core looks for work before it is given back to the host.
HALT_POLL = "/sys/module/haltpoll/parameters/guest_halt_poll_ns"


def halts_at_once():
    try:
        with open(HALT_POLL) as nanoseconds:
            return int(nanoseconds.read()) == 0
    except OSError:
        return False


def build():
    """Builds what is measured, as it is released, and the peers; returns both paths."""
    # One command, for a build of the one builds the other too.
    command = ["cargo", "build", "--release", "--locked", "--bin", "mozzie", "--bench", "peers"]
    output = subprocess.run(
        command + ["--message-format=json"], cwd=ROOT, stdout=subprocess.PIPE, check=True
    )
    built = {}
    for line in output.stdout.decode().splitlines():
        message = json.loads(line)
        if message.get("executable"):
            built[message["target"]["name"]] = message["executable"]
    return built["mozzie"], built["peers"]


def pin(core):
    return lambda: os.sched_setaffinity(0, {core})


class Sink:
    """A draining peer in a process of its own, on another core than the client where there are two."""

    def __init__(self, peers, *options, core=CORES[0]):
        self.process = subprocess.Popen(
            [peers, "sink", *options], stdout=subprocess.PIPE, preexec_fn=pin(core)
        )
        self.port = self.process.stdout.readline().decode().strip()

    def __enter__(self):
        return self.port

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def resources_at_end(process):
    """What a process has used, when it has ended."""
    ended = os.pidfd_open(process.pid)
    is_stuck = not select.select([ended], [], [], PATIENCE)[0]
    os.close(ended)
    if is_stuck:
        process.kill()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if is_stuck:
        sys.exit(f"{process.args} has not ended within {PATIENCE} s")
    if process.returncode not in (0, INVALID):
        sys.exit(f"{process.args} ended with {process.returncode}")
    return usage


def usage(command, stdin=None, stdout=subprocess.DEVNULL):
    """What a command has used, alone on the client's core."""
    return resources_at_end(
        subprocess.Popen(
            command,
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.DEVNULL,
            preexec_fn=pin(CORES[-1]),
        )
    )


def seconds(usage):
    return usage.ru_utime + usage.ru_stime


def cpu(command, stdin=None):
    """CPU seconds, user's and system's, of a command."""
    return seconds(usage(command, stdin))


def head():
    if halts_at_once():
        print(
            "This virtual machine halts a core as soon as it has nothing to do (guest_halt_poll_ns is 0): to wake one "
            "costs more\nthan a window of 20 messages, and so do rows with the sink on another core. Linux's default is to "
            f"look out first:\n    echo 200000 > {HALT_POLL}\n",
        )
    print(f"{'CPU per message':<49}{'ours':>11}{'theirs':>12}{'ratio':>8}{'best':>8}", flush=True)


def show(name, ours, theirs, goal=None):
    """The ratio of the medians, and that of the best rounds: on a busy machine these are less disturbed."""
    mine, other = statistics.median(ours), statistics.median(theirs)
    best = min(ours) / min(theirs)
    asked = f"   (goal {goal})" if goal else ""
    print(
        f"{name:<49}{mine * 1e6:>8.3f} us{other * 1e6:>9.3f} us{mine / other:>8.2f}{best:>8.2f}{asked}",
        flush=True,
    )
