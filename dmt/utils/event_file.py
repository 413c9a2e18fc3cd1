"""Event files of TensorBoard, written without TensorFlow.

Format: records of TFRecord
(https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details) that
hold messages `Event` (tensorflow/core/util/event.proto), which are encoded by hand.
"""

import os
import socket
import struct
import time
from collections.abc import Mapping


class EventFile:
    """Writes curves for TensorBoard to a new file in a directory.

    The file is made with the first values. Each call writes all values or none.

    Args:
        directory: directory to write to.
    """

    def __init__(self, directory: str):
        host, second = socket.gethostname(), int(time.time())
        name = f"events.out.tfevents.{second}.{host}.{os.getpid()}.{time.time_ns()}.v2"
        self._path = os.path.join(directory, name)

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Adds the values {name of a curve: value} of a step.

        Raises:
            OSError: if the file cannot be written.
        """
        now = struct.pack("<d", time.time())
        summary = b"".join(_bytes(1, _value(*item)) for item in values.items())
        event = _key(1, 1) + now + _key(2, 0) + _varint(step) + _bytes(5, summary)
        content = _record(event)
        if not os.path.exists(self._path):
            content = _record(_key(1, 1) + now + _bytes(3, b"brain.Event:2")) + content
        with open(self._path, "ab", buffering=0) as file:
            start = file.tell()
            try:
                while content:
                    content = content[file.write(content) :]
            except OSError as error:
                file.truncate(start)
                raise OSError(error.errno, error.strerror, self._path) from error


def _value(name, value):
    """A message `Summary.Value` with a float, marked for the plugin of curves."""
    tensor = _key(1, 0) + _varint(1) + _bytes(2, b"")
    tensor += _bytes(4, struct.pack("<f", value))
    metadata = _bytes(1, _bytes(1, b"scalars"))
    return _bytes(1, name.encode()) + _bytes(8, tensor) + _bytes(9, metadata)


def _key(number, kind):
    return _varint(number << 3 | kind)


def _bytes(number, content):
    return _key(number, 2) + _varint(len(content)) + content


def _varint(value):
    parts = []
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])


def _record(content):
    length = struct.pack("<Q", len(content))
    return length + _checksum(length) + content + _checksum(content)


def _checksum(content):
    """The masked CRC-32C of a record."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc = _TABLE[(crc ^ byte) & 255] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def _table():
    table = []
    for entry in range(256):
        for _ in range(8):
            entry = entry >> 1 ^ (0x82F63B78 if entry & 1 else 0)
        table.append(entry)
    return table


_TABLE = _table()
