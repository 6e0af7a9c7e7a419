# What an application is told, by number: on_event(client, event, detail). For reading programs by;
# lwm2m itself does not load this. describe.py has the words.

from micropython import const

# detail: None, or what is said here.
REGISTERED = const(1)  # a new registration: what was observed before is gone at the server
UPDATED = const(2)
DEREGISTERED = const(3)
DISABLED = const(4)  # by the server, for the time of /1/x/5
REFUSED = const(5)  # a Register failed: the code, 0 for no answer. The next one comes by itself
REGISTRATION_LOST = const(6)  # an Update failed: the code, 0 for no answer. A Register follows
SOCKET_REBUILT = const(7)
OBSERVED = const(10)  # the path, as (3300, 0, 5700); so are those of 11, 12, 15, 16
CANCELLED = const(11)  # an observation ended: by the server, or what it was about is gone
OBSERVATION_LOST = const(12)  # the server did not know it any more, or did not answer
SENT = const(13)  # a Send was answered with 2.04
SEND_FAILED = const(14)  # a Send: the code, 0 for no answer
STALE = const(15)  # no report of a watched path was confirmed in time
WRITTEN = const(16)  # into the instance of object 1
