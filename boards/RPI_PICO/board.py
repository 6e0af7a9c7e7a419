# Raspberry Pi Pico (RP2040), module on UART0 behind a 1.8 V level translator.
# On three wires RTS and DTR of the module are held low (README, wiring). With CTS and RTS wired too
# the module waits while this side does not read, and nothing is lost when flash is written.

from machine import ADC, UART, Pin

from lexi.power import Power, open_drain, sense

UART_ID = 0
TX_PIN = 0  # GP0, to TXD of the module (its input)
RX_PIN = 1  # GP1, to RXD of the module (its output)
CTS_PIN = None  # GP2, from CTS of the module (its output); None: three wires
RTS_PIN = None  # GP3, to RTS of the module (its input)
BAUD = 115200
RXBUF_BYTES = 1024  # holds 88 ms of input while the application is busy

PWR_ON_PIN = None  # GPIO on PWR_ON, open drain; None: not wired
PWR_ON_INVERTED = False  # a transistor sits between
RESET_N_PIN = None  # GPIO on RESET_N, open drain; None: not wired
RESET_N_INVERTED = False
V_INT_PIN = None  # GPIO from V_INT, which is 1.8 V; None: not wired
V_INT_INVERTED = False

FLOW = CTS_PIN is not None and RTS_PIN is not None
OPTIONS = {"rxbuf": RXBUF_BYTES, "flow": FLOW, "max_servers": 4}


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
    """The temperature of the chip, in degrees Celsius (RP2040 data sheet 4.9.5); put yours here."""
    volts = ADC(4).read_u16() * 3.3 / 65535
    return round(27 - (volts - 0.706) / 0.001721, 1)


POWER = open_power()
SUPERVISOR = POWER.options()
