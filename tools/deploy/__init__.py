"""Puts the library and the node onto a board, over its REPL: `python -m deploy --help`.

What goes there is what lies in lib/ and boards/, as .mpy. What the board has already stays.
"""
