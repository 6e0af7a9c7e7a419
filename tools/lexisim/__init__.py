"""A simulated LEXI-R10 cellular module: AT interface, LwM2M client, power and reset pins.

Written from the module's AT manual (chapter "Lightweight M2M") and from published facts about
the module and its siblings; whatever those leave open is an option in `config.py`. It shares no
code with the driver it is used to test, and must never import it.

The core (`Module`) does no input or output and never reads a clock: the caller hands it bytes
and the time. `python -m lexisim` puts it behind a pty, a TCP port and a control port.
"""

from .accounts import TUNINGS, Notify, ServerSpec
from .config import Config
from .control import VerbError, run_verb
from .history import History
from .log import Log
from .module import Module
from .nvm import Nvm, NvmError
from .scenario import ScenarioError, parse_scenario

__all__ = (
    "TUNINGS",
    "Config",
    "History",
    "Log",
    "Module",
    "Notify",
    "Nvm",
    "NvmError",
    "ScenarioError",
    "ServerSpec",
    "VerbError",
    "parse_scenario",
    "run_verb",
)
