// The receive loops as machine code on an emulated RP2040 (rp2040js, a Cortex-M0+ with cycles).
//
//   node rp2040.mjs RP2040JS_FOLDER NATIVE.mpy < cases.json
//
// Loads the functions of _native.py, compiled for armv6m, into the emulated RAM and runs the cases
// of rp2040_cases.py on them. Exits with 1 if anything differs from what the bytecode twin made of
// them. Prints as JSON the cycles and bytes of the first case and the number of cases.
// There is no MicroPython on the emulated chip: its part of a call is done here and not counted.

import fs from "fs";
import path from "path";
import { pathToFileURL } from "url";

const [library, mpyPath] = process.argv.slice(2);
const { RP2040 } = await import(pathToFileURL(path.resolve(library, "dist/esm/index.js")));

const RAM = 0x20000000;
const RUNTIME = 0x20030000; // calls to entry n of MicroPython's function table come here + 4 n
const RETURN = 0x20031000;
const TO_NATIVE = 3; // entries of the table that convert arguments and the result
const FROM_NATIVE = 4;
const CYCLES_MAX = 10000000;

// The machine code of every viper function in a .mpy file, in the order of the source.
function nativeFunctions(mpy) {
    let at = 4;
    const uint = () => {
        let value = 0;
        for (;;) {
            const byte = mpy[at++];
            value = value * 128 + (byte & 127);
            if (byte < 128) return value;
        }
    };
    const names = uint();
    const objects = uint();
    for (let i = 0; i < names; i++) {
        const length = uint();
        if (!(length & 1)) at += (length >> 1) + 1;
    }
    for (let i = 0; i < objects; i++) {
        if (mpy[at++] !== 0) throw new Error("a constant object is not expected here");
    }
    const found = [];
    const rawCode = () => {
        const kind = uint();
        const code = mpy.subarray(at, at + (kind >> 3));
        at += code.length;
        if ((kind & 3) + 2 !== 2) {
            found.push(code);
            if (uint() !== 0) throw new Error("relocations are not expected here");
        }
        if (kind & 4) for (let n = uint(); n > 0; n--) rawCode();
    };
    rawCode();
    return found;
}

const chip = new RP2040();
const core = chip.core;
const registers = core.registers;
let top = RAM + 0x1000;

function place(bytes) {
    const address = (top + 3) & ~3;
    chip.sram.set(bytes, address - RAM);
    top = address + bytes.length;
    return address;
}
const placeWords = (words) => place(new Uint8Array(Uint32Array.from(words).buffer));

const functions = nativeFunctions(fs.readFileSync(mpyPath)).map(place);
const table = placeWords(Array.from({ length: 128 }, (_, n) => RUNTIME + 4 * n + 1));
const context = placeWords([0, 0, 0, placeWords([table])]);
const self = placeWords([0, context, 0, 0]);
const APPEND = 0, ADVANCE = 1, FOLD = 3;

const int = (value) => (value << 1) | 1; // a small int as MicroPython holds it
let cycles = 0;

function call(index, args) {
    const argv = placeWords(args);
    registers[0] = self;
    registers[1] = args.length;
    registers[2] = 0;
    registers[3] = argv;
    registers[13] = RAM + 0x3f000;
    registers[14] = RETURN | 1;
    registers[15] = functions[index];
    const start = core.cycles;
    for (;;) {
        const pc = registers[15];
        if (pc === RETURN) break;
        if (pc >= RUNTIME && pc < RETURN) {
            const entry = (pc - RUNTIME) >> 2;
            const value = registers[0];
            if (entry === TO_NATIVE) registers[0] = value & 1 ? value >> 1 : value;
            else if (entry === FROM_NATIVE) registers[0] = int(value);
            registers[15] = registers[14] & ~1;
            continue;
        }
        core.executeInstruction();
        if (core.cycles - start > CYCLES_MAX) throw new Error("function " + index + " hangs");
    }
    cycles += core.cycles - start;
    top = argv;
    return registers[0] >> 1;
}

const { size, limit, trie, cases } = JSON.parse(fs.readFileSync(0, "utf8"));
const trieAt = place(new Uint8Array(Uint16Array.from(trie).buffer));
const stateAt = placeWords(cases[0].state);
const ringAt = place(new Uint8Array(size));
const cellsAt = placeWords(cases[0].cells);
const chunkAt = place(new Uint8Array(1024));
const state = new Int32Array(chip.sram.buffer, stateAt - RAM, cases[0].state.length);
const ring = new Uint8Array(chip.sram.buffer, ringAt - RAM, size);
const cells = new Int32Array(chip.sram.buffer, cellsAt - RAM, cases[0].cells.length);
const ROWS = 72;

function run({ chunks }) {
    state.fill(0);
    [state[3], state[4], state[23]] = [size, limit, 17];
    ring.fill(0);
    cells.fill(0);
    [cells[1], cells[2], cells[3], cells[12], cells[13]] = [2, 721, 99, 123, 99];
    const returned = [];
    chunks.forEach((chunk, now) => {
        chip.sram.set(chunk, chunkAt - RAM);
        call(APPEND, [stateAt, ringAt, chunkAt, int(chunk.length)]);
        for (;;) {
            const what = call(ADVANCE, [stateAt, ringAt, trieAt]);
            const rows = state[ROWS];
            state[ROWS] = 0;
            returned.push(what);
            if (rows) returned.push(call(FOLD, [stateAt, int(0), int(rows), cellsAt, int(now)]));
            if (!what) break;
        }
    });
    return { returned, state: [...state], ring: [...ring], cells: [...cells] };
}

let timed = 0;
cases.forEach((expected, number) => {
    cycles = 0;
    const got = run(expected);
    if (number === 0) timed = cycles;
    for (const what of ["returned", "state", "ring", "cells"]) {
        if (JSON.stringify(got[what]) !== JSON.stringify(expected[what])) {
            console.error(`case ${number}: ${what} is not the twin's`);
            process.exit(1);
        }
    }
});
const bytes = cases[0].chunks.reduce((sum, chunk) => sum + chunk.length, 0);
console.log(JSON.stringify({ cycles: timed, bytes, cases: cases.length }));
