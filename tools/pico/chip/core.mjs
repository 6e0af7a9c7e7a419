// The Cortex-M0+ instructions, many at a time, over the state of rp2040js's core.
//
// Same results and same cycles as rp2040js's executeInstruction(), which still does whatever is
// rare: the special registers, sleep, breakpoints. It differs in three points that a
// frozen image needs or MicroPython relies on: a load or store at an odd multiple is a HardFault,
// SEV sets the event flag, and an address without memory is a HardFault.
// Must not know of time: it stops when `control[LIMIT]` cycles are spent.

import { CYCLES, LIMIT } from "./clock.mjs";

const ROM_END = 0x4000;
const FLASH = 0x10000000;
const RAM = 0x20000000;
const RAM_BYTES = 264 * 1024;
const RAM_WORDS = RAM_BYTES >> 2;
const HARD_FAULT = 3;
const SP = 13;
const LR = 14;
const PC = 15;

// Why batch() ended.
export const SPENT = 0; // the cycles, or something wants to be looked at
export const RARE = 1; // at an instruction for executeInstruction()
export const FAULT = 2;

// What to do for an instruction. The numbers are those of the cases in batch(): written out there,
// because V8 makes a jump table of literals only.
const K = {};
[
    "RARE", "LSL_I", "LSR_I", "ASR_I", "ADD_R", "SUB_R", "ADD_3", "SUB_3", "MOV_8", "CMP_8",
    "ADD_8", "SUB_8", "AND", "EOR", "LSL_R", "LSR_R", "ASR_R", "ADC", "SBC", "ROR", "TST", "NEG",
    "CMP", "CMN", "ORR", "MUL", "BIC", "MVN", "ADD_H", "CMP_H", "MOV_H", "BX", "BLX", "LDR_PC",
    "STR_R", "STRH_R", "STRB_R", "LDRSB_R", "LDR_R", "LDRH_R", "LDRB_R", "LDRSH_R", "STR_I",
    "LDR_I", "STRB_I", "LDRB_I", "STRH_I", "LDRH_I", "STR_SP", "LDR_SP", "ADR", "ADD_SP_R",
    "SP_UP", "SP_DOWN", "SXTH", "SXTB", "UXTH", "UXTB", "PUSH", "POP", "NOP", "SEV", "STM", "LDM",
    "BEQ", "BNE", "BCS", "BCC", "BMI", "BPL", "BVS", "BVC", "BHI", "BLS", "BGE", "BLT", "BGT",
    "BLE", "B", "BL", "CPSID",
].forEach((name, number) => (K[name] = number));

const ALU = [
    K.AND, K.EOR, K.LSL_R, K.LSR_R, K.ASR_R, K.ADC, K.SBC, K.ROR,
    K.TST, K.NEG, K.CMP, K.CMN, K.ORR, K.MUL, K.BIC, K.MVN,
];
const REGISTER_OFFSET = [
    K.STR_R, K.STRH_R, K.STRB_R, K.LDRSB_R, K.LDR_R, K.LDRH_R, K.LDRB_R, K.LDRSH_R,
];

// The kind of each of the 65536 possible halfwords.
function kindOf(op) {
    const top5 = op >>> 11;
    switch (top5) {
        case 0b00000: return K.LSL_I;
        case 0b00001: return K.LSR_I;
        case 0b00010: return K.ASR_I;
        case 0b00011: return [K.ADD_R, K.SUB_R, K.ADD_3, K.SUB_3][(op >>> 9) & 3];
        case 0b00100: return K.MOV_8;
        case 0b00101: return K.CMP_8;
        case 0b00110: return K.ADD_8;
        case 0b00111: return K.SUB_8;
        case 0b01001: return K.LDR_PC;
        case 0b01100: return K.STR_I;
        case 0b01101: return K.LDR_I;
        case 0b01110: return K.STRB_I;
        case 0b01111: return K.LDRB_I;
        case 0b10000: return K.STRH_I;
        case 0b10001: return K.LDRH_I;
        case 0b10010: return K.STR_SP;
        case 0b10011: return K.LDR_SP;
        case 0b10100: return K.ADR;
        case 0b10101: return K.ADD_SP_R;
        case 0b11000: return K.STM;
        case 0b11001: return K.LDM;
        case 0b11100: return K.B;
        case 0b11110: return K.BL;
    }
    if (op >>> 10 === 0b010000) return ALU[(op >>> 6) & 15];
    if (op >>> 12 === 0b0101) return REGISTER_OFFSET[(op >>> 9) & 7];
    if (op >>> 8 === 0b01000100) return K.ADD_H;
    if (op >>> 8 === 0b01000101) return K.CMP_H;
    if (op >>> 8 === 0b01000110) return K.MOV_H;
    if (op >>> 7 === 0b010001110 && (op & 7) === 0) return K.BX;
    if (op >>> 7 === 0b010001111 && (op & 7) === 0) return K.BLX;
    if (op >>> 7 === 0b101100000) return K.SP_UP;
    if (op >>> 7 === 0b101100001) return K.SP_DOWN;
    if (op >>> 8 === 0b10110010) return [K.SXTH, K.SXTB, K.UXTH, K.UXTB][(op >>> 6) & 3];
    if (op >>> 9 === 0b1011010) return K.PUSH;
    if (op >>> 9 === 0b1011110) return K.POP;
    if (op === 0xbf00) return K.NOP;
    if (op === 0xbf40) return K.SEV;
    if (op === 0xb672) return K.CPSID;
    if (op >>> 12 === 0b1101 && ((op >>> 8) & 15) < 14) return K.BEQ + ((op >>> 8) & 15);
    return K.RARE;
}
const KINDS = Uint8Array.from({ length: 0x10000 }, (_, op) => kindOf(op));

// Cycles that a load or store takes on top of the first, as rp2040js counts them.
function accessCycles(address, write) {
    if (address >>> 28 === 0xd) return 0;
    if (address >>> 28 === 4) return write ? 4 : 3;
    return 1;
}

export class Core {
    constructor(chip, control) {
        this.chip = chip;
        this.core = chip.core;
        this.control = control;
        this.fault = null; // what went wrong, for people; set when batch() returns FAULT
        this.R = new Int32Array(chip.core.registers.buffer);
        this.ram8 = chip.sram;
        this.ram16 = new Uint16Array(chip.sram.buffer);
        this.ram32 = new Int32Array(chip.sram.buffer);
        this.flash8 = chip.flash;
        this.flash16 = chip.flash16;
        this.flash32 = new Int32Array(chip.flash.buffer);
        this.rom16 = new Uint16Array(chip.bootrom.buffer);
        this.bad = false; // a load or store has failed
    }

    // Enter the HardFault handler; whether there was a way to.
    enterFault() {
        const { core } = this;
        if (core.IPSR === HARD_FAULT) return false;
        core.exceptionEntry(HARD_FAULT);
        core.registers[PC] &= ~1;
        return true;
    }

    // Loads and stores that are not in RAM, or not aligned

    fail(what, address) {
        this.bad = true;
        this.fault = `${what} at 0x${(address >>> 0).toString(16).padStart(8, "0")}`;
        return 0;
    }

    load32(address) {
        if (address & 3) return this.fail("load of a word", address);
        if (address >>> 26 === 4) return this.flash32[(address & 0xffffff) >>> 2];
        if (!this.mapped(address)) return this.fail("load", address);
        if (address >>> 28 === 0xd) return this.chip.sio.readUint32(address & 0xfffffff);
        return this.chip.readUint32(address);
    }

    load16(address) {
        if (address & 1) return this.fail("load of a halfword", address);
        if (address >>> 26 === 4) return this.flash16[(address & 0xffffff) >>> 1];
        const word = this.load32(address & ~3);
        return address & 2 ? word >>> 16 : word & 0xffff;
    }

    load8(address) {
        if (address >>> 26 === 4) return this.flash8[address & 0xffffff];
        return (this.load32(address & ~3) >>> ((address & 3) << 3)) & 0xff;
    }

    store32(address, value) {
        if (address & 3) return this.fail("store of a word", address);
        if (!this.mapped(address)) return this.fail("store", address);
        if (this.readOnly(address)) return 0;
        if (address >>> 28 === 0xd) this.chip.sio.writeUint32(address & 0xfffffff, value >>> 0);
        else this.chip.writeUint32(address >>> 0, value >>> 0);
        return 0;
    }

    store16(address, value) {
        if (address & 1) return this.fail("store of a halfword", address);
        if (!this.mapped(address)) return this.fail("store", address);
        if (!this.readOnly(address)) this.chip.writeUint16(address >>> 0, value & 0xffff);
        return 0;
    }

    store8(address, value) {
        if (!this.mapped(address)) return this.fail("store", address);
        if (!this.readOnly(address)) this.chip.writeUint8(address >>> 0, value & 0xff);
        return 0;
    }

    // The flash and the boot ROM take stores and forget them; MicroPython's USB does such a one.
    readOnly(address) {
        return address >>> 26 === 4 || address >>> 0 < ROM_END;
    }

    mapped(address) {
        const top = address >>> 28;
        if (top === 0) return address < ROM_END;
        if (top === 1) return true; // flash, its cache and its serial interface
        if (top === 2) return (address & 0xfffffff) < RAM_BYTES;
        return top === 4 || top === 5 || top === 0xd || top === 0xe;
    }

    // Run until control[LIMIT] cycles are spent or something else stops it; return why.
    batch() {
        const { core, control, R, ram8, ram16, ram32, flash16, flash32, rom16 } = this;
        let pc = R[PC] & ~1;
        let n = core.N ? -1 : 0; // negative if its sign is
        let z = core.Z ? 0 : 1; // zero if it is 0
        let c = core.C ? 1 : 0;
        let v = core.V ? 1 : 0;
        let cycles = control[CYCLES];
        let why = SPENT;
        let code = flash16; // where pc is, as halfwords
        let codeBase = 0;
        let codeBytes = 0;

        while (cycles < control[LIMIT]) {
            let offset = (pc - codeBase) | 0;
            if (offset >>> 0 >= codeBytes) {
                if (pc >>> 26 === 4) {
                    code = flash16;
                    codeBase = pc & ~0xffffff;
                    codeBytes = 0x1000000;
                } else if (((pc - RAM) | 0) >>> 0 < RAM_BYTES) {
                    code = ram16;
                    codeBase = RAM;
                    codeBytes = RAM_BYTES;
                } else if (pc >>> 0 < ROM_END) {
                    code = rom16;
                    codeBase = 0;
                    codeBytes = ROM_END;
                } else {
                    this.fail("no code", pc);
                    why = FAULT;
                    break;
                }
                offset = (pc - codeBase) | 0;
            }
            const op = code[offset >>> 1];
            const at = pc;
            pc = (pc + 2) | 0;
            cycles++;
            switch (KINDS[op]) {
                case 1: {
                    // LSL_I
                    const shift = (op >>> 6) & 31;
                    const a = R[(op >>> 3) & 7];
                    if (shift) c = (a >>> (32 - shift)) & 1;
                    n = z = R[op & 7] = a << shift;
                    break;
                }
                case 2: {
                    // LSR_I
                    const shift = (op >>> 6) & 31;
                    const a = R[(op >>> 3) & 7];
                    if (shift) {
                        c = (a >>> (shift - 1)) & 1;
                        n = z = R[op & 7] = a >>> shift;
                    } else {
                        c = a >>> 31;
                        n = z = R[op & 7] = 0;
                    }
                    break;
                }
                case 3: {
                    // ASR_I
                    const shift = (op >>> 6) & 31 || 32;
                    const a = R[(op >>> 3) & 7];
                    c = (a >> (shift - 1)) & 1;
                    if (shift === 32) c = a >>> 31;
                    n = z = R[op & 7] = shift === 32 ? a >> 31 : a >> shift;
                    break;
                }
                case 4: {
                    // ADD_R
                    const a = R[(op >>> 3) & 7];
                    const b = R[(op >>> 6) & 7];
                    const r = (a + b) | 0;
                    c = r >>> 0 < a >>> 0 ? 1 : 0;
                    v = ((a ^ r) & (b ^ r)) >>> 31;
                    n = z = R[op & 7] = r;
                    break;
                }
                case 5: {
                    // SUB_R
                    const a = R[(op >>> 3) & 7];
                    const b = R[(op >>> 6) & 7];
                    const r = (a - b) | 0;
                    c = a >>> 0 >= b >>> 0 ? 1 : 0;
                    v = ((a ^ b) & (a ^ r)) >>> 31;
                    n = z = R[op & 7] = r;
                    break;
                }
                case 6: {
                    // ADD_3
                    const a = R[(op >>> 3) & 7];
                    const r = (a + ((op >>> 6) & 7)) | 0;
                    c = r >>> 0 < a >>> 0 ? 1 : 0;
                    v = (~a & r) >>> 31;
                    n = z = R[op & 7] = r;
                    break;
                }
                case 7: {
                    // SUB_3
                    const a = R[(op >>> 3) & 7];
                    const b = (op >>> 6) & 7;
                    const r = (a - b) | 0;
                    c = a >>> 0 >= b ? 1 : 0;
                    v = (a & ~r) >>> 31;
                    n = z = R[op & 7] = r;
                    break;
                }
                case 8: // MOV_8
                    n = z = R[(op >>> 8) & 7] = op & 0xff;
                    break;
                case 9: {
                    // CMP_8
                    const a = R[(op >>> 8) & 7];
                    const b = op & 0xff;
                    const r = (a - b) | 0;
                    c = a >>> 0 >= b ? 1 : 0;
                    v = (a & ~r) >>> 31;
                    n = z = r;
                    break;
                }
                case 10: {
                    // ADD_8
                    const a = R[(op >>> 8) & 7];
                    const r = (a + (op & 0xff)) | 0;
                    c = r >>> 0 < a >>> 0 ? 1 : 0;
                    v = (~a & r) >>> 31;
                    n = z = R[(op >>> 8) & 7] = r;
                    break;
                }
                case 11: {
                    // SUB_8
                    const a = R[(op >>> 8) & 7];
                    const b = op & 0xff;
                    const r = (a - b) | 0;
                    c = a >>> 0 >= b ? 1 : 0;
                    v = (a & ~r) >>> 31;
                    n = z = R[(op >>> 8) & 7] = r;
                    break;
                }
                case 12: // AND
                    n = z = R[op & 7] &= R[(op >>> 3) & 7];
                    break;
                case 13: // EOR
                    n = z = R[op & 7] ^= R[(op >>> 3) & 7];
                    break;
                case 14: {
                    // LSL_R
                    const shift = R[(op >>> 3) & 7] & 0xff;
                    const a = R[op & 7];
                    if (shift) c = shift > 32 ? 0 : (a >>> (32 - shift)) & 1;
                    if (shift === 32) c = a & 1;
                    n = z = R[op & 7] = shift >= 32 ? 0 : a << shift;
                    break;
                }
                case 15: {
                    // LSR_R
                    const shift = R[(op >>> 3) & 7] & 0xff;
                    const a = R[op & 7];
                    if (shift) c = shift > 32 ? 0 : (a >>> (shift - 1)) & 1;
                    n = z = R[op & 7] = shift >= 32 ? 0 : (a >>> shift) | 0;
                    break;
                }
                case 16: {
                    // ASR_R
                    const shift = R[(op >>> 3) & 7] & 0xff;
                    const a = R[op & 7];
                    if (shift) c = shift >= 32 ? a >>> 31 : (a >>> (shift - 1)) & 1;
                    n = z = R[op & 7] = shift >= 32 ? a >> 31 : a >> shift;
                    break;
                }
                case 17: {
                    // ADC
                    const a = R[op & 7];
                    const b = R[(op >>> 3) & 7];
                    const sum = (a >>> 0) + (b >>> 0) + c;
                    const r = sum | 0;
                    c = sum > 0xffffffff ? 1 : 0;
                    v = ((a ^ r) & (b ^ r)) >>> 31;
                    n = z = R[op & 7] = r;
                    break;
                }
                case 18: {
                    // SBC
                    const a = R[op & 7];
                    const b = ~R[(op >>> 3) & 7];
                    const sum = (a >>> 0) + (b >>> 0) + c;
                    const r = sum | 0;
                    c = sum > 0xffffffff ? 1 : 0;
                    v = ((a ^ r) & (b ^ r)) >>> 31;
                    n = z = R[op & 7] = r;
                    break;
                }
                case 19: {
                    // ROR
                    const shift = R[(op >>> 3) & 7] & 0xff;
                    const a = R[op & 7];
                    const r = (a >>> (shift & 31)) | (a << (-shift & 31));
                    if (shift) c = r >>> 31;
                    n = z = R[op & 7] = r;
                    break;
                }
                case 20: // TST
                    n = z = R[op & 7] & R[(op >>> 3) & 7];
                    break;
                case 21: {
                    // NEG
                    const a = R[(op >>> 3) & 7];
                    const r = -a | 0;
                    c = a === 0 ? 1 : 0;
                    v = (a & r) >>> 31;
                    n = z = R[op & 7] = r;
                    break;
                }
                case 22: {
                    // CMP
                    const a = R[op & 7];
                    const b = R[(op >>> 3) & 7];
                    const r = (a - b) | 0;
                    c = a >>> 0 >= b >>> 0 ? 1 : 0;
                    v = ((a ^ b) & (a ^ r)) >>> 31;
                    n = z = r;
                    break;
                }
                case 23: {
                    // CMN
                    const a = R[op & 7];
                    const b = R[(op >>> 3) & 7];
                    const r = (a + b) | 0;
                    c = r >>> 0 < a >>> 0 ? 1 : 0;
                    v = ((a ^ r) & (b ^ r)) >>> 31;
                    n = z = r;
                    break;
                }
                case 24: // ORR
                    n = z = R[op & 7] |= R[(op >>> 3) & 7];
                    break;
                case 25: // MUL
                    n = z = R[op & 7] = Math.imul(R[op & 7], R[(op >>> 3) & 7]);
                    break;
                case 26: // BIC
                    n = z = R[op & 7] &= ~R[(op >>> 3) & 7];
                    break;
                case 27: // MVN
                    n = z = R[op & 7] = ~R[(op >>> 3) & 7];
                    break;
                case 28: {
                    // ADD_H
                    const m = (op >>> 3) & 15;
                    const d = ((op >>> 4) & 8) | (op & 7);
                    const b = m === PC ? at + 4 : R[m];
                    if (d === PC) {
                        pc = (at + 4 + b) & ~1;
                        cycles++;
                    } else {
                        R[d] = d === SP ? (R[d] + b) & ~3 : R[d] + b;
                    }
                    break;
                }
                case 29: {
                    // CMP_H
                    const a = R[((op >>> 4) & 8) | (op & 7)];
                    const b = R[(op >>> 3) & 15];
                    const r = (a - b) | 0;
                    c = a >>> 0 >= b >>> 0 ? 1 : 0;
                    v = ((a ^ b) & (a ^ r)) >>> 31;
                    n = z = r;
                    break;
                }
                case 30: {
                    // MOV_H
                    const m = (op >>> 3) & 15;
                    const d = ((op >>> 4) & 8) | (op & 7);
                    const b = m === PC ? at + 4 : R[m];
                    if (d === PC) {
                        pc = b & ~1;
                        cycles++;
                    } else {
                        R[d] = d === SP ? b & ~3 : b;
                    }
                    break;
                }
                case 31: {
                    // BX
                    const target = R[(op >>> 3) & 15];
                    if (target >>> 28 === 15) {
                        pc = at; // the end of an exception
                        cycles--;
                        why = RARE;
                        break;
                    }
                    pc = target & ~1;
                    cycles++;
                    break;
                }
                case 32: {
                    // BLX
                    const target = R[(op >>> 3) & 15];
                    R[LR] = pc | 1;
                    pc = target & ~1;
                    cycles++;
                    break;
                }
                case 33: {
                    // LDR_PC
                    const a = ((at + 4) & ~3) + ((op & 0xff) << 2);
                    if (a >>> 26 === 4) R[(op >>> 8) & 7] = flash32[(a & 0xffffff) >>> 2];
                    else if (((a - RAM) | 0) >>> 0 < RAM_BYTES)
                        R[(op >>> 8) & 7] = ram32[(a - RAM) >>> 2];
                    else R[(op >>> 8) & 7] = this.load32(a);
                    cycles++;
                    break;
                }
                case 38: // LDR_R
                case 43: // LDR_I
                case 49: {
                    // LDR_SP
                    let a;
                    let t = op & 7;
                    if (op >>> 11 === 0b01101) a = R[(op >>> 3) & 7] + ((op >>> 4) & 0x7c);
                    else if (op >>> 11 === 0b10011) {
                        a = R[SP] + ((op & 0xff) << 2);
                        t = (op >>> 8) & 7;
                    } else a = R[(op >>> 3) & 7] + R[(op >>> 6) & 7];
                    const x = (a - RAM) | 0;
                    const w = (x >>> 2) | (x << 30);
                    if (w >>> 0 < RAM_WORDS) {
                        R[t] = ram32[w];
                        cycles++;
                        break;
                    }
                    control[CYCLES] = cycles - 1;
                    const value = this.load32(a | 0);
                    if (this.bad) {
                        pc = at;
                        why = FAULT;
                        break;
                    }
                    R[t] = value;
                    cycles += accessCycles(a | 0, false);
                    break;
                }
                case 40: // LDRB_R
                case 45: // LDRB_I
                case 37: {
                    // LDRSB_R
                    const kind = op >>> 11;
                    const a =
                        (R[(op >>> 3) & 7] +
                            (kind === 0b01111 ? (op >>> 6) & 31 : R[(op >>> 6) & 7])) |
                        0;
                    const x = (a - RAM) | 0;
                    let value;
                    if (x >>> 0 < RAM_BYTES) {
                        value = ram8[x];
                        cycles++;
                    } else {
                        control[CYCLES] = cycles - 1;
                        value = this.load8(a);
                        if (this.bad) {
                            pc = at;
                            why = FAULT;
                            break;
                        }
                        cycles += accessCycles(a, false);
                    }
                    R[op & 7] = op >>> 9 === 0b0101011 ? (value << 24) >> 24 : value;
                    break;
                }
                case 39: // LDRH_R
                case 47: // LDRH_I
                case 41: {
                    // LDRSH_R
                    const kind = op >>> 11;
                    const a =
                        (R[(op >>> 3) & 7] +
                            (kind === 0b10001 ? (op >>> 5) & 0x3e : R[(op >>> 6) & 7])) |
                        0;
                    const x = (a - RAM) | 0;
                    let value;
                    if (x >>> 0 < RAM_BYTES && !(x & 1)) {
                        value = ram16[x >>> 1];
                        cycles++;
                    } else {
                        control[CYCLES] = cycles - 1;
                        value = this.load16(a);
                        if (this.bad) {
                            pc = at;
                            why = FAULT;
                            break;
                        }
                        cycles += accessCycles(a, false);
                    }
                    R[op & 7] = op >>> 9 === 0b0101111 ? (value << 16) >> 16 : value;
                    break;
                }
                case 34: // STR_R
                case 42: // STR_I
                case 48: {
                    // STR_SP
                    let a;
                    let t = op & 7;
                    if (op >>> 11 === 0b01100) a = R[(op >>> 3) & 7] + ((op >>> 4) & 0x7c);
                    else if (op >>> 11 === 0b10010) {
                        a = R[SP] + ((op & 0xff) << 2);
                        t = (op >>> 8) & 7;
                    } else a = R[(op >>> 3) & 7] + R[(op >>> 6) & 7];
                    const x = (a - RAM) | 0;
                    const w = (x >>> 2) | (x << 30);
                    if (w >>> 0 < RAM_WORDS) {
                        ram32[w] = R[t];
                        cycles++;
                        break;
                    }
                    control[CYCLES] = cycles - 1;
                    this.store32(a | 0, R[t]);
                    if (this.bad) {
                        pc = at;
                        why = FAULT;
                        break;
                    }
                    cycles += accessCycles(a | 0, true);
                    if (core.interruptsUpdated) control[LIMIT] = 0;
                    break;
                }
                case 36: // STRB_R
                case 44: {
                    // STRB_I
                    const a =
                        (R[(op >>> 3) & 7] +
                            (op >>> 11 === 0b01110 ? (op >>> 6) & 31 : R[(op >>> 6) & 7])) |
                        0;
                    const x = (a - RAM) | 0;
                    if (x >>> 0 < RAM_BYTES) {
                        ram8[x] = R[op & 7];
                        cycles++;
                        break;
                    }
                    control[CYCLES] = cycles - 1;
                    this.store8(a, R[op & 7]);
                    if (this.bad) {
                        pc = at;
                        why = FAULT;
                        break;
                    }
                    cycles += accessCycles(a, true);
                    if (core.interruptsUpdated) control[LIMIT] = 0;
                    break;
                }
                case 35: // STRH_R
                case 46: {
                    // STRH_I
                    const a =
                        (R[(op >>> 3) & 7] +
                            (op >>> 11 === 0b10000 ? (op >>> 5) & 0x3e : R[(op >>> 6) & 7])) |
                        0;
                    const x = (a - RAM) | 0;
                    if (x >>> 0 < RAM_BYTES && !(x & 1)) {
                        ram16[x >>> 1] = R[op & 7];
                        cycles++;
                        break;
                    }
                    control[CYCLES] = cycles - 1;
                    this.store16(a, R[op & 7]);
                    if (this.bad) {
                        pc = at;
                        why = FAULT;
                        break;
                    }
                    cycles += accessCycles(a, true);
                    if (core.interruptsUpdated) control[LIMIT] = 0;
                    break;
                }
                case 50: // ADR
                    R[(op >>> 8) & 7] = ((at + 4) & ~3) + ((op & 0xff) << 2);
                    break;
                case 51: // ADD_SP_R
                    R[(op >>> 8) & 7] = R[SP] + ((op & 0xff) << 2);
                    break;
                case 52: // SP_UP
                    R[SP] += (op & 0x7f) << 2;
                    break;
                case 53: // SP_DOWN
                    R[SP] -= (op & 0x7f) << 2;
                    break;
                case 54: // SXTH
                    R[op & 7] = (R[(op >>> 3) & 7] << 16) >> 16;
                    break;
                case 55: // SXTB
                    R[op & 7] = (R[(op >>> 3) & 7] << 24) >> 24;
                    break;
                case 56: // UXTH
                    R[op & 7] = R[(op >>> 3) & 7] & 0xffff;
                    break;
                case 57: // UXTB
                    R[op & 7] = R[(op >>> 3) & 7] & 0xff;
                    break;
                case 58: {
                    // PUSH
                    // From the top down: the same bytes end up in the same places.
                    let a = R[SP] | 0;
                    const x = (a - RAM) | 0;
                    if (x < 64 || x > RAM_BYTES || x & 3) {
                        pc = at; // a stack that has run over
                        cycles--;
                        this.fail("stack", a);
                        why = FAULT;
                        break;
                    }
                    let w = x >>> 2;
                    if (op & 0x100) ram32[--w] = R[LR];
                    for (let list = op & 0xff; list; ) {
                        const top = 31 - Math.clz32(list);
                        ram32[--w] = R[top];
                        list ^= 1 << top;
                        cycles++;
                    }
                    R[SP] = RAM + (w << 2);
                    break;
                }
                case 59: {
                    // POP
                    const x = (R[SP] - RAM) | 0;
                    if (x < 0 || x >= RAM_BYTES || x & 3) {
                        pc = at;
                        cycles--;
                        this.fail("stack", R[SP]);
                        why = FAULT;
                        break;
                    }
                    let w = x >>> 2;
                    if (op & 0x100) {
                        const count = popCount(op & 0xff);
                        if (ram32[w + count] >>> 28 === 15) {
                            pc = at; // the end of an exception
                            cycles--;
                            why = RARE;
                            break;
                        }
                    }
                    for (let list = op & 0xff, low = 0; list; list >>>= 1, low++) {
                        if (list & 1) {
                            R[low] = ram32[w++];
                            cycles++;
                        }
                    }
                    if (op & 0x100) {
                        pc = ram32[w++] & ~1;
                        cycles += 2;
                    }
                    R[SP] = RAM + (w << 2);
                    break;
                }
                case 60: // NOP
                    break;
                case 61: // SEV
                    core.eventRegistered = true;
                    break;
                case 80: // CPSID
                    core.PM = true;
                    break;
                case 62: {
                    // STM
                    const base = (op >>> 8) & 7;
                    let a = R[base];
                    const x = (a - RAM) | 0;
                    if (x >>> 0 > RAM_BYTES - 32 || x & 3) {
                        control[CYCLES] = cycles - 1;
                        for (let r = 0; r < 8; r++) {
                            if (op & (1 << r)) {
                                this.store32(a, R[r]);
                                a = (a + 4) | 0;
                                cycles++;
                            }
                        }
                        if (this.bad) {
                            pc = at;
                            why = FAULT;
                            break;
                        }
                        if (core.interruptsUpdated) control[LIMIT] = 0;
                    } else {
                        let w = x >>> 2;
                        for (let list = op & 0xff, r = 0; list; list >>>= 1, r++) {
                            if (list & 1) {
                                ram32[w++] = R[r];
                                cycles++;
                            }
                        }
                        a = RAM + (w << 2);
                    }
                    if (!(op & (1 << base))) R[base] = a;
                    break;
                }
                case 63: {
                    // LDM
                    const base = (op >>> 8) & 7;
                    let a = R[base];
                    const x = (a - RAM) | 0;
                    if (x >>> 0 > RAM_BYTES - 32 || x & 3) {
                        control[CYCLES] = cycles - 1;
                        for (let r = 0; r < 8; r++) {
                            if (op & (1 << r)) {
                                const value = this.load32(a);
                                if (this.bad) break;
                                R[r] = value;
                                a = (a + 4) | 0;
                                cycles++;
                            }
                        }
                        if (this.bad) {
                            pc = at;
                            why = FAULT;
                            break;
                        }
                    } else {
                        let w = x >>> 2;
                        for (let list = op & 0xff, r = 0; list; list >>>= 1, r++) {
                            if (list & 1) {
                                R[r] = ram32[w++];
                                cycles++;
                            }
                        }
                        a = RAM + (w << 2);
                    }
                    if (!(op & (1 << base))) R[base] = a;
                    break;
                }
                case 64: // BEQ
                    if (z === 0) { pc = (at + 4 + (((op << 24) >> 24) << 1)) | 0; cycles++; }
                    break;
                case 65: // BNE
                    if (z !== 0) { pc = (at + 4 + (((op << 24) >> 24) << 1)) | 0; cycles++; }
                    break;
                case 66: // BCS
                    if (c) { pc = (at + 4 + (((op << 24) >> 24) << 1)) | 0; cycles++; }
                    break;
                case 67: // BCC
                    if (!c) { pc = (at + 4 + (((op << 24) >> 24) << 1)) | 0; cycles++; }
                    break;
                case 68: // BMI
                    if (n < 0) { pc = (at + 4 + (((op << 24) >> 24) << 1)) | 0; cycles++; }
                    break;
                case 69: // BPL
                    if (n >= 0) { pc = (at + 4 + (((op << 24) >> 24) << 1)) | 0; cycles++; }
                    break;
                case 70: // BVS
                    if (v) { pc = (at + 4 + (((op << 24) >> 24) << 1)) | 0; cycles++; }
                    break;
                case 71: // BVC
                    if (!v) { pc = (at + 4 + (((op << 24) >> 24) << 1)) | 0; cycles++; }
                    break;
                case 72: // BHI
                    if (c && z !== 0) { pc = (at + 4 + (((op << 24) >> 24) << 1)) | 0; cycles++; }
                    break;
                case 73: // BLS
                    if (!c || z === 0) { pc = (at + 4 + (((op << 24) >> 24) << 1)) | 0; cycles++; }
                    break;
                case 74: // BGE
                    if (n >>> 31 === v) { pc = (at + 4 + (((op << 24) >> 24) << 1)) | 0; cycles++; }
                    break;
                case 75: // BLT
                    if (n >>> 31 !== v) { pc = (at + 4 + (((op << 24) >> 24) << 1)) | 0; cycles++; }
                    break;
                case 76: // BGT
                    if (n >>> 31 === v && z !== 0) {
                        pc = (at + 4 + (((op << 24) >> 24) << 1)) | 0;
                        cycles++;
                    }
                    break;
                case 77: // BLE
                    if (n >>> 31 !== v || z === 0) {
                        pc = (at + 4 + (((op << 24) >> 24) << 1)) | 0;
                        cycles++;
                    }
                    break;
                case 78: // B
                    pc = (at + 4 + (((op << 21) >> 21) << 1)) | 0;
                    cycles++;
                    break;
                case 79: {
                    // BL
                    const second = code[(offset >>> 1) + 1];
                    if (second >>> 14 !== 3 || !(second & 0x1000)) {
                        pc = at;
                        cycles--;
                        why = RARE;
                        break;
                    }
                    const s = (op >>> 10) & 1;
                    const i1 = 1 - (s ^ ((second >>> 13) & 1));
                    const i2 = 1 - (s ^ ((second >>> 11) & 1));
                    const by =
                        (-s << 24) |
                        (i1 << 23) |
                        (i2 << 22) |
                        ((op & 0x3ff) << 12) |
                        ((second & 0x7ff) << 1);
                    R[LR] = (at + 4) | 1;
                    pc = (at + 4 + by) | 0;
                    cycles += 2;
                    break;
                }
                default:
                    pc = at;
                    cycles--;
                    why = RARE;
            }
            if (why !== SPENT) break;
        }
        R[PC] = pc;
        core.N = n < 0;
        core.Z = z === 0;
        core.C = c === 1;
        core.V = v === 1;
        control[CYCLES] = cycles;
        return why;
    }
}

function popCount(bits) {
    let count = 0;
    for (; bits; bits &= bits - 1) count++;
    return count;
}
