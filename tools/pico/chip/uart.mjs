// A PL011 UART as the RP2040 has it, with its line: FIFOs, pace, interrupts, RTS and CTS.
//
// A byte takes as long as the baud rate registers say. Bytes towards the board are given with
// the time at which they are complete; they go on arriving whatever the CPU does. What comes while
// the FIFO is full is lost and counted. No DMA, no errors of parity or framing, no loopback.
// Numbers of sections are those of ARM's PL011 manual (DDI 0183).

const FIFO_BYTES = 32;
const TIMEOUT_BITS = 32; // 2.8.3, UARTRTINTR
const LEVELS = [4, 8, 16, 24, 28]; // 3.3.10, UARTIFLS: 1/8 to 7/8

const DR = 0x00;
const RSR = 0x04;
const FR = 0x18;
const IBRD = 0x24;
const FBRD = 0x28;
const LCR_H = 0x2c;
const CR = 0x30;
const IFLS = 0x34;
const IMSC = 0x38;
const RIS = 0x3c;
const MIS = 0x40;
const ICR = 0x44;
const DMACR = 0x48;
const PERIPH_ID = 0xfe0;
const IDENTIFICATION = [0x11, 0x10, 0x34, 0x00, 0x0d, 0xf0, 0x05, 0xb1];

const FR_CTS = 1 << 0;
const FR_BUSY = 1 << 3;
const FR_RXFE = 1 << 4;
const FR_TXFF = 1 << 5;
const FR_RXFF = 1 << 6;
const FR_TXFE = 1 << 7;

const LCR_PEN = 1 << 1;
const LCR_STP2 = 1 << 3;
const LCR_FEN = 1 << 4;

const CR_UARTEN = 1 << 0;
const CR_TXE = 1 << 8;
const CR_RXE = 1 << 9;
const CR_RTS = 1 << 11;
const CR_RTSEN = 1 << 14;
const CR_CTSEN = 1 << 15;

const INT_RX = 1 << 4;
const INT_TX = 1 << 5;
const INT_RT = 1 << 6;
const INT_OE = 1 << 10;

const DR_OE = 1 << 11;

export class Uart {
    // chip: rp2040js's RP2040, for the interrupt and the peripheral clock.
    // onSend(byte, startNanos): the board has begun to send a byte.
    constructor(chip, clock, irq) {
        this.chip = chip;
        this.clock = clock;
        this.irq = irq;
        this.onSend = () => {};
        this.wiredFlow = false; // the other side heeds our RTS and drives our CTS
        this.ctsHigh = false; // what the other side drives: high means "do not send"
        this.overruns = 0; // bytes that found the FIFO full
        this.ignored = 0; // bytes that came while the receiver was off
        this.received = 0; // bytes that reached the FIFO
        this.sent = 0;
        this.heldNanos = 0; // for how long RTS has held back the other side
        this.rx = []; // the receive FIFO
        this.tx = []; // the transmit FIFO, without the byte in the shift register
        this.lost = false; // the next byte of the FIFO carries the overrun flag
        this.busy = false; // a byte is in the shift register
        this.line = []; // [nanos at which it is complete, byte] of what comes, in order
        this.lineAt = 0; // index of the next one
        this.ready = 0; // when the line has been free since
        this.control = CR_TXE | CR_RXE;
        this.lineControl = 0;
        this.divider = 0; // in 64ths
        this.levels = 0x12;
        this.mask = 0;
        this.raw = 0;
        this.dma = 0;
        this.arrival = clock.createAlarm(() => this.arrive());
        this.timeout = clock.createAlarm(() => this.timedOut());
        this.departure = clock.createAlarm(() => this.departed());
    }

    // Times

    get bitNanos() {
        return (1e9 * 16 * Math.max(this.divider, 64)) / 64 / this.chip.clkPeri;
    }

    get baud() {
        return 1e9 / this.bitNanos;
    }

    get byteNanos() {
        const lcr = this.lineControl;
        const bits = 5 + ((lcr >>> 5) & 3) + (lcr & LCR_PEN ? 1 : 0) + (lcr & LCR_STP2 ? 2 : 1);
        return (1 + bits) * this.bitNanos;
    }

    // The line towards the board

    // Bytes that come, each with the time at which its stop bit ends.
    feed(nanos, byte) {
        this.line.push([nanos, byte]);
        if (this.line.length - this.lineAt === 1) this.next();
    }

    // Bytes that come one after the other, the first begins at `nanos` or when the line is free.
    feedAll(nanos, bytes, each) {
        const last = this.line.length > this.lineAt ? this.line[this.line.length - 1][0] : 0;
        let end = Math.max(nanos, last);
        for (const byte of bytes) {
            end += each;
            this.feed(end, byte);
        }
    }

    next() {
        if (this.lineAt === this.line.length) {
            this.line.length = this.lineAt = 0;
            return;
        }
        if (this.lineAt > 4096) {
            this.line.splice(0, this.lineAt);
            this.lineAt = 0;
        }
        if (this.wiredFlow && this.rtsHigh) return; // raised() goes on
        this.arrival.at(Math.max(this.line[this.lineAt][0], this.ready));
    }

    arrive() {
        const byte = this.line[this.lineAt++][1];
        if (this.wiredFlow) this.ready = this.clock.nanos + this.byteNanos;
        this.push(byte);
        this.next();
    }

    get rtsHigh() {
        if (this.control & CR_RTSEN) return this.rx.length >= LEVELS[(this.levels >>> 3) & 7];
        return !(this.control & CR_RTS);
    }

    // The FIFO has room again: what RTS held back begins to come.
    released() {
        if (!this.wiredFlow || this.arrival.scheduled || this.lineAt === this.line.length) return;
        if (this.rtsHigh) return;
        const due = this.line[this.lineAt][0];
        const start = this.clock.nanos + this.byteNanos;
        if (start > due) {
            this.heldNanos += start - Math.max(due, this.ready);
            this.ready = Math.max(this.ready, start);
        }
        this.next();
    }

    // Receiver

    push(byte) {
        if ((this.control & (CR_UARTEN | CR_RXE)) !== (CR_UARTEN | CR_RXE)) {
            this.ignored++;
            return;
        }
        const depth = this.lineControl & LCR_FEN ? FIFO_BYTES : 1;
        if (this.rx.length >= depth) {
            this.overruns++;
            this.lost = true;
            this.raw |= INT_OE;
        } else {
            this.received++;
            this.rx.push(this.lost ? byte | DR_OE : byte);
            this.lost = false;
            const level = depth === 1 ? 1 : LEVELS[(this.levels >>> 3) & 7];
            if (this.rx.length >= level) this.raw |= INT_RX;
        }
        this.timeout.schedule(TIMEOUT_BITS * this.bitNanos);
        this.update();
    }

    timedOut() {
        if (this.rx.length === 0) return;
        this.raw |= INT_RT;
        this.update();
    }

    pull() {
        const word = this.rx.length ? this.rx.shift() : 0;
        const level = this.lineControl & LCR_FEN ? LEVELS[(this.levels >>> 3) & 7] : 1;
        if (this.rx.length < level) this.raw &= ~INT_RX;
        if (this.rx.length === 0) {
            this.raw &= ~INT_RT;
            this.timeout.cancel();
        }
        this.update();
        this.released();
        return word;
    }

    // Transmitter

    pushTx(byte) {
        if (this.tx.length >= (this.lineControl & LCR_FEN ? FIFO_BYTES : 1)) return;
        this.tx.push(byte);
        this.start();
        if (this.tx.length > this.txLevel) this.raw &= ~INT_TX;
        this.update();
    }

    get txLevel() {
        return this.lineControl & LCR_FEN ? LEVELS[this.levels & 7] : 0;
    }

    start() {
        if (this.busy || this.tx.length === 0) return;
        if ((this.control & (CR_UARTEN | CR_TXE)) !== (CR_UARTEN | CR_TXE)) return;
        if (this.control & CR_CTSEN && this.ctsHigh) return;
        const before = this.tx.length;
        const byte = this.tx.shift();
        if (before > this.txLevel && this.tx.length <= this.txLevel) this.raw |= INT_TX;
        this.busy = true;
        this.sent++;
        this.departure.schedule(this.byteNanos);
        this.onSend(byte, this.clock.nanos);
    }

    departed() {
        this.busy = false;
        if (this.tx.length === 0 && !(this.lineControl & LCR_FEN)) this.raw |= INT_TX;
        this.start();
        this.update();
    }

    // The other side allows us to send, or not.
    setCts(high) {
        this.ctsHigh = high;
        this.start();
        this.update();
    }

    // Registers

    update() {
        this.chip.setInterrupt(this.irq, !!(this.raw & this.mask));
    }

    get flags() {
        const depth = this.lineControl & LCR_FEN ? FIFO_BYTES : 1;
        return (
            (this.ctsHigh ? 0 : FR_CTS) |
            (this.busy || this.tx.length ? FR_BUSY : 0) |
            (this.rx.length === 0 ? FR_RXFE : 0) |
            (this.rx.length >= depth ? FR_RXFF : 0) |
            (this.tx.length === 0 ? FR_TXFE : 0) |
            (this.tx.length >= depth ? FR_TXFF : 0)
        );
    }

    readUint32(offset) {
        switch (offset) {
            case DR:
                return this.pull();
            case RSR:
                return 0;
            case FR:
                return this.flags;
            case IBRD:
                return this.divider >>> 6;
            case FBRD:
                return this.divider & 63;
            case LCR_H:
                return this.lineControl;
            case CR:
                return this.control;
            case IFLS:
                return this.levels;
            case IMSC:
                return this.mask;
            case RIS:
                return this.raw;
            case MIS:
                return this.raw & this.mask;
            case DMACR:
                return this.dma;
        }
        if (offset >= PERIPH_ID && offset < PERIPH_ID + 32) {
            return IDENTIFICATION[(offset - PERIPH_ID) >> 2];
        }
        return 0;
    }

    writeUint32(offset, value) {
        switch (offset) {
            case DR:
                this.pushTx(value & 0xff);
                break;
            case IBRD:
                this.divider = ((value & 0xffff) << 6) | (this.divider & 63);
                break;
            case FBRD:
                this.divider = (this.divider & ~63) | (value & 63);
                break;
            case LCR_H:
                if (!(value & LCR_FEN)) this.rx.length = Math.min(this.rx.length, 1);
                this.lineControl = value & 0xff;
                break;
            case CR:
                this.control = value & 0xffff;
                this.start();
                this.released();
                break;
            case IFLS:
                this.levels = value & 63;
                break;
            case IMSC:
                this.mask = value & 0x7ff;
                this.update();
                break;
            case ICR:
                this.raw &= ~value;
                this.update();
                break;
            case DMACR:
                this.dma = value & 7;
                break;
        }
    }

    // The aliases that flip, set and clear bits. type: 0 write, 1 flip, 2 set, 3 clear.
    writeUint32Atomic(offset, value, type) {
        if (type === 0 || offset === ICR || offset === DR) {
            this.writeUint32(offset, value);
            return;
        }
        const now = this.readUint32(offset);
        this.writeUint32(offset, type === 1 ? now ^ value : type === 2 ? now | value : now & ~value);
    }

    clkPeriChanged() {}
}
