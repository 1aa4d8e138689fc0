"""A YAML file of settings: names, with a value or a list of values each.

YAML can say more, also what takes for ever to read, or holds itself; so only its words are taken from the
parser, and what they mean is up to the settings (kinds.py).
"""

from experiments.common.errors import UserError, import_extra
from experiments.common.kinds import Quoted
from scratchnet.messages import brief, cut

MOST_BYTES = 2**22  # more than a command line can say
MOST_TEXT = 2**17  # characters of a value; as many as an argument may have
EXPECTED = "expected settings like `seed: 3`, got"


def read_texts(path):
    """The settings in a file: dict of name -> text or list of texts; `Quoted` is text that has quotes.

    Raises UserError if the file is no YAML, is too large, or says what no setting can be; OSError if it
        cannot be read.
    """
    with open(path, "rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise UserError(f"expected a YAML file of settings, of at most {MOST_BYTES} bytes")
    yaml = import_extra("yaml")
    try:
        return _settings(yaml.parse(content.decode("utf-8-sig"), Loader=yaml.SafeLoader), yaml)
    except (UnicodeDecodeError, yaml.YAMLError):
        raise UserError("expected a YAML file of settings") from None


def _settings(events, yaml):
    """The settings that the events of a parser tell of."""
    settings, name, items, begun = {}, None, None, False
    for event in events:
        if getattr(event, "anchor", None) is not None:
            raise UserError(f"expected values without YAML's & and *, got {brief(event.anchor)}")
        if getattr(event, "tag", None) is not None:
            raise UserError(f"expected values without YAML's !, got {brief(event.tag)}")
        if isinstance(event, yaml.ScalarEvent):
            text = _text(event)
            if not begun:
                raise UserError(f"{EXPECTED} {cut(text)}")
            if name is None:
                name = text
            elif items is None:
                settings[name], name = text, None
            else:
                items.append(text)
        elif isinstance(event, yaml.SequenceStartEvent) and name is not None and items is None:
            items = []
        elif isinstance(event, yaml.SequenceEndEvent):
            settings[name], name, items = items, None, None
        elif isinstance(event, yaml.CollectionStartEvent):
            if begun or isinstance(event, yaml.SequenceStartEvent):
                raise UserError(f"{EXPECTED} lists in lists")
            begun = True
        elif isinstance(event, yaml.DocumentStartEvent) and begun:
            raise UserError(f"{EXPECTED} several documents")
    if not begun:
        raise UserError(f"{EXPECTED} nothing")
    return settings


def _text(event):
    """The text of a word; "null" for what YAML calls so."""
    if len(event.value) > MOST_TEXT:
        raise UserError(f"expected values of at most {MOST_TEXT} characters, got {brief(event.value)}")
    if event.style is not None:
        return Quoted(event.value)
    return "null" if event.value.lower() in ("", "~", "null") else event.value
