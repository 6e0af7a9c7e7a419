"""What a host must never do, judged from the lines it sends and the pins it drives.

Recorded as harm whether or not the module could hear it. Sources: the manual (+ULWM2M 1 and 2
stop LwM2M and FOTA, 2 erases the objects and the PSK; +UMNOPROF loses the +ULWM2MCONFIG rows),
the SARA-R5 firmware update note (nothing may disturb an update) and the SARA-R4 manual (the bare
+UFWINSTALL installs).
"""

from . import at
from .at import EXECUTE, SET, CommandError


def _mode(module, text):
    mode = text.partition(",")[0]
    effects = {"1": "switches LwM2M off", "2": "erases the objects and the PSK"}
    return effects.get(mode)


def _profile(module, text):
    return "changes the MNO profile"


def _installation(module, text):
    return "starts a firmware installation"


def _pin_again(module, text):
    return "a PIN again after a wrong one" if module.network.pin_was_wrong else None


# Command: why it is harmful with these parameters, or None.
_NEVER = {
    ("+ULWM2M", SET): _mode,
    ("+UMNOPROF", SET): _profile,
    ("+CPIN", SET): _pin_again,
    ("+UFWINSTALL", EXECUTE): _installation,
}
# Command: the first parameters with which it stops an update; None: all but 1.
_STOPS_FOTA = {
    ("+CFUN", SET): None,
    ("+CGACT", SET): (),
    ("+CGATT", SET): ("0",),
    ("+COPS", SET): ("2",),
    ("+CPWROFF", EXECUTE): ("",),
    ("+ULWM2M", SET): ("1", "2"),
    ("+ULWM2MREG", SET): (),
    ("+UMNOPROF", SET): (),
}
# Commands among these that change nothing with this first parameter.
_HARMLESS = (("+CGACT", "1"), ("+CGATT", "1"), ("+COPS", "3"))


def judge_line(module, body):
    """Record the harm in a command line (the text after `AT`) and let it have its effect."""
    try:
        for command in at.parse_body(body):
            _judge(module, command)
    except CommandError:
        pass  # what the module cannot read does no harm


def _judge(module, command):
    key = command.name, command.form
    line = f"AT{command.name}" + (f"={command.text}" if command.form == SET else "")
    why = _NEVER[key](module, command.text) if key in _NEVER else None
    if why is not None:
        module.harm(f"{line}: {why}")
    first = command.text.partition(",")[0]
    if key in _STOPS_FOTA and module.fota.running and (command.name, first) not in _HARMLESS:
        if why is None and module.fota.noticed:
            module.harm(f"{line}: during a firmware update ({module.fota.stage})")
        stopping = _STOPS_FOTA[key]
        if first in stopping if stopping is not None else command.text != "1":
            module.fota.interrupt()


def judge_press(module, pin, held_s, effective):
    """The same for a press of PWR_ON or RESET_N; `effective`: long enough to do something."""
    if module.fota.running:
        if module.fota.noticed:
            module.harm(f"{pin} low {held_s:.3f} s: during a firmware update")
        if effective:
            module.fota.interrupt()
