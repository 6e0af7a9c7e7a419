"""How the module is wired to the virtual Pico: `NAME_PIN = 5` in board.py."""

import re

import boardfiles

_PINS = {"RESET_N_PIN": "reset_n", "PWR_ON_PIN": "pwr_on", "V_INT_PIN": "v_int"}
_ASSIGNMENT = re.compile(r"^([A-Z_]+)\s*=\s*([0-9]+)\b", re.MULTILINE)


def wiring(board=boardfiles.BOARDS / "RPI_PICO"):
    """Return {"reset_n": gpio, ...} of the module's pins that board.py names, and "uart"."""
    text = (board / "board.py").read_text()
    numbers = dict(_ASSIGNMENT.findall(text))
    pins = {pin: int(numbers[name]) for name, pin in _PINS.items() if name in numbers}
    return pins, int(numbers.get("UART_ID", 0))
