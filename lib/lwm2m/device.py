# Objects 3 (Device) and 4 (Connectivity Monitoring).
#
# Their versions are told, as Leshan does: it knows no older ones of these (LwM2M 1.1 has 1.1 and
# 1.2), and then takes numbers in TLV for bytes.
#
# A node without a clock must not report 3/0/13: give it as a function when there is one.

from lwm2m.objects import INTEGER, MULTIPLE, STRING, TIME, E, Instance, R, W

DEVICE = (
    3,
    "1.2",
    True,
    (
        0 << 8 | R | STRING,  # manufacturer
        1 << 8 | R | STRING,  # model
        2 << 8 | R | STRING,  # serial number
        3 << 8 | R | STRING,  # firmware version
        4 << 8 | E,  # reboot
        5 << 8 | E,  # factory reset
        6 << 8 | R | MULTIPLE | INTEGER,  # power sources
        7 << 8 | R | MULTIPLE | INTEGER,  # their voltage, mV
        8 << 8 | R | MULTIPLE | INTEGER,  # their current, mA
        9 << 8 | R | INTEGER,  # battery, %
        10 << 8 | R | INTEGER,  # free memory, kB
        11 << 8 | R | MULTIPLE | INTEGER,  # error codes; 0: none
        12 << 8 | E,  # reset the error codes
        13 << 8 | R | W | TIME,  # time of day, Unix seconds
        14 << 8 | R | W | STRING,  # offset to UTC
        15 << 8 | R | W | STRING,  # time zone
        16 << 8 | R | STRING,  # bindings
        17 << 8 | R | STRING,  # type of device
        18 << 8 | R | STRING,  # hardware version
        19 << 8 | R | STRING,  # software version
    ),
)

CONNECTIVITY = (
    4,
    "1.3",
    True,
    (
        0 << 8 | R | INTEGER,  # bearer: 6 LTE, 7 NB-IoT, 21 WLAN
        1 << 8 | R | MULTIPLE | INTEGER,  # bearers there are
        2 << 8 | R | INTEGER,  # signal, dBm
        3 << 8 | R | INTEGER,  # quality
        4 << 8 | R | MULTIPLE | STRING,  # IP addresses
        7 << 8 | R | MULTIPLE | STRING,  # APN
        8 << 8 | R | INTEGER,  # cell
        9 << 8 | R | INTEGER,  # MNC
        10 << 8 | R | INTEGER,  # MCC
    ),
)


def device(values=None, reboot=None):
    """Return the instance of object 3.

    values: {resource id: value}, as {0: "Maker", 1: "model", 3: "1.0.2"}. reboot: called without
    arguments some seconds after a server asked for it, so that it gets its answer; without it the
    answer is 4.05. ValueError as of Instance.
    """
    instance = Instance(DEVICE, 0, {11: {0: 0}, 16: "U"})
    for rid in values or ():
        instance.put(rid, values[rid])
    instance.reboot = reboot
    instance.actions[12] = lambda arguments: instance.put(11, {0: 0})
    return instance
