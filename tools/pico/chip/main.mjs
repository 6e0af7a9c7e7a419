// The emulator as a process: one JSON object per line in, one per line out.
//
//   node main.mjs RP2040JS_FOLDER
//
// Requests ("do"); times are nanoseconds of emulated time since the first start:
//   start    rom, flash: paths; uart: its number; flow: the other side heeds RTS; watch: GPIOs
//   run      until; feed: [[begin, each, hex], ...] bytes for the board's UART; stopSend,
//            stopOutput: end early when that happens; realMs: end after that many real ms
//   type     hex: input for the console
//   pin      gpio, high: drive an input of the board
//   cts      high: drive the board's CTS
//   stats    counters;  flash: at, size -> base64
//   reset    start again, with the flash as it is
// The answer of `run`: now, events [[time, "send", hex] | [time, "output", hex] |
// [time, "pin", gpio, level]], halted (text or
// null), wantsReset: the board did so, `reset` is due. A wrong request is answered {error}.

import fs from "fs";
import path from "path";
import { pathToFileURL } from "url";
import { complain } from "./bootrom.mjs";
import { Machine } from "./machine.mjs";

const SLICE_NANOS = 250e6; // between two looks at the real clock
const ROM_BYTES = 16384;

const library = path.resolve(process.argv[2], "dist/esm/index.js");
const { RP2040 } = await import(pathToFileURL(library));

class Session {
    constructor() {
        this.machine = null;
        this.epoch = 0; // emulated time at which the present machine was started
        this.options = null;
        this.rom = null;
        this.events = [];
        this.stopSend = this.stopOutput = false;
        this.levels = {}; // of the watched GPIOs, as told
        this.past = {}; // counters of machines before a reset
    }

    get now() {
        return this.epoch + this.machine.clock.nanos;
    }

    get uart() {
        return this.machine.uarts[this.options.uart];
    }

    start(options) {
        const rom = fs.readFileSync(options.rom);
        this.rom = new Uint32Array(rom.buffer.slice(rom.byteOffset, rom.byteOffset + ROM_BYTES));
        const complaint = complain(this.rom);
        if (complaint) return { error: complaint };
        this.options = options;
        this.build(fs.readFileSync(options.flash));
        return {};
    }

    build(flash) {
        const machine = new Machine(RP2040, this.rom, flash);
        this.machine = machine;
        for (const gpio of this.options.watch) {
            // What the board held low or high it lets go of.
            if (this.levels[gpio] != null) this.events.push([this.epoch, "pin", gpio, null]);
            this.levels[gpio] = null;
        }
        this.uart.wiredFlow = this.options.flow;
        machine.onOutput = (bytes) => {
            this.events.push([this.now, "output", Buffer.from(bytes).toString("hex")]);
            if (this.stopOutput) machine.stop();
        };
        machine.onSend = (uart, byte) => {
            if (uart !== this.options.uart) return;
            this.events.push([this.now, "send", Buffer.of(byte).toString("hex")]);
            if (this.stopSend) machine.stop();
        };
        machine.onPin = (gpio, level) => {
            if (!this.options.watch.includes(gpio) || this.levels[gpio] === level) return;
            this.levels[gpio] = level;
            this.events.push([this.now, "pin", gpio, level]);
            machine.stop();
        };
    }

    reset() {
        this.past = this.counters();
        this.epoch = this.now;
        const old = this.machine;
        this.build(old.chip.flash.slice());
        if (old.wantsReset) this.machine.rememberWatchdog(old);
        return {};
    }

    run({ until, feed = [], stopSend = false, stopOutput = false, realMs = 1000 }) {
        const { machine, uart } = this;
        this.stopSend = stopSend;
        this.stopOutput = stopOutput;
        for (const [begin, each, hex] of feed) {
            uart.feedAll(begin - this.epoch, Buffer.from(hex, "hex"), each || uart.byteNanos);
        }
        const end = performance.now() + realMs;
        do {
            machine.run(Math.min(until - this.epoch, machine.clock.nanos + SLICE_NANOS));
        } while (
            this.now < until &&
            !machine.stopping &&
            performance.now() < end
        );
        const { events } = this;
        this.events = [];
        return { now: this.now, events, halted: machine.halted, wantsReset: machine.wantsReset };
    }

    counters() {
        const { machine, uart } = this;
        const now = {
            received: uart.received,
            sent: uart.sent,
            overruns: uart.overruns,
            ignored: uart.ignored,
            heldNanos: uart.heldNanos,
            cycles: machine.cycles,
            erasedSectors: machine.rom.erasedSectors,
            programmedPages: machine.rom.programmedPages,
            flashNanos: machine.rom.busyNanos,
        };
        for (const name in now) now[name] += this.past[name] ?? 0;
        return now;
    }

    stats() {
        return {
            ...this.counters(),
            baud: this.uart.baud,
            byteNanos: this.uart.byteNanos,
            waiting: this.uart.line.length - this.uart.lineAt,
            hertz: this.machine.chip.clkSys,
            typing: this.machine.console.pending,
            connected: this.machine.console.connected,
        };
    }

    handle(request) {
        switch (request.do) {
            case "start":
                return this.start(request);
            case "run":
                return this.run(request);
            case "reset":
                return this.reset();
            case "type":
                this.machine.console.type(Buffer.from(request.hex, "hex"));
                return {};
            case "pin":
                this.machine.setPin(request.gpio, request.high);
                return {};
            case "cts":
                this.uart.setCts(request.high);
                return {};
            case "stats":
                return this.stats();
            case "flash": {
                const { at, size } = request;
                const part = this.machine.chip.flash.subarray(at, at + size);
                return { base64: Buffer.from(part).toString("base64") };
            }
        }
        return { error: `unknown request ${request.do}` };
    }
}

// Requests are read without an event loop: there is nothing else to do.
function* lines() {
    const chunk = Buffer.alloc(1 << 16);
    let text = "";
    for (;;) {
        const size = fs.readSync(0, chunk, 0, chunk.length, null);
        if (size === 0) return;
        text += chunk.toString("latin1", 0, size);
        for (let end; (end = text.indexOf("\n")) >= 0; text = text.slice(end + 1)) {
            yield text.slice(0, end);
        }
    }
}

const session = new Session();
for (const line of lines()) {
    let answer;
    try {
        answer = session.handle(JSON.parse(line));
    } catch (error) {
        answer = { error: error.stack };
    }
    fs.writeSync(1, JSON.stringify(answer) + "\n");
}
