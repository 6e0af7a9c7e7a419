// Heap of the steps of device/startup.py on a 32-bit MicroPython, the WebAssembly port.
//
//   node heap.mjs PORT.mjs FOLDER
//
// FOLDER is what the board has. Prints as JSON [[step, bytes of heap], ...]. Every step is a call
// of its own: this port collects garbage only between calls.

import { openPort } from "./port.mjs";

const [portPath, folder] = process.argv.slice(2);
let port;
let printed = "";

function allocated() {
    // What the last call left on the stack must be overwritten, or it keeps garbage alive.
    port.runPython("x = []\nfor i in range(60): x = [x, i]\nrepr(x)\ndel x, i");
    port.runPython("gc.collect()");
    port.runPython("gc.collect()");
    port.runPython("print(gc.mem_alloc())");
    return parseInt(printed);
}

try {
    port = await openPort(portPath, folder, (text) => { printed = text; });
    port.runPython("import gc, startup\nprint('|'.join(name for name, _ in startup.STEPS))");
    const names = printed.trim().split("|");
    allocated();
    const taken = [];
    let before = allocated();
    for (const [i, name] of names.entries()) {
        port.runPython(`startup.do(${i})`);
        const after = allocated();
        taken.push([name, after - before]);
        before = after;
    }
    console.log(JSON.stringify(taken));
} catch (error) {
    console.error(error.message);  // the stack would print the whole port
    process.exit(1);
}
