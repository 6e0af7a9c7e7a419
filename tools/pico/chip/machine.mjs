// The board: rp2040js's chip with our core, clock, UARTs, boot ROM and console, and the loop.
//
// run() lets emulated time pass up to a given time, as fast as it can: instructions in batches up
// to the next alarm, and straight to it while the core sleeps. What happens meanwhile is told by
// callbacks. Must not know of files, pipes or the simulated module.

import { CYCLES, Clock, LIMIT } from "./clock.mjs";
import { BootRom } from "./bootrom.mjs";
import { Console } from "./usb.mjs";
import { Core, FAULT, RARE } from "./core.mjs";
import { Uart } from "./uart.mjs";

const UART_IRQS = [20, 21];
const UART_ADDRESSES = [0x40034, 0x40038]; // without the last three digits
const WATCHDOG = 0x40058;
const FLASH = 0x10000000;
const HARD_FAULT = 3;
const BREAK_BYTES = 2;
const QUIET = { debug() {}, info() {}, warn() {}, error() {} };

export class Machine {
    // RP2040: the class of rp2040js. rom: Uint32Array. flash: Uint8Array from its start.
    constructor(RP2040, rom, flash) {
        this.clock = new Clock();
        const chip = new RP2040(this.clock);
        this.chip = chip;
        chip.logger = QUIET;
        chip.loadBootrom(rom);
        chip.flash.set(flash);
        this.core = new Core(chip, this.clock.control);
        this.onOutput = () => {}; // (bytes): the board has printed
        this.onSend = () => {}; // (uart, byte): the board has begun to send a byte
        this.onPin = () => {}; // (gpio, level): level is 0, 1, or null for not driven
        this.halted = null; // why nothing runs any more, for people
        this.wantsReset = false; // its watchdog has bitten, or machine.reset() was called
        this.stopping = false;
        this.cycles = 0; // spent by instructions since the start
        this.uarts = UART_IRQS.map((irq, number) => {
            const uart = new Uart(chip, this.clock, irq);
            uart.onSend = (byte) => this.onSend(number, byte);
            chip.uart[number] = uart;
            chip.peripherals[UART_ADDRESSES[number]] = uart;
            return uart;
        });
        this.rom = new BootRom(chip, this.clock);
        this.rom.patch();
        this.console = new Console(chip.usbCtrl);
        this.console.onOutput = (bytes) => this.onOutput(bytes);
        chip.gpio.forEach((pin, gpio) => pin.addListener(() => this.onPin(gpio, this.level(gpio))));
        chip.addClockListener((hertz) => this.clock.setFrequency(hertz));
        chip.onBreak = (code) => this.atBreak(code);
        const watchdog = chip.peripherals[WATCHDOG];
        watchdog.onWatchdogTrigger = () => {
            watchdog.alarm.enable = false; // or it triggers without end
            this.wantsReset = true;
            this.stop();
        };
        chip.core.setInterrupt = (irq, value) => this.setInterrupt(irq, value);
        this.start();
    }

    // As the boot ROM leaves it: at the second stage of the firmware, which starts the rest.
    start() {
        const { core } = this.chip;
        core.PC = FLASH;
        core.VTOR = 0;
        core.SP = 0x20042000;
        core.LR = 0; // the second stage then goes on with the vector table behind it
        core.waiting = false;
    }

    // What outlives a reset by the watchdog: why it came, and the scratch registers.
    rememberWatchdog(old) {
        const [now, before] = [this, old].map((machine) => machine.chip.peripherals[WATCHDOG]);
        now.reason = before.reason;
        now.scratchData.set(before.scratchData);
    }

    // What the board does to a pin.
    level(gpio) {
        const pin = this.chip.gpio[gpio];
        return pin.outputEnable ? Number(pin.outputValue) : null;
    }

    setPin(gpio, high) {
        this.chip.gpio[gpio].setInputValue(high);
    }

    halt(why) {
        this.halted = why;
        this.stop();
    }

    // End the present run() soon.
    stop() {
        this.stopping = true;
        this.clock.control[LIMIT] = 0;
    }

    // An interrupt line goes up or down. An interrupt that becomes pending ends a sleep, also when
    // it is masked (SEVONPEND, which MicroPython sets).
    setInterrupt(irq, value) {
        const { core } = this.chip;
        const bit = 1 << irq;
        if (!value) {
            core.pendingInterrupts &= ~bit;
        } else if (!(core.pendingInterrupts & bit)) {
            core.pendingInterrupts |= bit;
            core.interruptsUpdated = true;
            core.eventRegistered = true;
            core.waiting = false;
            this.clock.control[LIMIT] = 0;
        }
    }

    atBreak(code) {
        const { core } = this.chip;
        const at = core.PC - BREAK_BYTES;
        if (this.rom.handle(code, at)) return;
        const where = `0x${(at >>> 0).toString(16).padStart(8, "0")}`;
        if (core.IPSR === HARD_FAULT) this.halt(`HardFault: ${this.core.fault ?? "unknown"}`);
        else this.halt(`breakpoint ${code} at ${where}`);
    }

    // Let time pass until `nanos`, or until stop() is called from a callback.
    run(nanos) {
        const { clock, core, chip } = this;
        const { control } = clock;
        const m0 = chip.core;
        clock.untilNanos = nanos;
        this.stopping = this.halted !== null || this.wantsReset;
        while (!this.stopping && clock.nanos < nanos) {
            if (m0.waiting) {
                clock.skipTo(Math.min(clock.nextNanos, nanos));
                continue;
            }
            if (m0.interruptsUpdated) m0.checkForInterrupts();
            control[LIMIT] = clock.cyclesLeft();
            const why = core.batch();
            if (why === RARE) {
                const before = m0.PC;
                control[CYCLES] += m0.executeInstruction();
                if (m0.PC === before && !m0.waiting) this.halt(`it hangs at 0x${before.toString(16)}`);
            } else if (why === FAULT) {
                this.faulted();
            }
            this.cycles += control[CYCLES];
            clock.endBatch();
        }
        return clock.nanos;
    }

    faulted() {
        const { core } = this;
        core.bad = false;
        const at = this.chip.core.PC;
        core.fault = `${core.fault}, code at 0x${at.toString(16).padStart(8, "0")}`;
        if (!core.enterFault()) this.halt(`HardFault in the HardFault handler: ${core.fault}`);
    }
}
