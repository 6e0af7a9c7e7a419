// MicroPython's WebAssembly port with the files of a folder on it.

import fs from "fs";
import path from "path";

// portPath: micropython.mjs of the port. tell: called with what is printed. The files of `folder`
// are imported from there and from its lib/.
export async function openPort(portPath, folder, tell) {
    const { loadMicroPython } = await import(path.resolve(portPath));
    const port = await loadMicroPython({ heapsize: 1024 * 1024, stdout: tell });
    copy(port, folder, "/board");
    port.runPython("import sys\nsys.path[:] = ['/board', '/board/lib', '.frozen']");
    return port;
}

function copy(port, from, to) {
    port.FS.mkdir(to);
    for (const entry of fs.readdirSync(from, { withFileTypes: true })) {
        const [source, target] = [`${from}/${entry.name}`, `${to}/${entry.name}`];
        if (entry.isDirectory()) copy(port, source, target);
        else port.FS.writeFile(target, fs.readFileSync(source));
    }
}
