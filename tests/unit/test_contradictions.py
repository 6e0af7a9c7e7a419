# Where the manual contradicts itself, the library does the safe thing. One test per contradiction.

import unittest

import harness
from lexi import codes, describe

OK = b"\r\nOK\r\n"
ROW = b"721,0,2,1,1,0,0,0,40,0,0,0"


def info(*lines):
    return b"".join(b"\r\n" + line + b"\r\n" for line in lines) + OK


ANSWERS = {
    b"AT+ULWM2MSTAT?": info(b"+ULWM2MSTAT: 1,7"),
    b"AT+ULWM2M?": info(b"+ULWM2M: 0"),
    b"AT+ULWM2MREG=?": info(b"+ULWM2MREG: (0,721,123)"),
    b"AT+ULWM2MREG?": info(b"+ULWM2MREG: 721,3,175"),
    b"AT+ULWM2MCONFIG?": info(b"+ULWM2MCONFIG: " + ROW),
}


class ContradictionsTest(unittest.TestCase):
    def setUp(self):
        self.stream = harness.FakeStream(answers=dict(ANSWERS))
        self.lexi = harness.make_lexi(self.stream)
        self.registry = self.lexi.registry
        self.lwm2m = self.lexi.lwm2m

    def urc(self, *bodies):
        for body in bodies:
            self.lexi.channel.feed(b"\r\n+ULWM2MSTAT: " + body + b"\r\n")

    def test_status_0_is_listed_but_not_an_allowed_value(self):
        self.urc(b"1,721,3", b"1,721,0")
        server = self.registry.server(721)
        self.assertEqual((server.code, server.name), (0, "deregistered"))
        self.assertEqual(server.status_class, codes.IDLE)
        self.assertFalse(self.registry.registered(721))
        self.assertEqual(self.registry.unknown_codes, 0)

    def test_event_0_is_bootstrap_but_its_example_has_a_registration_code(self):
        self.urc(b"0,721,2")
        server = self.registry.server(721)
        self.assertEqual((server.code, server.name), (2, "registration pending"))
        self.urc(b"0,721,3")
        self.assertTrue(self.registry.registered(721))
        self.urc(b"1,721,12")
        self.assertEqual(self.registry.server(721).name, "bootstrap pending")

    def test_registration_interval_is_for_registered_servers_but_printed_with_status_2(self):
        self.stream.answers[b"AT+ULWM2MREG?"] = info(b"+ULWM2MREG: 721,2,175")
        self.assertEqual(self.lwm2m.registrations(), [(721, 2, 175)])
        self.lexi.monitor.poll()
        self.assertEqual(self.registry.code(721), 2)
        self.assertIsNone(self.registry.server(721).timer_s)
        self.stream.answers[b"AT+ULWM2MREG?"] = info(b"+ULWM2MREG: 721,6,175")
        self.lexi.monitor.poll()
        self.assertEqual(self.registry.server(721).timer_s, 175)

    def test_event_6_is_suspended_and_resumed_but_also_idle_and_restored(self):
        self.urc(b"6,721,1,1254,4588")
        server = self.registry.server(721)
        self.assertEqual(describe.name(describe.CONNECTION_STATUS, server.connection), "idle")
        self.urc(b'6,721,2,"leshan.eclipseprojects.io:5684"')
        server = self.registry.server(721)
        self.assertEqual(describe.name(describe.CONNECTION_STATUS, server.connection), "restored")

    def test_sent_and_received_data_are_in_the_syntax_but_not_supported(self):
        for rest in (b"", b",", b",,", b',"",""', b",0,0", b",-,-"):
            self.setUp()
            self.urc(b"6,721,3" + rest)
            self.assertEqual(self.registry.server(721).connection, 3, rest)
            self.assertEqual(self.lexi.channel.lost, 0, rest)

    def test_activation_mode_3_is_allowed_but_not_in_the_test_answer(self):
        self.stream.answers[b"AT+ULWM2M=?"] = info(b"+ULWM2M: (0-2),(0-1)")
        self.assertEqual(self.lwm2m.mode_limits()[0], ((0, 2),))
        self.lwm2m.inhibit()
        self.assertEqual(self.stream.commands[-1], b"AT+ULWM2M=3")

    def test_mode_1_is_saved_but_nvm_saved_defaults_to_not_saving(self):
        self.lwm2m.disable_for_good()
        self.assertEqual(self.stream.commands, [b"AT+ULWM2M=1,1"])
        self.stream.answers[b"AT+ULWM2M=1,1"] = b"\r\nERROR\r\n"
        self.lwm2m.disable_for_good()
        self.assertEqual(self.stream.commands[1:], [b"AT+ULWM2M=1,1", b"AT+ULWM2M=1"])

    def test_factory_value_of_the_mode_is_1_but_0_under_one_profile(self):
        self.assertIsNone(self.lexi.monitor.mode)  # nothing is assumed
        self.lexi.start()
        self.assertEqual(self.lexi.monitor.mode, 0)
        for line, reboot_needed in ((b"+ULWM2M: 1", True), (b"+ULWM2M: 0", False)):
            self.stream.answers[b"AT+ULWM2M?"] = info(line)
            self.stream.commands.clear()
            self.assertEqual(self.lwm2m.enable(), reboot_needed)
            self.assertEqual(self.stream.commands, [b"AT+ULWM2M?", b"AT+ULWM2M=0"])

    def test_server_0_forces_a_bootstrap_but_is_not_supported(self):
        with self.assertRaises(ValueError):
            self.lwm2m.register(0)
        self.assertEqual(self.stream.written, b"")
        self.assertEqual(self.lwm2m.servers(), [721, 123])  # printed as (0,721,123)

    def test_server_disabled_2_is_in_the_test_answer_but_not_allowed(self):
        with self.assertRaises(ValueError):
            self.lwm2m.change_config(721, server_disabled=2)
        self.assertEqual(self.stream.written, b"")
        self.stream.answers[b"AT+ULWM2MCONFIG?"] = info(b"+ULWM2MCONFIG: " + ROW[:-1] + b"2")
        self.assertEqual(self.lwm2m.configs()[0].server_disabled, 2)
        self.assertEqual(self.lexi.channel.malformed, 0)

    def test_ten_fields_of_the_configuration_are_set_but_not_effective(self):
        values = b"721,1,3,8,1,1,1,1,86400,1,2,"
        self.stream.answers[b"AT+ULWM2MCONFIG?"] = info(b"+ULWM2MCONFIG: " + values + b"0")
        self.lwm2m.change_config(721, server_disabled=1)
        self.assertEqual(self.stream.commands[-1], b"AT+ULWM2MCONFIG=" + values + b"1")

    def test_reg_upd_at_psm_exit_is_an_update_by_name_but_a_registration_by_text(self):
        self.lexi.start()
        self.urc(b"5,1")
        for _ in range(20):
            self.lexi.poll(1000)
        self.assertTrue(len(self.stream.commands) > 15)
        for command in self.stream.commands:  # nothing relies on it
            self.assertFalse(b"CONFIG" in command, command)

    def test_urc_setting_is_not_saved_by_its_attributes_but_in_nvm(self):
        for setting, armed_again in ((b"0,1", True), (b"1,7", False)):
            self.setUp()
            self.lexi.start()
            self.stream.answers[b"AT+ULWM2MSTAT?"] = info(b"+ULWM2MSTAT: " + setting)
            self.stream.commands.clear()
            self.urc(b"5,1")
            self.lexi.poll(1000)
            self.assertTrue(b"AT+ULWM2MSTAT?" in self.stream.commands)
            self.assertEqual(b"AT+ULWM2MSTAT=1,7" in self.stream.commands, armed_again)

    def test_configuration_is_printed_over_many_lines_but_is_one(self):
        self.lwm2m.set_config([721, 0, 2, 1, 1, 0, 0, 0, 40, 0, 0, 0])
        self.assertEqual(self.stream.written, b"AT+ULWM2MCONFIG=" + ROW + b"\r")
        other = b"+ULWM2MCONFIG: 123,0,1,1,0,0,0,0,40,0,0,0"
        self.stream.answers[b"AT+ULWM2MCONFIG?"] = info(b"+ULWM2MCONFIG: " + ROW, other)
        self.assertEqual([row.server_id for row in self.lwm2m.configs()], [721, 123])

    def test_param2_is_a_string_by_type_but_a_number_in_the_examples(self):
        for body in (b"1,721,3", b'1,721,"3"', b'1,"721","3"'):
            self.setUp()
            self.urc(body)
            self.assertEqual(self.registry.code(721), 3, body)
        for body in (b"2,721,10", b'2,721,"10"'):
            self.urc(body)
            self.assertEqual(self.registry.server(721).timer_s, 10, body)
            self.registry.put(721, 3, 99)

    def test_response_time_65_is_printed_as_an_error_reference(self):
        self.stream.answers[b"AT+ULWM2MREG=721"] = None
        self.stream.send(OK, 65000)  # at the very end of what the manual allows
        self.lwm2m.register(721)
        self.assertEqual(self.lexi.channel.late, 0)

    def test_client_status_ready_is_listed_but_only_shut_down_is_allowed(self):
        self.stream.send(b"\r\n+ULWM2MSTAT: 1,721,3\r\n", 500)  # and no 4,5
        self.assertTrue(self.lexi.wait_registered(721, 1))
        self.assertIsNone(self.registry.client_status)


if __name__ == "__main__":
    unittest.main()
