"""The check word after a data set: CRC with the CCITT polynomial (FCS 3.1, section 3.6), at the speed of memory."""

import binascii

import numpy as np

from immport_cyto.fcs.source import Bytes

# x**16 + x**12 + x**5 + 1 = (x + 1) times a primitive polynomial of degree 15, so x**32767 = 1 modulo it. Bytes that
# are 16 * 32767 bits apart therefore count alike: the data can be folded by XOR into one block of that length first,
# and only the block goes through the CRC byte by byte. Any multiple of 16 * 32767 bits serves; two of them are whole
# words of four bytes, and words fold faster than bytes.
_WORDS = 32767
_PERIOD = 4 * _WORDS


class CheckWord:
    """CRC-CCITT (start 0) of `total` bytes that come in pieces of any size.

    Parameters
    ----------
    total
        Number of all bytes, which must be known because the fold is aligned to their end.
    """

    def __init__(self, total: int) -> None:
        self._block = np.zeros(_PERIOD, np.uint8)
        # leading zeros do not change a CRC that starts at 0
        self._position = -total % _PERIOD

    def update(self, content: Bytes) -> None:
        """Add the next bytes."""
        first = min(_PERIOD - self._position, len(content))
        self._block[self._position : self._position + first] ^= content[:first]
        whole = (len(content) - first) // _PERIOD * _PERIOD
        if whole:
            rows = content[first : first + whole].view(np.uint32).reshape(-1, _WORDS)
            self._block ^= np.bitwise_xor.reduce(rows, axis=0).view(np.uint8)
        rest = content[first + whole :]
        self._block[: len(rest)] ^= rest
        self._position = (self._position + len(content)) % _PERIOD

    def value(self) -> int:
        """The CRC of the bytes so far."""
        return binascii.crc_hqx(self._block.tobytes(), 0)
