# A store in the RTC memory of an ESP32.

from atport.errors import check


class RtcStore:
    """RTC memory of an ESP32: survives resets and deep sleep, is never worn, lost with power.

    rtc: machine.RTC(). offset: of the record, if the application keeps something before it.
    After power-up it is empty, which counts as a record that was lost: the first
    re-registration then comes an hour later, the first reset a day later. The RTC runs on: pass
    wall=time.time. A PIN is not entered with it: whether it was refused before would be lost.
    """

    lost_with_power = True
    writes_flash = False

    def __init__(self, rtc=None, offset=0):
        if rtc is None:
            import machine

            rtc = machine.RTC()
        if not callable(getattr(rtc, "memory", None)):
            raise ValueError("rtc: %r has no memory(), expected the RTC of an ESP32" % (rtc,))
        self._rtc = rtc
        self._offset = check("offset", offset, 0, 2048)

    def load(self):
        return bytes(self._rtc.memory()[self._offset :])

    def save(self, data):
        """Raises OSError when the memory is too small."""
        kept = bytes(self._rtc.memory()[: self._offset])
        try:
            self._rtc.memory(kept + bytes(self._offset - len(kept)) + data)
        except ValueError:
            raise OSError("RTC memory: no room for %d bytes" % (self._offset + len(data)))
