"""Deflate and CRC-32: by ISA-L where it is installed, else by zlib. Source: RFC 1951, 1952."""

import zlib
from typing import Any

try:
    from isal import isal_zlib
except ImportError:
    isal_zlib = None

# Neither has type information that agrees with the other's.
_codec: Any = isal_zlib or zlib
# ISA-L's second level is quicker than its others for their size; zlib's first is the only quick one.
_LEVEL = 2 if isal_zlib else 1
_POLYNOMIAL = 0xEDB88320
RAW, GZIP = -15, 31

crc32: Any = _codec.crc32
# A block takes at least one byte for so many: highly regular content is not to look like a bomb to whoever imports it.
_THINNEST = 190
_EMPTY_STORED = b"\x00\x00\x00\xff\xff"


def decompressor(form: int) -> Any:  # noqa: ANN401 - ISA-L's or zlib's
    """A decompressor of raw deflate or gzip (which then checks CRC and length)."""
    return _codec.decompressobj(form)


def compressor(form: int) -> Any:  # noqa: ANN401 - ISA-L's or zlib's
    """A compressor."""
    return _codec.compressobj(level=_LEVEL, wbits=form)


def failure() -> tuple[type[Exception], ...]:
    """What a decompressor raises on bytes that are none of its own."""
    return (zlib.error, _codec.error)


def deflated_alone(block: bytearray | memoryview) -> bytes:
    """The block as deflate data that ends on a byte and refers to nothing before it."""
    deflate = compressor(RAW)
    data: bytes = deflate.compress(block) + deflate.flush(zlib.Z_FULL_FLUSH)
    missing = len(block) // _THINNEST + 1 - len(data)
    return data if missing <= 0 else data + _EMPTY_STORED * -(-missing // len(_EMPTY_STORED))


def crc32_combine(first: int, second: int, length: int) -> int:
    """The CRC-32 of two pieces together, the second `length` bytes long."""
    if isal_zlib is not None:
        return isal_zlib.crc32_combine(first, second, length)
    return _times(first, _power_of_x(8 * length)) ^ second


def _times(left: int, right: int) -> int:
    """The product of two polynomials modulo CRC-32's, their bits reversed. Source: zlib's crc32.c."""
    product, bit = 0, 1 << 31
    while bit:
        if left & bit:
            product ^= right
        right = (right >> 1) ^ _POLYNOMIAL if right & 1 else right >> 1
        bit >>= 1
    return product


def _power_of_x(exponent: int) -> int:
    power, square = 1 << 31, 1 << 30
    while exponent:
        if exponent & 1:
            power = _times(power, square)
        square = _times(square, square)
        exponent >>= 1
    return power
