// The host's end of the USB serial port: it enumerates the board and is its console.
//
// Input is given to the board only when its endpoint waits for data; without input nothing is
// answered, so that a board at rest is not woken. Over rp2040js's USB controller, which does the
// registers.

const DEVICE_ADDRESS = 1;
const CONFIGURATION = 2; // descriptor types
const INTERFACE = 4;
const ENDPOINT = 5;
const CDC_DATA = 10; // interface class
const BULK = 2;
const HEADER_BYTES = 9;
const PACKET_BYTES = 64;
const DTR_RTS = 3;
const SOF_RD = 0x48; // registers
const INTE = 0x90;
const DEV_SOF = 1 << 17; // bit of INTR and INTE
const FRAME_NANOS = 1e6;

function setup(type, request, value, length = 0) {
    return Uint8Array.of(
        type,
        request,
        value & 0xff,
        value >> 8,
        0,
        0,
        length & 0xff,
        length >> 8,
    );
}

export class Console {
    constructor(usb) {
        this.usb = usb;
        this.onOutput = () => {}; // (bytes)
        this.connected = false;
        this.input = []; // bytes that wait for the board
        this.room = 0; // bytes that the board's endpoint waits for; 0: it does not
        this.endpointIn = -1;
        this.endpointOut = -1;
        this.descriptor = [];
        this.total = 0;
        this.frames = usb.rp2040.clock.createAlarm(() => this.frame());
        this.answer = () => {}; // what to do when the present control transfer is answered
        this.addFrames();
        usb.onUSBEnabled = () => usb.resetDevice();
        usb.onResetReceived = () => this.enumerate();
        usb.onEndpointWrite = (endpoint, bytes) => this.fromBoard(endpoint, bytes);
        usb.onEndpointRead = (endpoint, size) => this.waits(endpoint, size);
    }

    // Starts of frames, which rp2040js lacks: only while the board wants to hear of them.
    addFrames() {
        const { usb } = this;
        const read = usb.readUint32.bind(usb);
        const write = usb.writeUint32.bind(usb);
        usb.readUint32 = (offset) => {
            const value = read(offset);
            if (offset === SOF_RD) {
                usb.intRaw &= ~DEV_SOF;
                usb.checkInterrupts();
            }
            return value;
        };
        usb.writeUint32 = (offset, value) => {
            write(offset, value);
            if (offset !== INTE) return;
            if (!(value & DEV_SOF)) this.frames.cancel();
            else if (!this.frames.scheduled) this.frames.schedule(FRAME_NANOS);
        };
    }

    frame() {
        const { usb } = this;
        usb.sofFrameNumber = (usb.sofFrameNumber + 1) & 0x7ff;
        usb.intRaw |= DEV_SOF;
        usb.checkInterrupts();
        this.frames.schedule(FRAME_NANOS);
    }

    type(bytes) {
        for (const byte of bytes) this.input.push(byte);
        this.give();
    }

    get pending() {
        return this.input.length;
    }

    enumerate() {
        this.connected = false;
        this.room = 0;
        this.descriptor = [];
        this.total = 0;
        this.control(setup(0x00, 5, DEVICE_ADDRESS), () => this.askForHeader());
    }

    control(packet, answer) {
        this.answer = answer;
        this.usb.sendSetupPacket(packet);
    }

    askForHeader() {
        const packet = setup(0x80, 6, CONFIGURATION << 8, HEADER_BYTES);
        this.control(packet, (header) => {
            this.total = header[2] | (header[3] << 8);
            this.control(setup(0x80, 6, CONFIGURATION << 8, this.total), (part) => this.read(part));
        });
    }

    read(part) {
        this.descriptor.push(...part);
        if (this.descriptor.length < this.total) return;
        this.findEndpoints();
        this.control(setup(0x00, 9, 1), () => {
            this.control(setup(0x21, 0x22, DTR_RTS), () => {
                this.answer = () => {};
                this.connected = true;
                this.give();
            });
        });
    }

    findEndpoints() {
        let data = false;
        for (let at = 0; at + 1 < this.descriptor.length; at += this.descriptor[at] || 1) {
            const [, type, third, fourth, , fifth] = this.descriptor.slice(at, at + 6);
            if (type === INTERFACE) data = fifth === CDC_DATA;
            if (type !== ENDPOINT || !data || (fourth & 3) !== BULK) continue;
            if (third & 0x80) this.endpointIn = third & 15;
            else this.endpointOut = third & 15;
        }
    }

    fromBoard(endpoint, bytes) {
        if (endpoint === 0) this.answer(bytes);
        else if (endpoint === this.endpointIn && bytes.length) this.onOutput(bytes);
    }

    waits(endpoint, size) {
        if (endpoint !== this.endpointOut) return;
        this.room = size;
        this.give();
    }

    give() {
        if (!this.connected || this.room === 0 || this.input.length === 0) return;
        const bytes = this.input.splice(0, Math.min(this.room, PACKET_BYTES));
        this.room = 0;
        this.usb.endpointReadDone(this.endpointOut, Uint8Array.from(bytes));
    }
}
