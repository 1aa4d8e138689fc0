"""A look at a YAML file of settings before it is built: names, with a value or a list of values each.

YAML can say more, also what takes for ever to read, or holds itself.
"""

import os

from experiments.common.errors import UserError, import_extra
from scratchnet.messages import brief

MOST_BYTES = 2**22  # more than a command line can say
MOST_TEXT = 2**17  # characters of a value; as many as an argument may have


def read_names(path):
    """The names of the settings in a file; a broken or empty file has none, and its reader will say so.

    Raises
    ------
    UserError
        If the file is too large, or says what no setting can be.
    OSError
        If it cannot be read.
    """
    with open(path, "rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise UserError(f"{os.fspath(path)}: expected a YAML file of settings, of at most {MOST_BYTES} bytes")
    try:
        return _names(content.decode("utf-8-sig"))
    except UserError as error:
        raise UserError(f"{os.fspath(path)}: {error}") from None
    except UnicodeDecodeError:
        raise UserError(f"{os.fspath(path)}: expected a YAML file of settings") from None


def _names(text):
    yaml = import_extra("yaml")
    names, depth, place = [], 0, 0
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if getattr(event, "anchor", None) is not None:
                raise UserError(f"expected values without YAML's & and *, got {brief(event.anchor)}")
            if getattr(event, "tag", None) is not None:
                raise UserError(f"expected values without YAML's !, got {brief(event.tag)}")
            if isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
            if depth > 2:
                raise UserError("expected settings like `seed: 3`, got lists in lists")
            if isinstance(event, yaml.ScalarEvent):
                if len(event.value) > MOST_TEXT:
                    raise UserError(
                        f"expected values of at most {MOST_TEXT} characters, got {brief(event.value)}"
                    )
                if depth == 1 and place % 2 == 0:
                    names.append(event.value)
            place += depth == 1 and isinstance(event, (yaml.ScalarEvent, yaml.CollectionEndEvent))
    except yaml.YAMLError:
        return []
    return names
