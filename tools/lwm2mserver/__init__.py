"""A small LwM2M server over aiocoap, and a relay that loses, doubles and delays datagrams.

It is for the tests and the demo of lib/lwm2m, and shares no code with it. `python -m lwm2mserver`
prints what clients do and report.
"""

from .relay import Relay
from .server import Registered, Server

__all__ = ["Registered", "Relay", "Server"]
