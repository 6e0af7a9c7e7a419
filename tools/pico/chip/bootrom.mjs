// The functions of the boot ROM that talk to the flash chip, which is not emulated.
//
// Erase and program change the flash array and let time pass; while the flash is busy the CPU
// does nothing, as on a chip, where code and data are in that flash. Everything around goes on.
// The rest return at once.

const FUNCTION_TABLE = 0x14; // halfword with the address of the table, 2.8.3 of the data sheet
const VERSION = 0x13;
const MAGIC = 0x01_754d; // 'M', 'u', 1
const BKPT = 0xbe00;
const BX_LR = 0x4770;

const SECTOR_BYTES = 4096;
const PAGE_BYTES = 256;
const SECTOR_NANOS = 45e6;
const PAGE_NANOS = 0.4e6;

const NOTHING = 0xe0; // numbers of our breakpoints
const ERASE = 0xe1;
const PROGRAM = 0xe2;
const REPLACED = { IF: NOTHING, EX: NOTHING, FC: NOTHING, CX: NOTHING, RE: ERASE, RP: PROGRAM };

// Why these words are no boot ROM B1, or null.
export function complain(rom) {
    if ((rom[4] & 0xffffff) !== MAGIC) return "it is not the boot ROM of an RP2040";
    const version = rom[4] >>> 24;
    if (version !== 2) return `it has version ${version} (B${version - 1}), expected 2 (B1)`;
    return null;
}

export class BootRom {
    constructor(chip, clock) {
        this.chip = chip;
        this.clock = clock;
        this.erasedSectors = 0;
        this.programmedPages = 0;
        this.busyNanos = 0;
    }

    // Put the breakpoints into the ROM that the chip has loaded.
    patch() {
        const rom = new Uint16Array(this.chip.bootrom.buffer);
        for (let at = rom[FUNCTION_TABLE >> 1] >> 1; rom[at]; at += 2) {
            const name = String.fromCharCode(rom[at] & 0xff, rom[at] >> 8);
            if (!(name in REPLACED)) continue;
            const entry = rom[at + 1] >> 1;
            rom[entry] = BKPT | REPLACED[name];
            rom[entry + 1] = BX_LR;
        }
    }

    // A breakpoint was met; whether it is one of ours.
    handle(code, address) {
        if (address >= 0x4000) return false;
        const [offset, data, count] = this.chip.core.registers;
        const { flash } = this.chip;
        if (code === ERASE) {
            const end = Math.min(offset + data, flash.length); // here `data` is the count
            flash.fill(0xff, offset, end);
            const sectors = Math.ceil(data / SECTOR_BYTES);
            this.erasedSectors += sectors;
            this.pass(sectors * SECTOR_NANOS);
        } else if (code === PROGRAM) {
            for (let i = 0; i < count; i++) flash[offset + i] &= this.byteAt(data + i);
            const pages = Math.ceil(count / PAGE_BYTES);
            this.programmedPages += pages;
            this.pass(pages * PAGE_NANOS);
        } else if (code !== NOTHING) {
            return false;
        }
        return true;
    }

    byteAt(address) {
        return this.chip.readUint8(address);
    }

    pass(nanos) {
        this.busyNanos += nanos;
        this.clock.skipTo(this.clock.nanos + nanos);
    }
}
