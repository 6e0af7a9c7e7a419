# An LwM2M client for MicroPython over any datagram transport. Nothing is loaded before it is named:
# Client, Objects, Instance, Sensor, UdpTransport, and every file of this folder.

_NAMES = {
    "Client": "client",
    "Instance": "objects",
    "Objects": "objects",
    "Sensor": "ipso",
    "UdpTransport": "udp",
}
_FILES = (
    " aio attributes client coap content describe device discover events evidence ipso notify"
    " objects observation registration reliable requests sending senml tlv udp wiring write "
)


def __getattr__(name):
    file = _NAMES.get(name, name)
    if " %s " % file not in _FILES:
        raise AttributeError(name)
    value = __import__("lwm2m." + file, None, None, (name,))
    if file is not name:
        value = getattr(value, name)
    globals()[name] = value
    return value
