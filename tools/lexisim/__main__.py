"""Command line of the simulated module. See `python -m lexisim --help`."""

import argparse
import sys

from . import accounts
from .config import Config
from .control import QUERIES, VERBS
from .history import KINDS, History
from .log import Log
from .module import Module
from .nvm import Nvm, NvmError
from .options import convert, describe_options
from .scenario import ScenarioError, parse_scenario
from .server import Simulator
from .udp import Loopback

_USAGE_ERROR = 2
_OPTIONS = (("--set name=value", Config), ("--server ID:name=value", accounts.ServerSpec))

_EPILOG = """\
On start one line per port is printed (pty PATH, tcp HOST:PORT, control HOST:PORT), then: ready
The speed-up divides all times of the module, its network, its servers and the scenario, and
the widths of PWR_ON and RESET_N; baud rate and the 20 ms a host must wait stay real.

--server coap://HOST:PORT registers with a real LwM2M server, without DTLS; its times follow the
speed-up (a request is given up after 62-93 module seconds), its answers are not simulated.

scenario file: one step per line, # begins a comment
  <time_s> <verb> [arguments]     seconds of module time after the start
  +<time_s> <verb> [arguments]    after the step above

verbs, in a scenario and on the control port (which answers "ok" or "error: why"):
"""
_EPILOG_QUERIES = "\n\non the control port only:\n"
_EPILOG_HISTORY = '\n\nhistory (--history, "history"): arrays [module_s, kind, ...]; the kinds:\n'


def _checked(convert):
    """Make argparse show the text of a ValueError."""

    def check(text):
        try:
            return convert(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return check


def _of_config(name):
    return _checked(lambda text: convert(Config, name, text))


def _setting(text):
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"expected name=value, got {text!r}")
    return name, convert(Config, name, value)


def _tuning_name(text):
    accounts.tuning(text)
    return text


def _port_number(text):
    if not text.isdigit() or int(text) > 65535:
        raise ValueError(f"expected a port number 0-65535, got {text!r}")
    return int(text)


def _positive_s(text):
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise ValueError(f"expected a number of seconds above 0, got {text!r}")
    return value


def _table(verbs):
    return "\n".join(f"  {verb.usage}\n      {verb.text}" for verb in verbs.values())


def build_parser():
    """Return the argument parser."""
    epilog = _EPILOG + _table(VERBS) + _EPILOG_QUERIES + _table(QUERIES)
    epilog += _EPILOG_HISTORY + "\n".join(f"  {kind} {text}" for kind, text in KINDS.items())
    parser = argparse.ArgumentParser(
        prog="python -m lexisim",
        description="A simulated LEXI-R10 cellular module on a pty and on TCP.",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--pty", action="store_true", help="UART on a pty (the default without --tcp)")
    add("--link", metavar="PATH", help="symbolic link to the pty")
    add("--tcp", metavar="PORT", type=_checked(_port_number), help="UART on TCP; 0: any port")
    add("--control", metavar="PORT", type=_checked(_port_number), help="control port; 0: any")
    add("--scenario", metavar="FILE", help="play this scenario")
    add("--nvm", metavar="FILE", help="keep the NVM in this file (default: in memory)")
    add("--log", metavar="FILE", help="log every byte; - is standard error")
    add("--history", metavar="FILE", help="append what happens, a JSON array per line")
    add("--speed", metavar="X", type=_of_config("speed"), help="module seconds per real second")
    add("--baud", metavar="N", type=_of_config("baud"), help="bits per second; 0: unpaced")
    add("--mno", metavar="N", type=_of_config("mno"), help="MNO profile (3: Verizon)")
    add("--mode", metavar="0|1", type=int, choices=(0, 1), help="factory activation mode")
    add("--seed", metavar="N", type=_of_config("seed"), help="seed of noise and jitter")
    add(
        "--wide",
        action="store_true",
        default=None,
        help="also emit codes that the manual lists but does not allow",
    )
    add("--endpoint", metavar="NAME", help="LwM2M name at real servers (default: urn:imei:IMEI)")
    add("--powered-off", action="store_true", default=None, help="start switched off")
    add(
        "--server",
        metavar="ID[:option=value...]|[ID=]coap://HOST:PORT[:option=value...]",
        action="append",
        type=_checked(accounts.parse_server),
        help="an LwM2M server, simulated or real; repeatable (default: 721, simulated)",
    )
    add(
        "--profile",
        metavar="MNO=SERVER",
        action="append",
        default=[],
        type=_checked(accounts.parse_profile),
        help="a server, as in --server, under another MNO profile; repeatable (default: 3=102)",
    )
    add(
        "--tuning",
        metavar="NAME",
        type=_checked(_tuning_name),
        help=f"retries of all servers: {', '.join(accounts.TUNINGS)}; for one: :tuning=NAME",
    )
    add(
        "--notify",
        metavar="[ID:]URI=period_s",
        action="append",
        type=_checked(accounts.parse_notify),
        help="a notification every period_s; repeatable",
    )
    add(
        "--set",
        metavar="name=value",
        action="append",
        default=[],
        type=_checked(_setting),
        help="any other option; see --options",
    )
    add("--options", action="store_true", help="list all options with defaults and sources")
    add("--duration", metavar="S", type=_checked(_positive_s), help="end after S real seconds")
    return parser


def make_config(arguments):
    """Return the Config the arguments ask for. Raises ValueError."""
    config = Config()
    for name, value in arguments.set:
        setattr(config, name, value)
    direct = ("speed", "baud", "mno", "seed", "wide", "endpoint", "powered_off")
    for name in direct:
        value = getattr(arguments, name)
        if value is not None:
            setattr(config, name, value)
    if arguments.mode is not None:
        config.factory_mode = arguments.mode
    if arguments.server:
        config.servers = arguments.server
    if arguments.profile:
        config.profile_servers = {}
        for mno, spec in arguments.profile:
            config.profile_servers.setdefault(mno, []).append(spec)
    if arguments.tuning:
        accounts.apply_tuning(config.all_servers(), arguments.tuning)
    config.notifications = arguments.notify or []
    config.check()
    return config


def _read_scenario(path):
    try:
        with open(path, encoding="utf-8") as file:
            return parse_scenario(file.read(), path)
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(f"scenario {path}: {error}") from None


def _open_log(path):
    if path is None:
        return None
    return sys.stderr if path == "-" else open(path, "w", encoding="ascii", buffering=1)


def _open_history(path):
    return None if path is None else open(path, "a", encoding="ascii", buffering=1)


def _run(arguments):
    config = make_config(arguments)
    steps = _read_scenario(arguments.scenario) if arguments.scenario else []
    nvm = Nvm(arguments.nvm)
    log_file = _open_log(arguments.log)
    log = Log(log_file.write if log_file else None, config.speed)
    history_file = _open_history(arguments.history)
    history = History(config.history_limit, history_file.write if history_file else None)
    module = Module(config, nvm, log, history)
    simulator = Simulator(module)
    real_servers = None
    module.internet.outside = Loopback(simulator, module.internet.arrive)
    try:
        if any(spec.real for spec in config.servers):
            real_servers = _real_servers(module, simulator)
        _announce(simulator, arguments)
        simulator.start(steps)
        print("ready", flush=True)
        simulator.run(arguments.duration)
    finally:
        if real_servers is not None:
            real_servers.close()
        module.internet.outside.close_all()
        simulator.close()
        for file in (log_file, history_file):
            if file not in (None, sys.stderr):
                file.close()


def _real_servers(module, simulator):
    try:
        from .real import RealServers
    except ImportError as error:
        raise ValueError(
            f"real servers need aiocoap, see tools/requirements.txt: {error}"
        ) from None
    return RealServers(module, simulator.call_soon)


def _announce(simulator, arguments):
    """Open the ports and print where they are."""
    if arguments.pty or arguments.link or arguments.tcp is None:
        print(f"pty {simulator.open_pty(arguments.link)}", flush=True)
    if arguments.tcp is not None:
        print(f"tcp 127.0.0.1:{simulator.open_tcp(arguments.tcp)}", flush=True)
    if arguments.control is not None:
        print(f"control 127.0.0.1:{simulator.open_control(arguments.control)}", flush=True)


def main(argv=None):
    """Run the command line; returns the exit status."""
    parser = build_parser()
    arguments = parser.parse_args(argv)
    if arguments.options:
        print("\n".join(describe_options(*_OPTIONS)))
        return 0
    try:
        _run(arguments)
    except (ValueError, OSError, NvmError) as error:
        print(f"{parser.prog}: error: {error}", file=sys.stderr)
        return _USAGE_ERROR
    return 0


if __name__ == "__main__":
    sys.exit(main())
