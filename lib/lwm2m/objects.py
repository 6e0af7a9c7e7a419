# Objects and their instances. An object is a table; an instance holds the values.
#
# A table is (object id, version or None, single, resources): version None is that of the enabler,
# single says that there is one instance only, resources are numbers in rising order, each
# resource id << 8 | operations | type. One more object is one table:
#
#     LOCATION = (6, None, True, (0 << 8 | R | FLOAT, 1 << 8 | R | FLOAT, 5 << 8 | R | TIME))
#     position = Instance(LOCATION, 0, {0: 52.1, 1: 13.4})
#
# Nothing here knows of messages or formats.

from micropython import const

# Types of values, and what they are in Python.
STRING = const(1)  # str
INTEGER = const(2)  # int
UNSIGNED = const(3)  # int, not negative
FLOAT = const(4)  # float, or int
BOOLEAN = const(5)  # bool
OPAQUE = const(6)  # bytes
TIME = const(7)  # int, Unix seconds
OBJLNK = const(8)  # (object id, instance id)
_KIND = const(15)

# Operations; a multiple resource has a dict {resource instance id: value}.
R = const(0x10)
W = const(0x20)
E = const(0x40)
MULTIPLE = const(0x80)

_TYPES = (None, str, int, int, (int, float), bool, (bytes, bytearray), int, tuple)

_MOST_ID = const(65534)

# Server, LwM2M 1.1. 17 to 20 (retries) and 16 are configuration of registration.py.
SERVER = (
    1,
    None,
    False,
    (
        0 << 8 | R | INTEGER,  # short server id
        1 << 8 | R | W | INTEGER,  # lifetime, s
        2 << 8 | R | W | INTEGER,  # default pmin, s
        3 << 8 | R | W | INTEGER,  # default pmax, s
        4 << 8 | E,  # disable
        5 << 8 | R | W | INTEGER,  # disable timeout, s
        6 << 8 | R | W | BOOLEAN,  # keep notifications while offline
        7 << 8 | R | W | STRING,  # binding
        8 << 8 | E,  # registration update trigger
        23 << 8 | R | W | BOOLEAN,  # mute Send
    ),
)


def kind_ok(kind, value):
    """Say whether a value is of a type."""
    if not isinstance(value, _TYPES[kind]) or (kind != BOOLEAN and isinstance(value, bool)):
        return False
    return kind != UNSIGNED or value >= 0


def differ(old, new):
    """Say whether a value is another one; NaN is as NaN was."""
    return old != new and (old == old or new == new)  # noqa: PLR0124 - of strings too


class Instance:
    """An object instance.

    table: of the object. values: {resource id: value, or a function without arguments that returns
    it}. actions: {resource id of an executable: function(arguments as bytes); what it returns is
    the code of the answer, None is 2.04, and 0 means that Client.reply() will answer}. check: a
    function(resource id, value) that says whether a server may write this; nothing is written
    when one of several values is refused. wrote: a function(resource id), after a server wrote.

    ValueError: an id, a resource or a value that the table does not have.
    """

    def __init__(self, table, iid=0, values=None, actions=None, check=None, wrote=None):
        if not 0 <= iid <= _MOST_ID or (table[2] and iid):
            raise ValueError("instance id %r of object %d: wants 0" % (iid, table[0]))
        self.table = table
        self.oid = table[0]
        self.iid = iid
        self.values = {}
        self.actions = actions or {}
        self.check = check
        self.wrote = wrote
        self.owner = None  # the Objects that it is in
        for rid in values or ():
            self.put(rid, values[rid])
        # What writable resources become when a server replaces the instance without naming them.
        self.defaults = {}
        for rid in self.values:
            if self.entry(rid) & W:
                self.defaults[rid] = self.values[rid]

    def entry(self, rid):
        """Return operations and type of a resource, 0 when the object does not have it."""
        for entry in self.table[3]:
            if entry >> 8 == rid:
                return entry & 0xFF
        return 0

    def get(self, rid, missing=None):
        """Return the value of a resource."""
        value = self.values.get(rid, missing)
        return value() if callable(value) else value

    def put(self, rid, value):
        """Change a value, and report it if somebody observes it; None removes it.

        ValueError: the object has no such resource, or the value is of another type.
        """
        entry = self.entry(rid)
        if value is not None and not callable(value):
            many = value.values() if entry & MULTIPLE and isinstance(value, dict) else (value,)
            for one in many:
                if not entry & _KIND or (entry & MULTIPLE and many == (value,)):
                    entry = 0
                if not entry or not kind_ok(entry & _KIND, one):
                    raise ValueError("/%d/%d/%d = %r" % (self.oid, self.iid, rid, value))
        self.change(rid, value)

    def change(self, rid, value):
        """As put(), but the value is known to be right."""
        old = self.values.get(rid)
        if value is None:
            self.values.pop(rid, None)
        else:
            self.values[rid] = value
        if self.owner and callable(value):
            value = value()
        self.tell(rid, value, differ(old, value))

    def tell(self, rid, value, changed=True):
        """Tell who observes that a value was set, or that what a function returns has changed."""
        if self.owner is not None:
            for watcher in self.owner.watchers:
                watcher(self, rid, value, changed)


class Objects:
    """The object instances of a client, in the order of their ids."""

    def __init__(self, *instances):
        self.all = []
        self.watchers = []  # of values: functions (instance, resource id, value, changed)
        self.links = 0  # grows when instances are added or removed
        for instance in instances:
            self.add(instance)

    def add(self, instance):
        """Add an instance. ValueError: its ids are taken."""
        key = (instance.oid, instance.iid)
        at = 0
        for other in self.all:
            if (other.oid, other.iid) == key:
                raise ValueError("/%d/%d is there already" % key)
            if (other.oid, other.iid) < key:
                at += 1
        self.all.insert(at, instance)
        instance.owner = self
        self.links += 1

    def remove(self, instance):
        """Remove an instance."""
        self.all.remove(instance)
        instance.owner = None
        self.links += 1

    def find(self, oid, iid=-1):
        """Return an instance, or the first of an object; None when there is none."""
        for instance in self.all:
            if instance.oid == oid and (iid < 0 or instance.iid == iid):
                return instance
        return None
