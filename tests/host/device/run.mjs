// Runs a program of this folder on MicroPython's WebAssembly port.
//
//   node run.mjs PORT.mjs FOLDER PROGRAM
//
// FOLDER is what the board has, PROGRAM Python text. What it prints is printed.

import { openPort } from "../../bench/port.mjs";

const [portPath, folder, program] = process.argv.slice(2);
try {
    const port = await openPort(portPath, folder, (text) => console.log(text));
    port.runPython(program);
} catch (error) {
    console.error(error.message);  // the stack would print the whole port
    process.exit(1);
}
