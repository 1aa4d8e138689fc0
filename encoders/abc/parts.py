"""The order of parts: P:A2(BC)3 in the header of an ABC tune.

Source: the ABC music standard 2.1, section 3.1.9.
"""

import re

from .events import quoted

MOST_PARTS = 1000  # of an order, with all repeats
_SIGN = re.compile(r"([A-Za-z()])([0-9]{1,4})?|[.\s]+|(.)", re.DOTALL)


def parse_order(text: str) -> str:
    """The order in which parts sound.

    Parameters
    ----------
    text : str, such as "ABA", "A2.B3" or "((AB)3C)2"

    Returns
    -------
    str, a letter for each part that sounds

    Raises
    ------
    ValueError
        If it is not such an order, or has more than MOST_PARTS parts.
    """
    wrong = ValueError(f"expected an order of parts like 'AAB' or '(AB)3', got {quoted(text)}")
    groups = [""]
    for sign, number, other in _SIGN.findall(text):
        if other or sign == "(" and number:
            raise wrong
        if sign == "(":
            groups.append("")
            continue
        if sign == ")":
            if len(groups) == 1:
                raise wrong
            sign = groups.pop()
        times = int(number or 1)
        if len(groups[-1]) + len(sign) * times > MOST_PARTS:
            raise ValueError(f"expected an order of at most {MOST_PARTS} parts, got {quoted(text)}")
        groups[-1] += sign * times
    if len(groups) > 1 or not groups[0]:
        raise wrong
    return groups[0]
