# Heap of an LwM2M client with objects 1, 3 and 3300, step by step up to its registration; see
# startup.py, as which the WebAssembly port runs it.

_SERVER = """
class Server:
    answer = b""
    def send(self, buf, n):
        self.answer = b"\\x61\\x41" + bytes(buf[2:5]) + b"\\x82rd\\x0a0123456789"
        self.on_sent(buf[2] << 8 | buf[3])
        return True
    def recv_into(self, buf):
        answer, self.answer = self.answer, b""
        buf[: len(answer)] = answer
        return len(answer)
server = Server()
"""
_CLIENT = """
sensor = lwm2m.ipso.Sensor(units="Cel")
sensor.set(21.5)
objects = lwm2m.objects.Objects(sensor, lwm2m.device.device({0: "Maker", 1: "Model"}))
client = lwm2m.client.Client(server, "urn:imei:350000000000000", objects)
"""

STEPS = (
    ("server", _SERVER),
    ("import lwm2m", "import lwm2m.client, lwm2m.ipso, lwm2m.device"),
    ("Client()", _CLIENT),
    ("registered", "client.start()\nclient.step()\nclient.step()\nassert client.is_registered()"),
)

space = {}


def do(i):
    """Do step i."""
    exec(STEPS[i][1], space)
