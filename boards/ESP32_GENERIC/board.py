# ESP32, module on UART2 behind a 1.8 V level translator.
# On three wires RTS and DTR of the module are held low (README, wiring). With CTS and RTS wired too
# the module waits while this side does not read, and nothing is lost when flash is written.

import esp32
from machine import UART, Pin

from lexi.power import Power, open_drain, sense

UART_ID = 2
TX_PIN = 17  # to TXD of the module (its input)
RX_PIN = 16  # to RXD of the module (its output)
CTS_PIN = None  # GPIO from CTS of the module (its output); None: three wires
RTS_PIN = None  # GPIO to RTS of the module (its input)
BAUD = 115200
RXBUF_BYTES = 2048  # holds 177 ms of input while the application is busy

PWR_ON_PIN = None  # GPIO on PWR_ON, open drain; None: not wired
PWR_ON_INVERTED = False  # a transistor sits between
RESET_N_PIN = None  # GPIO on RESET_N, open drain; None: not wired
RESET_N_INVERTED = False
V_INT_PIN = None  # GPIO from V_INT, which is 1.8 V; None: not wired
V_INT_INVERTED = False

FLOW = CTS_PIN is not None and RTS_PIN is not None
OPTIONS = {"rxbuf": RXBUF_BYTES, "flow": FLOW, "max_servers": 8}


def open_uart():
    options = {"tx": Pin(TX_PIN), "rx": Pin(RX_PIN), "rxbuf": RXBUF_BYTES, "timeout": 0}
    if FLOW:
        options["cts"] = Pin(CTS_PIN)
        options["rts"] = Pin(RTS_PIN)
        options["flow"] = UART.CTS | UART.RTS
    return UART(UART_ID, baudrate=BAUD, **options)


def open_power():
    return Power(
        open_drain(PWR_ON_PIN, PWR_ON_INVERTED),
        open_drain(RESET_N_PIN, RESET_N_INVERTED),
        sense(V_INT_PIN, V_INT_INVERTED),
    )


def read_sensor():
    """The temperature of the chip, in degrees Celsius; put yours here."""
    if hasattr(esp32, "mcu_temperature"):  # C3, C6, S2, S3
        return esp32.mcu_temperature()
    return round((esp32.raw_temperature() - 32) / 1.8, 1)


POWER = open_power()
SUPERVISOR = POWER.options()
