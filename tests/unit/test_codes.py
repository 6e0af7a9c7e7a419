# Every number of the manual's tables has its name and class; all others are unknown.

import unittest

import harness
from lexi import codes, config, describe

# manual: <status>, <server_status>; the classes are the library's
STATUS = (
    (0, "deregistered", codes.IDLE, False),
    (1, "registration hold", codes.PROGRESS, False),
    (2, "registration pending", codes.PROGRESS, False),
    (3, "registration success", codes.GOOD, True),
    (4, "registration failed", codes.FAILED, False),
    (5, "registration update pending", codes.GOOD, True),
    (6, "registration update needed", codes.GOOD, True),
    (7, "registration full update needed", codes.GOOD, True),
    (8, "deregistration needed", codes.PROGRESS, False),
    (9, "deregistration pending", codes.PROGRESS, False),
    (10, "bootstrap hold off", codes.PROGRESS, False),
    (11, "bootstrap initiated", codes.PROGRESS, False),
    (12, "bootstrap pending", codes.PROGRESS, False),
    (13, "bootstrap finishing", codes.PROGRESS, False),
    (14, "bootstrap finished", codes.PROGRESS, False),
    (15, "bootstrap failing", codes.FAILED, False),
    (16, "bootstrap failed", codes.FAILED, False),
    (19, "bootstrap retrying", codes.PROGRESS, False),
)
EVENTS = (
    (codes.BOOTSTRAP, 0, "bootstrap status"),
    (codes.REGISTRATION, 1, "registration status"),
    (codes.TIMER, 2, "time to update"),
    (codes.NOTIFICATION, 3, "notification"),
    (codes.CLIENT, 4, "client status"),
    (codes.INIT, 5, "client initialization"),
    (codes.CONNECTION, 6, "server connection"),
)
CLIENT_STATUS = (
    "initial",
    "bootstrap required",
    "bootstrapping",
    "registration required",
    "registering",
    "ready",
    "command mode only",
    "client shut down",
)
INIT_STATUS = (
    (1, "initialization started"),
    (2, "initialization finished"),
    (3, "aborted: production mode"),
    (4, "initialization failed"),
)
CONNECTION_STATUS = ("created", "idle", "restored", "closed")


class CodesTest(unittest.TestCase):
    def test_every_status_code_has_its_name_and_class(self):
        for code, name, status_class, registered in STATUS:
            self.assertEqual(describe.status_name(code), name)
            self.assertEqual(codes.status_class(code), status_class, name)
            self.assertEqual(code in codes.REGISTERED, registered, name)
        self.assertEqual(sorted(codes.STATUS), [row[0] for row in STATUS])

    def test_classes_have_names_for_people(self):
        names = [describe.CLASSES[row[2]] for row in STATUS]
        self.assertEqual(names[:5], ["idle", "progress", "progress", "good", "failed"])
        self.assertEqual(describe.CLASSES[codes.UNKNOWN], "unknown")

    def test_status_codes_the_manual_does_not_list_are_unknown(self):
        for code in (17, 18, 20, 98, 100, 255, 65535, 999999999, -1):
            self.assertEqual(describe.status_name(code), "unknown (%d)" % code)
            self.assertEqual(codes.status_class(code), codes.UNKNOWN, code)
            self.assertFalse(code in codes.REGISTERED, code)

    def test_no_code_says_that_nothing_is_known_yet(self):
        self.assertEqual(describe.status_name(codes.NO_CODE), "not known yet")
        self.assertEqual(codes.status_class(codes.NO_CODE), codes.UNKNOWN)
        self.assertFalse(codes.NO_CODE in codes.STATUS)
        self.assertFalse(codes.NO_CODE in codes.REGISTERED)

    def test_every_event_has_its_number_and_name(self):
        for event, number, name in EVENTS:
            self.assertEqual(event, number, name)
            self.assertEqual(describe.name(describe.EVENTS, event), name)

    def test_client_initialization_and_connection_status_have_their_names(self):
        for status, name in enumerate(CLIENT_STATUS):
            self.assertEqual(describe.name(describe.CLIENT_STATUS, status), name)
        for status, name in INIT_STATUS:
            self.assertEqual(describe.name(describe.INIT_STATUS, status), name)
        for status, name in enumerate(CONNECTION_STATUS):
            self.assertEqual(describe.name(describe.CONNECTION_STATUS, status), name)
        self.assertEqual(codes.INIT_STARTED, 1)

    def test_numbers_outside_of_a_table_are_unknown(self):
        tables = (
            (describe.EVENTS, (7, 8, 99, -1)),
            (describe.CLIENT_STATUS, (8, 255, -1)),
            (describe.INIT_STATUS, (0, 5, -1)),
            (describe.CONNECTION_STATUS, (4, 99, -1)),
        )
        for table, numbers in tables:
            for number in numbers:
                self.assertEqual(describe.name(table, number), "unknown (%d)" % number)

    def test_activation_modes_are_the_four_that_the_module_allows(self):
        modes = codes.MODE_ENABLED, codes.MODE_DISABLED, codes.MODE_RESET, codes.MODE_INHIBITED
        self.assertEqual(modes, (0, 1, 2, 3))

    def test_config_table_has_the_twelve_parameters_of_the_manual_in_order(self):
        table = config.FIELDS
        limits = [(row[1], row[2]) for row in table]
        self.assertEqual(len(table), 12)
        # manual: +ULWM2MCONFIG=?, except <server_disabled> 0..2 of which 0 and 1 are allowed
        expected = [(1, 65535), (0, 1), (1, 3), (1, 8), (0, 1), (0, 1), (0, 1), (0, 1)]
        expected += [(0, 86400), (0, 1), (0, 2), (0, 1)]
        self.assertEqual(limits, expected)
        self.assertEqual(table[0][0], "server_id")
        self.assertEqual(table[8][0], "dtls_nat_timer_s")
        self.assertEqual(table[11][0], "server_disabled")


if __name__ == "__main__":
    unittest.main()
