// Heap of the steps of device/startup.py on a 32-bit MicroPython, the WebAssembly port.
//
//   node heap.mjs PORT.mjs FOLDER
//
// FOLDER is what the board has. Prints as JSON [[step, bytes of heap], ...]. Every step is a call
// of its own: this port collects garbage only between calls.

import fs from "fs";
import path from "path";

const [portPath, folder] = process.argv.slice(2);
const { loadMicroPython } = await import(path.resolve(portPath));

let printed = "";
const port = await loadMicroPython({
    heapsize: 1024 * 1024,
    stdout: (text) => { printed = text; },
});

function copy(from, to) {
    port.FS.mkdir(to);
    for (const entry of fs.readdirSync(from, { withFileTypes: true })) {
        const [source, target] = [`${from}/${entry.name}`, `${to}/${entry.name}`];
        if (entry.isDirectory()) copy(source, target);
        else port.FS.writeFile(target, fs.readFileSync(source));
    }
}

function allocated() {
    // What the last call left on the stack must be overwritten, or it keeps garbage alive.
    port.runPython("x = []\nfor i in range(60): x = [x, i]\nrepr(x)\ndel x, i");
    port.runPython("gc.collect()");
    port.runPython("gc.collect()");
    port.runPython("print(gc.mem_alloc())");
    return parseInt(printed);
}

try {
    copy(folder, "/board");
    port.runPython("import gc, sys\nsys.path[:] = ['/board', '/board/lib', '.frozen']");
    port.runPython("import startup\nprint('|'.join(name for name, _ in startup.STEPS))");
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
