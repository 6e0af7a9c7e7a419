"""The verbs of a scenario file and of the control port: one table, one parser.

A verb's parser takes the words after it and returns what to do to the module. It raises
VerbError when the words make no sense, so a scenario is checked before it is played. The verbs
are in the files named after their subject.
"""

import json
import shlex

from . import client_verbs, line_verbs, module_verbs, socket_verbs
from .history import as_json
from .verb import Verb, VerbError, need, number

VERBS = {
    **client_verbs.VERBS,
    **line_verbs.VERBS,
    **module_verbs.VERBS,
    **socket_verbs.VERBS,
}


def parse_verb(line):
    """Return the action of a verb line, a function of the module. Raises VerbError."""
    return _parse(VERBS, line)


def _parse(table, line):
    name, _, rest = line.strip().partition(" ")
    rest = rest.strip()
    if name not in table:
        raise VerbError(f"unknown verb {name!r}; one of: {', '.join(table)}")
    verb = table[name]
    try:
        words = shlex.split(rest)
    except ValueError:
        raise VerbError(f"unbalanced quote; expected: {verb.usage}") from None
    return verb.parse(words, rest, verb.usage)


def _ask_state(words, rest, usage):
    need(not words, usage)
    return lambda module: json.dumps(module.state())


def _ask_history(words, rest, usage):
    need(len(words) <= 1, usage)
    since_s = number(words[0], usage) if words else 0.0

    def answer(module):
        entries = [as_json(entry) for entry in module.history if entry[0] >= since_s]
        return "\n".join([*entries, "ok"])

    return answer


def _ask_help(words, rest, usage):
    need(not words, usage)
    usages = [verb.usage for table in (QUERIES, VERBS) for verb in table.values()]
    return lambda module: "; ".join(usages)


# What only the control port knows: as a verb, but the parser returns what makes the answer.
QUERIES = {
    "state": Verb("state", "the true state, one line of JSON", _ask_state),
    "history": Verb(
        "history [since_s]",
        "what happened since a module time: a JSON array per line, then ok",
        _ask_history,
    ),
    "help": Verb("help", "the verbs, one line", _ask_help),
}


def run_verb(module, line):
    """Run one line of the control port and return its answer without the last line end.

    A verb answers `ok`, a query of QUERIES what it is asked; both `error: <why>` if they fail.
    """
    line = line.strip()
    try:
        if line.partition(" ")[0] in QUERIES:
            return _parse(QUERIES, line)(module)
        action = parse_verb(line)
        module.note(f"control: {line}")
        module.record("verb", line)
        action(module)
    except VerbError as error:
        return f"error: {error}"
    return "ok"
