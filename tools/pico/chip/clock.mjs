// Emulated time and alarms: the clock that rp2040js's peripherals and ours share.
//
// Time is in nanoseconds. It moves when the core has run some cycles or when the machine skips a
// sleep; never with real time. While the core runs a batch of instructions, `control` tells it
// when to stop: at the earliest alarm. Must not know what an alarm is for.

export const LIMIT = 0; // cell of `control`: cycles after which the core must stop
export const CYCLES = 1; // cell of `control`: cycles of this batch so far

const BATCH_CYCLES_MAX = 1 << 28; // fits a small integer

class Alarm {
    constructor(clock, callback) {
        this.clock = clock;
        this.callback = callback;
        this.nanos = Infinity;
    }

    get scheduled() {
        return this.nanos !== Infinity;
    }

    schedule(deltaNanos) {
        this.at(this.clock.nanos + deltaNanos);
    }

    at(nanos) {
        if (!this.scheduled) this.clock.alarms.push(this);
        this.nanos = nanos;
        this.clock.alarmsChanged();
    }

    cancel() {
        if (!this.scheduled) return;
        this.nanos = Infinity;
        const { alarms } = this.clock;
        alarms[alarms.indexOf(this)] = alarms[alarms.length - 1];
        alarms.pop();
        this.clock.alarmsChanged();
    }
}

export class Clock {
    constructor() {
        this.control = new Int32Array(2);
        this.alarms = []; // those that are scheduled, in no order
        this.nextNanos = Infinity; // of the earliest alarm
        this.untilNanos = 0; // where the present run ends
        this.batchNanos = 0; // when the present batch began
        this.nanosPerCycle = 8;
    }

    get nanos() {
        return this.batchNanos + this.control[CYCLES] * this.nanosPerCycle;
    }

    get micros() {
        return this.nanos / 1000;
    }

    createAlarm(callback) {
        return new Alarm(this, callback);
    }

    alarmsChanged() {
        let next = Infinity;
        for (const alarm of this.alarms) if (alarm.nanos < next) next = alarm.nanos;
        this.nextNanos = next;
        const limit = this.cyclesLeft();
        if (limit < this.control[LIMIT]) this.control[LIMIT] = limit;
    }

    // How many cycles of this batch it takes to the next alarm or to the end of the run.
    cyclesLeft() {
        const end = this.nextNanos < this.untilNanos ? this.nextNanos : this.untilNanos;
        const cycles = Math.ceil((end - this.batchNanos) / this.nanosPerCycle);
        return Math.max(0, Math.min(cycles, BATCH_CYCLES_MAX));
    }

    // A batch has ended: its cycles become time, and what is due happens.
    endBatch() {
        this.batchNanos = this.nanos;
        this.control[CYCLES] = 0;
        this.fire();
    }

    setFrequency(hertz) {
        const spent = this.control[CYCLES];
        this.batchNanos += spent * this.nanosPerCycle;
        this.nanosPerCycle = 1e9 / hertz;
        // The batch goes on: its first `spent` cycles are accounted for already.
        this.batchNanos -= spent * this.nanosPerCycle;
        this.alarmsChanged();
    }

    // Move on to `nanos` while the core does nothing; alarms on the way happen at their time.
    skipTo(nanos) {
        while (this.nextNanos <= nanos) {
            if (this.nextNanos > this.batchNanos) this.batchNanos = this.nextNanos;
            this.fire();
        }
        if (nanos > this.batchNanos) this.batchNanos = nanos;
    }

    fire() {
        while (this.nextNanos <= this.batchNanos) {
            const next = this.nextNanos;
            const alarm = this.alarms.find((each) => each.nanos === next);
            alarm.cancel();
            alarm.callback();
        }
    }
}
