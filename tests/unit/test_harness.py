# The harness itself: a test that cannot fail proves nothing.

import unittest

import harness


class HarnessTest(unittest.TestCase):
    def test_without_heap_catches_an_allocation(self):
        with self.assertRaises(MemoryError):
            harness.without_heap(lambda: bytearray(1))

    def test_blocking_and_asyncio_bring_the_scripted_module_up(self):
        answers = {
            b"AT+ULWM2MSTAT?": b"\r\n+ULWM2MSTAT: 0,1\r\n\r\nOK\r\n",
            b"AT+ULWM2M?": b"\r\n+ULWM2M: 0\r\n\r\nOK\r\n",
            b"AT+ULWM2MREG=?": b"\r\n+ULWM2MREG: (0,721)\r\n\r\nOK\r\n",
            b"AT+ULWM2MREG?": b"\r\n+ULWM2MREG: 721,3,175\r\n\r\nOK\r\n",
        }
        first = harness.FakeStream(answers=answers)
        lexi = harness.make_lexi(first)
        lexi.start()
        self.assertTrue(lexi.registered(721))

        second = harness.FakeStream(answers=answers)
        lexi = harness.make_aio_lexi(second)

        async def main():
            await lexi.start()
            result = await lexi.wait_registered(721, 60)
            lexi.stop()
            return result

        self.assertTrue(harness.run_asyncio(main(), second))
        self.assertEqual(first.commands, second.commands)
        self.assertIn(b"AT+ULWM2MSTAT=1,7", first.commands)


if __name__ == "__main__":
    unittest.main()
