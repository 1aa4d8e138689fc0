"""The sustain pedal: a note goes on after its key is released, until the pedal is up or the key struck again.

    key     |####|          |###|        |####|
    pedal      |-------------------|
    sounds  |###############|######|     |####|

This is what a piano does. A note that ends at the very tick at which the pedal goes down is held by it; one
that ends as it goes up is not.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


def pedal_times(moves: Iterable[tuple[int, bool]], end: int) -> NDArray[np.int64]:
    """When a pedal is down.

    Parameters
    ----------
    moves : list of (tick, is down), by rising tick; may repeat a state
    end : int, the tick at which a pedal that is still down goes up

    Returns
    -------
    down, up : int64 arrays (n,), by rising tick: down[k] < up[k] <= down[k + 1]
    """
    times, since = [], None
    for tick, is_down in [*moves, (end, False)]:
        if is_down and since is None:
            since = tick
        elif not is_down and since is not None:
            if tick > since:
                times.append((since, tick))
            since = None
    return np.array(times, np.int64).reshape(-1, 2).T


def held_ends(
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    pitches: NDArray[np.int64],
    down: NDArray[np.int64],
    up: NDArray[np.int64],
) -> NDArray[np.int64]:
    """When notes stop sounding.

    Parameters
    ----------
    starts, ends, pitches : int64 arrays (N,), of the notes of one instrument: ticks of the key, MIDI numbers
    down, up : int64 arrays (n,), see `pedal_times`

    Returns
    -------
    int64 array (N,)
    """
    if not len(down):
        return ends
    caught = np.searchsorted(down, ends, side="right") - 1  # the last time the pedal went down before
    held = (caught >= 0) & (ends < up[caught])
    strikes = np.unique(pitches << 40 | starts)  # in order of pitch, then time
    after = np.searchsorted(strikes, pitches << 40 | starts, side="right")
    following = strikes[np.minimum(after, len(strikes) - 1)]
    struck = (after < len(strikes)) & (following >> 40 == pitches)  # ... again
    until = np.where(struck, np.minimum(up[caught], following & (1 << 40) - 1), up[caught])
    return np.where(held, np.maximum(ends, until), ends)
