"""Scenario files: what happens when, one step per line.

    # comment
    12.5  lose 721          at 12.5 module seconds after the start
    +5    reboot silent     5 seconds after the step above

`#` begins a comment at the start of a line or after a blank, outside quotes. The verbs are in
`control.py`. The whole file is checked before anything is played.
"""

import re
from dataclasses import dataclass

from .control import VerbError, parse_verb

_STEP = re.compile(r"(\S+)\s+(.*)")
_TIME = re.compile(r"(\+?)([0-9]+(?:\.[0-9]*)?|\.[0-9]+)")
_EXPECTED = "<time_s>|+<time_s> <verb> [arguments]"


class ScenarioError(ValueError):
    """A line of a scenario is wrong; the text names the line and what was expected."""


@dataclass(frozen=True)
class Step:
    """At module time `at_s`, `action(module)`."""

    at_s: float
    action: object
    text: str


def parse_scenario(text, name="scenario"):
    """Return the Steps of a scenario text in order of time. Raises ScenarioError."""
    steps = []
    previous_s = 0.0
    for number, line in enumerate(text.splitlines(), 1):
        content = _without_comment(line).strip()
        if not content:
            continue
        try:
            step = _parse_step(content, previous_s)
        except VerbError as error:
            raise ScenarioError(f"{name}, line {number}: {error}") from None
        previous_s = step.at_s
        steps.append(step)
    return sorted(steps, key=lambda step: step.at_s)


def _without_comment(line):
    quoted = False
    for index, char in enumerate(line):
        if char == '"':
            quoted = not quoted
        elif char == "#" and not quoted and (index == 0 or line[index - 1].isspace()):
            return line[:index]
    return line


def _parse_step(content, previous_s):
    match = _STEP.fullmatch(content)
    if match is None:
        raise VerbError(f"{content!r} has no verb; expected: {_EXPECTED}")
    time, verb_line = match.groups()
    time_match = _TIME.fullmatch(time)
    if time_match is None:
        raise VerbError(f"{time!r} is not a time; expected: {_EXPECTED}")
    relative, seconds = time_match.groups()
    at_s = float(seconds) + (previous_s if relative else 0.0)
    return Step(at_s, parse_verb(verb_line), content)
