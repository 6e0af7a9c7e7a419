# Picks the byte machine: machine code where this port can run it, else its bytecode twin.

try:
    from ._native import advance, append, find, fold

    NATIVE = True
except (ImportError, SyntaxError, ValueError, NotImplementedError):
    # Not installed; no emitter; .mpy of another CPU.
    from ._bytecode import advance, append, find, fold

    NATIVE = False
