"""The node of tests/host/device/lwnode.py in a process of its own, for tests under asyncio."""

import asyncio
import contextlib
import json
import time
from pathlib import Path

import unixport

DEVICE = Path(__file__).parent / "device"
DEADLINE_S = 30.0
_POLL_S = 0.02


async def until(probe, what, deadline_s=DEADLINE_S):
    """Call `probe()` until it returns something true, and return that."""
    end_s = time.monotonic() + deadline_s
    while True:
        result = probe()
        if result:
            return result
        assert time.monotonic() < end_s, f"{what} did not happen in {deadline_s:g} s"
        await asyncio.sleep(_POLL_S)


class Node:
    """events: [(number, detail)] so far. ask() gives a command and returns the answer's value."""

    def __init__(self, process):
        self.events = []
        self.answers = asyncio.Queue()
        self.other = ""  # what it printed beside
        self._process = process

    async def read(self):
        async for line in self._process.stdout:
            try:
                said = json.loads(line)
            except ValueError:
                self.other += line.decode()
                continue
            if "event" in said:
                self.events.append((said["event"], said["detail"]))
            else:
                self.answers.put_nowait(said)

    def tell(self, text):
        self._process.stdin.write(text.encode() + b"\n")

    async def ask(self, text):
        self.tell(text)
        answer = await asyncio.wait_for(self.answers.get(), DEADLINE_S)
        return answer[text.split()[0]]

    def count(self, event):
        return sum(number == event for number, _ in self.events)


@contextlib.asynccontextmanager
async def node(port, **options):
    """Run a node against this port."""
    arguments = "".join(f", {name}={value!r}" for name, value in options.items())
    process = await asyncio.create_subprocess_exec(
        unixport.find().path,
        "-X",
        "heapsize=512k",
        "-c",
        f"import lwnode; lwnode.run({port}{arguments and ', '}{arguments[2:]})".replace(
            "run(", "run(port=", 1
        ),
        cwd=unixport.ROOT,
        env=unixport.environment("lib", DEVICE),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    made = Node(process)
    reader = asyncio.create_task(made.read())
    try:
        yield made
        assert process.returncode is None, made.other
        made.tell("stop")
        await asyncio.wait_for(process.wait(), DEADLINE_S)
        assert made.other == "", made.other
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        reader.cancel()
