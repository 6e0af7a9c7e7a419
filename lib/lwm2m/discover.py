# Lists of links (RFC 6690): what Register tells of the objects, and the answer to Discover.

from lwm2m.objects import MULTIPLE
from lwm2m.senml import put


def links(buf, at, objects, version):
    """Write the links of a registration; return where they end."""
    at = put(buf, at, b'</>;rt="oma.lwm2m"')
    if version != "1.0":
        at = put(buf, at, b';ct="60 112 11542"')
    oid = -1
    for instance in objects.all:
        if instance.oid != oid:
            oid = instance.oid
            if instance.table[1]:
                at = put(buf, at, b",</%d>;ver=%s" % (oid, instance.table[1].encode()))
        at = put(buf, at, b",</%d/%d>" % (oid, instance.iid))
    return at


def render(buf, at, objects, attributes, path, depth):
    """Write the answer to Discover on an object, an instance or a resource."""
    path = tuple(path[:depth])
    if depth == 3:
        return _resource(buf, at, objects.find(path[0], path[1]), path, attributes, True)
    begin = at
    for instance in objects.all:
        if instance.oid != path[0] or (depth == 2 and instance.iid != path[1]):
            continue
        if at == begin and depth == 1:
            version = instance.table[1]
            text = "</%d>%s" % (instance.oid, ";ver=" + version if version else "")
            at = put(buf, at, (text + attributes.text(path)).encode())
        here = (instance.oid, instance.iid)
        text = ("," if at > begin else "") + "</%d/%d>" % here + attributes.text(here)
        at = put(buf, at, text.encode())
        for entry in instance.table[3]:
            if exists(instance, entry):
                buf[at] = 44
                at = _resource(
                    buf, at + 1, instance, (here[0], here[1], entry >> 8), attributes, False
                )
    return at


def exists(instance, entry):
    """Say whether an instance has a resource of its object; entry: of the table."""
    rid = entry >> 8
    return instance.values.get(rid) is not None or rid in instance.actions


def _resource(buf, at, instance, path, attributes, whole):
    value = instance.get(path[2])
    many = instance.entry(path[2]) & MULTIPLE and value is not None
    text = "</%d/%d/%d>" % path
    if many:
        text += ";dim=%d" % len(value)
    at = put(buf, at, (text + attributes.text(path, whole)).encode())
    if many and whole:
        for riid in sorted(value):
            here = (path[0], path[1], path[2], riid)
            text = ",</%d/%d/%d/%d>" % here
            at = put(buf, at, (text + attributes.text(here)).encode())
    return at
