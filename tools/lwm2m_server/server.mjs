// A real LwM2M server (npm lwm2m-node-lib, registry in memory, no bootstrap, no DTLS).
//
//   node tools/lwm2m_server/server.mjs [UDP port; 0 or none: any]
//
// Prints one line of JSON per event on standard output:
//   {"event": "ready", "port": 5683}
//   {"event": "registration" | "update" | "unregistration", "endpoint": ..., "id": ...}
// and answers commands on standard input, one per line:
//   list              {"list": [{"endpoint", "id", "lifetime", "address", "port",
//                     "registered_since", "updated"}]}   the server's registry; times in ISO 8601
//   read ID /3/0/0    {"read": value} or {"error": why}  reads a resource of a device
//   execute ID /1/0/8 {"execute": path} or {"error": why}
//   forget ID         {"forget": endpoint}               the server loses a registration
// It ends with its standard input.
//
// The packages come from .venv/npm, where `python3 tools/setup_env.py --npm` puts them.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";

process.removeAllListeners("warning"); // the packages are older than this Node
const require = createRequire(new URL("../../.venv/npm/", import.meta.url));
const { server } = require("lwm2m-node-lib");

const since = new Map(); // id: when registered; the library keeps only the last update

function print(object) {
    process.stdout.write(JSON.stringify(object) + "\n");
}

function described(device) {
    return {
        endpoint: device.name,
        id: Number(device.id),
        lifetime: Number(device.lifetime),
        address: device.address,
        port: device.port,
        registered_since: since.get(Number(device.id)),
        updated: device.creationDate.toISOString(),
    };
}

function list() {
    server.listDevices((error, devices) => print({ list: devices.map(described) }));
}

function read(id, path) {
    const [, object, instance, resource] = path.split("/");
    server.read(id, object, instance, resource, (error, value) =>
        print(error ? { error: error.message } : { read: value }));
}

function execute(id, path) {
    const [, object, instance, resource] = path.split("/");
    server.execute(id, object, instance, resource, "", (error) =>
        print(error ? { error: error.message } : { execute: path }));
}

function forget(id) {
    server.getRegistry().unregister(id, (error, device) =>
        print(error ? { error: error.message } : { forget: device.name }));
}

const commands = { list, read, execute, forget };

function onRegistration(endpoint, lifetime, version, binding, payload, done) {
    server.getDevice(endpoint, (error, device) => {
        since.set(device.id, device.creationDate.toISOString());
        print({ event: "registration", endpoint, id: device.id, lifetime, binding, payload });
    });
    done();
}

function onUpdate(device, payload, done) {
    print({ event: "update", endpoint: device.name, id: device.id });
    done();
}

function onUnregistration(device, done) {
    print({ event: "unregistration", endpoint: device.name, id: device.id });
    done();
}

const configuration = {
    port: Number(process.argv[2] ?? 0),
    serverProtocol: "udp4",
    ipProtocol: "udp4",
    deviceRegistry: { type: "memory" },
    defaultType: "Device",
    types: [],
    lifetimeCheckInterval: 1000,
    defaultAcceptFormat: "text/plain",
    logLevel: "FATAL",
};

server.start(configuration, (error, info) => {
    if (error) {
        print({ event: "error", why: String(error) });
        process.exit(1);
    }
    server.setHandler(info, "registration", onRegistration);
    server.setHandler(info, "updateRegistration", onUpdate);
    server.setHandler(info, "unregistration", onUnregistration);
    // setHandler has just begun to check the lifetimes without any pause.
    server.getRegistry().checkLifetime(configuration.lifetimeCheckInterval, onUnregistration);
    configuration.port = info.server._sock.address().port; // its own requests go through it
    print({ event: "ready", port: configuration.port });
});

const input = createInterface({ input: process.stdin });
input.on("line", (line) => {
    const [name, ...words] = line.trim().split(/\s+/);
    const command = commands[name];
    if (command) command(...words);
    else print({ error: `unknown command ${name}` });
});
input.on("close", () => process.exit(0));
