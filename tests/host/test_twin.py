"""The bytecode twin of the byte machine is the same text as the machine code."""

import twin


def test_twin_is_up_to_date():
    native = (twin.LEXI / "_native.py").read_text()
    assert (twin.LEXI / "_bytecode.py").read_text() == twin.twin(native), "run `make twin`"


def test_twin_differs_only_in_what_asks_for_machine_code():
    source = (
        "import micropython\nx = 1\n\n\n@micropython.viper\ndef f(a: ptr8) -> int:\n    pass\n"
    )
    assert twin.twin(source) == twin.HEADER + "x = 1\n\n\ndef f(a: ptr8) -> int:\n    pass\n"
