// Heap taken by the core on a 32-bit MicroPython, the WebAssembly port.
//
//   node heap.mjs PORT.mjs FOLDER CODE...
//
// FOLDER holds the .mpy files of `lexi`; each CODE is run and prints nothing. Prints as JSON the
// bytes that each added to the heap. Every measurement is a call of its own: this port collects
// garbage only between calls.

import fs from "fs";
import path from "path";

const [portPath, folder, ...snippets] = process.argv.slice(2);
const { loadMicroPython } = await import(path.resolve(portPath));

let printed = "";
const port = await loadMicroPython({
    heapsize: 1024 * 1024,
    stdout: (text) => { printed = text; },
});
port.FS.mkdir("/lib");
port.FS.mkdir("/lib/lexi");
for (const name of fs.readdirSync(folder)) {
    port.FS.writeFile("/lib/lexi/" + name, fs.readFileSync(path.join(folder, name)));
}

function allocated() {
    // What the last call left on the stack must be overwritten, or it keeps garbage alive.
    port.runPython("x = []\nfor i in range(60): x = [x, i]\nrepr(x)\ndel x, i");
    port.runPython("gc.collect()");
    port.runPython("gc.collect()");
    port.runPython("print(gc.mem_alloc())");
    return parseInt(printed);
}

port.runPython("import array, asyncio, gc, io, micropython, select, sys, time");
port.runPython("sys.path.append('/lib')");
allocated();
const taken = [];
let before = allocated();
for (const code of snippets) {
    try {
        port.runPython(code);
    } catch (error) {
        console.error(error.message);  // the stack would print the whole port
        process.exit(1);
    }
    const after = allocated();
    taken.push(after - before);
    before = after;
}
console.log(JSON.stringify(taken));
