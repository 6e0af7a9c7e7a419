# What is loaded when: nothing before it is named, nothing that is not needed, nothing after start().

import builtins
import os
import sys
import unittest

from lexi.recovery import policy
from test_supervisor import ERROR, both

OURS = ("atport", "lexi", "lwm2m")


def loaded():
    return sorted(name for name in sys.modules if name.split(".")[0] in OURS)


class Afresh:
    """Within it none of the library is loaded; behind it everything is as it was."""

    def __enter__(self):
        self._kept = {name: sys.modules.pop(name) for name in loaded()}

    def __exit__(self, *_):
        for name in loaded():
            del sys.modules[name]
        sys.modules.update(self._kept)


class NothingImported:
    """Within it an import is an error."""

    def __enter__(self):
        self._import = builtins.__import__
        builtins.__import__ = self._refuse

    def __exit__(self, *_):
        builtins.__import__ = self._import

    def _refuse(self, name, *_):
        raise AssertionError("imported: %r" % name)


class LazyTest(unittest.TestCase):
    def load(self, code):
        with Afresh():
            exec(code, {})
            return loaded()

    def test_a_package_loads_nothing_by_itself(self):
        self.assertEqual(self.load("import atport"), ["atport", "atport.lazy"])
        self.assertEqual(self.load("import lexi"), ["atport", "atport.lazy", "lexi"])
        self.assertEqual(
            self.load("import lexi.recovery"), ["atport", "atport.lazy", "lexi", "lexi.recovery"]
        )

    def test_lwm2m_stands_alone(self):
        self.assertEqual(self.load("import lwm2m"), ["lwm2m"])
        code = "import lwm2m.client, lwm2m.udp, lwm2m.ipso, lwm2m.device, lwm2m.describe"
        names = self.load(code)
        self.assertTrue("lwm2m.client" in names)
        self.assertEqual([name for name in names if not name.startswith("lwm2m")], [])
        for name in os.listdir("lib/lwm2m"):
            with open("lib/lwm2m/" + name) as file:
                text = file.read()
            for other in ("atport", "lexi", "machine"):
                self.assertFalse("import " + other in text or "from " + other in text, name)
            if name not in ("udp.py", "wiring.py"):
                self.assertFalse("import time" in text or "import socket" in text, name)

    def test_a_room_loads_no_room_below_it(self):
        for code, absent in (
            ("import atport.channel, atport.aio, atport.blocking", ("lexi", "atport.raw")),
            ("from lexi import codes", ("lexi.registry", "atport.channel")),
            ("import lexi.sockets", ("lexi.registry", "lexi.monitor", "lexi.commands")),
            ("import lexi.power", ("lexi.registry", "lexi.monitor", "lexi.commands")),
            ("import lexi.transport", ("lexi.registry", "lexi.commands", "lexi.network")),
            ("import lexi.network", ("lexi.registry", "lexi.commands", "lexi.sockets")),
            ("from lexi import AtError", ("lexi.facade", "lexi.registry")),
            ("import lexi.commands", ("lexi.registry", "lexi.monitor", "lexi.config")),
            ("import lexi.registry", ("lexi.monitor", "lexi.commands", "lexi.describe")),
            ("from lexi import Lexi", ("lexi.recovery", "lexi.config", "lexi.describe")),
            ("import lexi.blocking", ("lexi.recovery", "atport.aio", "asyncio")),
            ("from lexi.recovery import policy", ("lexi.facade", "lexi.recovery.policy_check")),
            ("from lexi.recovery import ladder", ("lexi.facade", "lexi.recovery.store")),
            ("import lwm2m.client", ("lwm2m.udp", "lwm2m.ipso", "lwm2m.aio", "lwm2m.wiring")),
            ("import lwm2m.ipso", ("lwm2m.client", "lwm2m.content")),
        ):
            names = self.load(code)
            for name in absent:
                self.assertFalse(name in names, "%s: %s" % (code, name))

    def test_names_are_those_of_their_files(self):
        import atport
        import lexi
        from atport import channel, errors
        from lexi import facade
        from lexi.recovery import Supervisor, supervisor

        self.assertIs(atport.Channel, channel.Channel)
        self.assertIs(lexi.Lexi, facade.Lexi)
        self.assertIs(lexi.CmeError, errors.CmeError)
        self.assertIs(Supervisor, supervisor.Supervisor)
        for package in (atport, lexi):
            with self.assertRaises(AttributeError):
                package.nothing
            self.assertFalse(hasattr(package, "nothing"))

    def test_every_file_is_a_name_of_its_package(self):
        for folder in ("atport", "lexi", "lexi/recovery", "lwm2m"):
            with Afresh():
                package = __import__(folder.replace("/", "."), None, None, ("x",))
                for name in os.listdir("lib/" + folder):
                    name = name[:-3] if name.endswith(".py") else name
                    if name[0] != "_":
                        self.assertTrue(hasattr(package, name), folder + " " + name)

    def test_what_checks_a_policy_does_not_stay(self):
        for mine in (dict(policy.DEFAULT), dict(policy.DEFAULT, bound_s=1), {}):
            try:
                policy.check_policy(mine)
            except ValueError:
                pass
            self.assertFalse("lexi.recovery.policy_check" in sys.modules)


class StartedTest(unittest.TestCase):
    def test_nothing_is_imported_after_start(self):
        async def script(node, module):
            await node.live(500)
            lexi = node.lexi_core()
            with NothingImported():
                for what in ("trouble", "refused", "gap", "disabled", "fota", "mute"):
                    if what == "trouble":
                        module.status(721, 4)
                    elif what == "refused":
                        module.refused = {b"AT+ULWM2MREG=721": ERROR, b"AT+CGACT?": ERROR}
                        module.status(721, 4)
                    elif what == "gap":
                        module.refused = {}
                        module.register()
                        module.line(b"+ULWM2MSTAT: 1,\xff,3")
                    elif what == "disabled":
                        module.rows[721] = module.rows[721][:-1] + b"1"
                        module.status(721, 4)
                    elif what == "fota":
                        module.register()
                        module.urc(b'3,721,"/5/0/3"')
                    else:
                        module.mute = True
                    await node.live(3000)
                    lexi.registry.server(721)
                    lexi.registered(721)
                    lexi.alive(60)
                    if what != "mute":
                        asked = node.lexi.channel.command("AT+CSQ")
                        if node.name == "asyncio":
                            await asked
            texts = [repr(node.watcher.last_error), repr(lexi.monitor.last_error)]
            self.assertFalse("imported" in "".join(texts), texts)
            self.assertTrue(node.done())

        both(script, reset="plain")
