"""How people spell flags, and how the parser of settings wants them."""

import difflib

from experiments.common.deprecated import current_flag
from experiments.common.errors import UserError
from scratchnet.messages import cut


def flag(name):
    return "--" + name.replace("_", "-")


def suggestion(name, known, spelling=str):
    close = difflib.get_close_matches(name, known, 1)
    return f"; did you mean {spelling(close[0])}?" if close else ""


SWITCHES = bool, bool | None, "bool", "bool | None"


def spell(argv, fields):
    """Arguments as the parser knows them: hyphens in flags, `--quick` or `--quick true` for `--quick=true`,
    no flag unknown.
    """
    known = {"help", "config", "print_config", *fields}
    spelled, taken = [], -1
    for i, argument in enumerate(argv):
        if i == taken:
            continue
        if argument == "--":
            return spelled + argv[i:]
        if argument.startswith("--"):
            given, equals, value = argument.partition("=")
            name = given[2:].replace("-", "_")
            if name.startswith("no_") and name not in known and not equals:
                name, equals, value = name[3:], "=", "false"
            name = current_flag(name, known, flag)
            if name not in known:
                raise UserError(f"{cut(given)}: no such flag{suggestion(cut(name), known, flag)}")
            if name in fields and fields[name].type in SWITCHES and not equals:
                words = "true", "false", *(("null",) if "None" in str(fields[name].type) else ())
                follows = argv[i + 1].lower() if argv[i + 1 : i + 2] else ""
                value, taken = (follows, i + 1) if follows in words else ("true", taken)
                equals = "="
            argument = flag(name) + equals + value
        spelled.append(argument)
    return spelled
