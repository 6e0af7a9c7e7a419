# ESP32, module on UART2 behind a 1.8 V level translator.
# Three wires: RTS and DTR of the module are held low (README, wiring).

import pins
from machine import UART, Pin

UART_ID = 2
TX_PIN = 17  # to TXD of the module (its input)
RX_PIN = 16  # to RXD of the module (its output)
BAUD = 115200
RXBUF_BYTES = 2048  # holds 177 ms of input while the application is busy

RESET_N_PIN = None  # GPIO on RESET_N, open drain; None: not wired
PWR_ON_PIN = None  # GPIO on PWR_ON, open drain; None: not wired

OPTIONS = {"rxbuf": RXBUF_BYTES, "max_servers": 8}
SUPERVISOR = pins.options(pins.open_drain(RESET_N_PIN), pins.open_drain(PWR_ON_PIN))


def open_uart():
    return UART(
        UART_ID, baudrate=BAUD, tx=Pin(TX_PIN), rx=Pin(RX_PIN), rxbuf=RXBUF_BYTES, timeout=0
    )
