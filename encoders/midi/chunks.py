"""The bytes of a MIDI file as chunks, even where names and lengths are wrong. The layout is in files.py.

A length is believed if it leads to another chunk or to the end of the file. Otherwise the events of a track
are read to its end of track, or to the letters MTrk, and the next chunk is found there.
"""

import struct
from collections import deque

from .findings import Findings

_END_OF_TRACK = b"\xff\x2f\x00"
_SEARCHED = 4096  # bytes in which the header is looked for, behind those of a mail or an old Macintosh


def unwrap(data: bytes, findings: Findings) -> bytes:
    """The bytes of a file from its header on, without a RIFF wrapper ("RMID").

    Raises
    ------
    ValueError
        If there is no header.
    """
    if data[:4] == b"RIFF" and data[8:12] == b"RMID":
        data = _riff_content(data)
    at = data.find(b"MThd", 0, _SEARCHED)
    if at < 0 and data[4:8] == b"\0\0\0\6" and data[14:18] == b"MTrk":
        findings.add(f"its header is named {_name(data[:4])}")
        at = 0
    if at < 0:
        raise ValueError("it does not begin with the letters MThd")
    if at:
        findings.add(f"{at} bytes stand before its header")
    return data[at:]


def _riff_content(data):
    """What follows the head of the chunk "data", to the end of the file: its length may be wrong."""
    at = 12
    while at + 8 <= len(data):
        name, length = struct.unpack_from("<4sL", data, at)
        if name == b"data":
            return data[at + 8 :]
        at += 8 + length + length % 2
    return data


class Chunks:
    """Iterates over the tracks of a file.

        while chunks.next_track():
            read the events in data[chunks.start : chunks.end]
            chunks.go_on(position, ended)      after the last event

    Parameters
    ----------
    data : bytes, beginning with the letters MThd
    findings : Findings

    Raises
    ------
    ValueError
        If the header is cut short.
    """

    def __init__(self, data: bytes, findings: Findings):
        self._data, self._findings = data, findings
        first = data.find(b"MTrk", 4, 18)
        if len(data) < 14 or 0 <= first < 14:
            raise ValueError("its header is cut short")
        self.header = struct.unpack_from(">HHH", data, 8)  # type, number of tracks, division
        (length,) = struct.unpack_from(">L", data, 4)
        self._position = 8 + length
        if length < 6 or length != 6 and not self._is_boundary(8 + length):
            findings.add(f"its header promises {length} bytes, expected 6")
            self._position = 14
        self._misnamed: deque[tuple[int, int]] = deque()  # (start, end) of chunks that end like tracks
        self.start = self.end = self._length = 0
        self._trusted = True

    def next_track(self) -> bool:
        """Find the next track; False if there is none."""
        data = self._data
        while len(data) - self._position >= 8:
            at = self._position
            name, length = struct.unpack_from(">4sL", data, at)
            if name == b"MTrk":
                self._open(at + 8, length)
                return True
            if name == b"MThd":
                self._findings.add("another file follows in it")
                return False
            if self._is_chunk(at):  # of another kind, without music
                self._position += 8 + length
                if data.endswith(_END_OF_TRACK, at + 8, self._position):
                    self._misnamed.append((at + 8, self._position))
            else:
                following = data.find(b"MTrk", at)
                if following < 0:
                    return False
                self._findings.add(f"{following - at} bytes between chunks belong to none")
                self._position = following
        return False

    def next_misnamed(self) -> bool:
        """Once all tracks are read, find the next chunk that ends like one under another name."""
        if not self._misnamed:
            return False
        self.start, self.end = self._misnamed.popleft()
        self._findings.add(f"chunk {_name(self._data[self.start - 8 : self.start - 4])} is read as a track")
        return True

    def _open(self, start, length):
        """Set where the events of a track begin, and where they end at the latest."""
        data, end = self._data, start + length
        self.start, self._length = start, length
        self._trusted = end <= len(data) and (
            self._is_boundary(end) or data[max(start, end - 3) : end] == _END_OF_TRACK
        )
        if not self._trusted:
            following = data.find(b"MTrk", start)
            if end > len(data):
                self._findings.add(f"chunk 'MTrk' promises {length} bytes, {len(data) - start} follow")
            end = len(data) if following < 0 else following
        self.end = end

    def go_on(self, position: int, ended: bool) -> None:
        """Go on behind the track.

        Parameters
        ----------
        position : int, after the last event that was read
        ended : bool, whether that event was an end of track
        """
        data, start, end = self._data, self.start, self.end
        if self._trusted:
            following = data.find(b"MTrk", position, end)
            self._position = end if following < 0 else following
            rest = self._position - position
            if following >= 0:
                self._add_length(position - start)
            elif ended and rest and data.count(0, position, end) < rest:
                self._findings.add(f"{rest} bytes after the end of a track are left out")
        else:
            self._position = position if ended else end
            if start + self._length <= len(data):
                self._add_length(position - start)

    def _add_length(self, taken):
        self._findings.add(f"chunk 'MTrk' promises {self._length} bytes, its events take {taken}")

    def _is_boundary(self, at):
        return at == len(self._data) or self._is_chunk(at)

    def _is_chunk(self, at):
        """Whether a chunk of any name begins here, whose length leads to another or to the end."""
        data = self._data
        if data[at : at + 4] in (b"MTrk", b"MThd"):
            return True
        if len(data) - at < 8:
            return False
        name, length = struct.unpack_from(">4sL", data, at)
        end = at + 8 + length
        if end > len(data):
            return False
        following = data[end : end + 4]
        return (
            data.endswith(_END_OF_TRACK, at + 8, end)
            or following == b"MTrk"
            or (name.isalnum() and (end == len(data) or len(following) == 4 and following.isalnum()))
        )


def _name(letters):
    return repr(letters.decode("latin-1"))
