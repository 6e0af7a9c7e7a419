// Checks the emulator's UART by its registers, without a chip: node uart_check.mjs
//
// Prints one line per check, "ok NAME" or "FAILED NAME: ...". The clock is moved by hand.

import assert from "node:assert/strict";
import { Clock } from "../../../tools/pico/chip/clock.mjs";
import { Uart } from "../../../tools/pico/chip/uart.mjs";

const DR = 0x00, FR = 0x18, IBRD = 0x24, FBRD = 0x28, LCR_H = 0x2c, CR = 0x30, IFLS = 0x34;
const IMSC = 0x38, RIS = 0x3c, MIS = 0x40, ICR = 0x44;
const RX = 1 << 4, TX = 1 << 5, RT = 1 << 6, OE = 1 << 10;
const CTS = 1 << 0, BUSY = 1 << 3, RXFE = 1 << 4, RXFF = 1 << 6, TXFE = 1 << 7;
const RTSEN = 1 << 14, CTSEN = 1 << 15;
const HERTZ = 48e6;
const BIT = 1e9 / (HERTZ / 16 / (26 + 3 / 64));
const BYTE = 10 * BIT;

// As MicroPython sets it up: 115200 8N1, both FIFOs, interrupts at a level of 4.
function make(control = 0, wiredFlow = false) {
    const clock = new Clock();
    const chip = { clkPeri: HERTZ, irq: false, setInterrupt: (_, value) => (chip.irq = value) };
    const uart = new Uart(chip, clock, 20);
    const sent = [];
    uart.onSend = (byte, nanos) => sent.push([byte, nanos]);
    uart.wiredFlow = wiredFlow;
    uart.writeUint32(IBRD, 26);
    uart.writeUint32(FBRD, 3);
    uart.writeUint32(LCR_H, 0x70);
    uart.writeUint32(CR, 0x301 | control);
    uart.writeUint32(IFLS, 0);
    uart.writeUint32(IMSC, RX | RT | TX);
    return { clock, chip, uart, sent };
}
const bytes = (count, first = 0) => Array.from({ length: count }, (_, i) => (first + i) & 0xff);
const near = (value, wanted, tolerance = 1) =>
    assert.ok(Math.abs(value - wanted) <= tolerance, `${value}, expected ${wanted}`);
const read = (uart, count) => Array.from({ length: count }, () => uart.readUint32(DR) & 0xff);

const CHECKS = {
    "baud rate of the registers"() {
        const { uart } = make();
        near(uart.baud, 115177, 1);
        near(uart.byteNanos, BYTE);
    },
    "parity and stop bits take time"() {
        const { uart } = make();
        uart.writeUint32(LCR_H, 0x70 | 2 | 8);
        near(uart.byteNanos, 12 * BIT);
    },
    "a byte takes ten bit times"() {
        const { clock, uart } = make();
        uart.feedAll(0, bytes(2), uart.byteNanos);
        clock.skipTo(BYTE - 2);
        assert.ok(uart.readUint32(FR) & RXFE);
        clock.skipTo(BYTE + 2);
        assert.equal(uart.rx.length, 1);
        clock.skipTo(2 * BYTE + 2);
        assert.deepEqual(read(uart, 2), [0, 1]);
    },
    "interrupt at the programmed level"() {
        const { clock, chip, uart } = make();
        uart.feedAll(0, bytes(8), uart.byteNanos);
        clock.skipTo(3 * BYTE + 2);
        assert.equal(chip.irq, false);
        clock.skipTo(4 * BYTE + 2);
        assert.equal(chip.irq, true);
        assert.equal(uart.readUint32(MIS), RX);
        uart.writeUint32(IFLS, 1 << 3); // 8
        read(uart, 4);
        assert.equal(chip.irq, false);
        clock.skipTo(8 * BYTE + 2);
        assert.equal(chip.irq, false, "4 more are below 8");
    },
    "reading below the level ends the interrupt, and so does ICR"() {
        const { clock, chip, uart } = make();
        uart.feedAll(0, bytes(6), uart.byteNanos);
        clock.skipTo(6 * BYTE + 2);
        read(uart, 2);
        assert.equal(chip.irq, true);
        read(uart, 1);
        assert.equal(chip.irq, false);
        uart.feedAll(clock.nanos, bytes(1), uart.byteNanos);
        clock.skipTo(7 * BYTE + 4);
        assert.equal(chip.irq, true);
        uart.writeUint32(ICR, RX);
        assert.equal(chip.irq, false);
    },
    "time-out after 32 bits"() {
        const { clock, chip, uart } = make();
        uart.feedAll(0, bytes(1), uart.byteNanos);
        clock.skipTo(BYTE + 32 * BIT - 2);
        assert.equal(chip.irq, false);
        clock.skipTo(BYTE + 32 * BIT + 2);
        assert.equal(uart.readUint32(MIS), RT);
        read(uart, 1);
        assert.equal(chip.irq, false);
    },
    "the time-out begins anew with every byte, and not for an empty FIFO"() {
        const { clock, uart } = make();
        uart.feedAll(0, bytes(3), 20 * BIT);
        clock.skipTo(60 * BIT + 31 * BIT);
        assert.equal(uart.readUint32(RIS) & RT, 0);
        read(uart, 3);
        clock.skipTo(1e9);
        assert.equal(uart.readUint32(RIS) & RT, 0);
    },
    "the FIFO holds 32; what comes then is lost, counted and flagged"() {
        const { clock, uart } = make();
        uart.feedAll(0, bytes(40), uart.byteNanos);
        clock.skipTo(40 * BYTE + 2);
        assert.equal(uart.overruns, 8);
        assert.equal(uart.received, 32);
        assert.ok(uart.readUint32(FR) & RXFF);
        assert.ok(uart.readUint32(RIS) & OE);
        assert.deepEqual(read(uart, 32), bytes(32));
        uart.feedAll(clock.nanos, [0x55, 0x56], uart.byteNanos);
        clock.skipTo(43 * BYTE);
        assert.equal(uart.readUint32(DR), 0x55 | (1 << 11), "the next byte tells of it");
        assert.equal(uart.readUint32(DR), 0x56);
    },
    "bytes arrive while the CPU is held"() {
        const { clock, uart } = make();
        uart.feedAll(0, bytes(100), uart.byteNanos);
        clock.skipTo(45e6); // a sector of flash
        assert.equal(uart.received + uart.overruns, 100);
        assert.equal(uart.overruns, 68);
    },
    "a receiver that is off ignores what comes"() {
        const { clock, uart } = make();
        uart.writeUint32(CR, 0);
        uart.feedAll(0, bytes(3), BYTE);
        clock.skipTo(4 * BYTE);
        assert.equal(uart.ignored, 3);
        assert.equal(uart.rx.length, 0);
    },
    "bytes leave at the baud rate"() {
        const { clock, uart, sent } = make();
        for (const byte of bytes(4, 65)) uart.writeUint32(DR, byte);
        assert.ok(uart.readUint32(FR) & BUSY);
        clock.skipTo(10 * BYTE);
        assert.deepEqual(sent.map(([byte]) => byte), [65, 66, 67, 68]);
        sent.forEach(([, nanos], i) => near(nanos, i * BYTE));
        assert.ok(uart.readUint32(FR) & TXFE);
        assert.ok(!(uart.readUint32(FR) & BUSY));
    },
    "the transmit FIFO holds 32 besides the byte on the wire"() {
        const { clock, uart, sent } = make();
        for (const byte of bytes(40)) uart.writeUint32(DR, byte);
        clock.skipTo(100 * BYTE);
        assert.equal(sent.length, 33);
    },
    "transmit interrupt when the FIFO falls to its level"() {
        const { clock, chip, uart } = make();
        for (const byte of bytes(10)) uart.writeUint32(DR, byte);
        assert.equal(chip.irq, false);
        clock.skipTo(5 * BYTE - 2);
        assert.equal(chip.irq, false, "5 are left");
        clock.skipTo(5 * BYTE + 2);
        assert.equal(uart.readUint32(MIS), TX);
        uart.writeUint32(ICR, TX);
        assert.equal(chip.irq, false);
    },
    "CTS holds the transmitter"() {
        const { clock, uart, sent } = make(CTSEN);
        uart.setCts(true);
        assert.equal(uart.readUint32(FR) & CTS, 0);
        uart.writeUint32(DR, 1);
        clock.skipTo(10 * BYTE);
        assert.equal(sent.length, 0);
        uart.setCts(false);
        assert.equal(sent.length, 1);
    },
    "CTS means nothing unless it is enabled"() {
        const { uart, sent } = make();
        uart.setCts(true);
        uart.writeUint32(DR, 1);
        assert.equal(sent.length, 1);
    },
    "RTS holds the other side, and nothing is lost"() {
        const { clock, uart } = make(RTSEN, true);
        uart.writeUint32(IFLS, 2 << 3); // 16
        uart.feedAll(0, bytes(200), uart.byteNanos);
        clock.skipTo(1e9);
        assert.equal(uart.overruns, 0);
        assert.ok(uart.rx.length >= 16 && uart.rx.length <= 17, `${uart.rx.length}`);
        const got = [];
        for (let ms = 1001; got.length < 200 && ms < 2000; ms++) {
            got.push(...read(uart, uart.rx.length));
            clock.skipTo(ms * 1e6);
        }
        assert.deepEqual(got, bytes(200));
        assert.ok(uart.heldNanos > 0.9e9);
    },
    "after RTS the pace is still the baud rate"() {
        const { clock, uart } = make(RTSEN, true);
        uart.feedAll(0, bytes(100), uart.byteNanos);
        clock.skipTo(1e9);
        const before = uart.received;
        read(uart, uart.rx.length);
        clock.skipTo(1e9 + 3 * BYTE + 2);
        assert.equal(uart.received - before, 3);
    },
    "RTS means nothing when it is not wired"() {
        const { clock, uart } = make(RTSEN, false);
        uart.feedAll(0, bytes(50), uart.byteNanos);
        clock.skipTo(1e9);
        assert.equal(uart.overruns, 18);
    },
    "aliases set and clear bits"() {
        const { uart } = make();
        uart.writeUint32(CR, 0x301);
        uart.writeUint32Atomic(CR, RTSEN, 2);
        assert.equal(uart.readUint32(CR), 0x301 | RTSEN);
        uart.writeUint32Atomic(CR, 0x001, 3);
        assert.equal(uart.readUint32(CR), 0x300 | RTSEN);
        uart.writeUint32Atomic(CR, 0x001, 1);
        assert.equal(uart.readUint32(CR), 0x301 | RTSEN);
    },
};

for (const [name, check] of Object.entries(CHECKS)) {
    try {
        check();
        console.log(`ok ${name}`);
    } catch (error) {
        console.log(`FAILED ${name}: ${error.message.split("\n").join(" ")}`);
    }
}
