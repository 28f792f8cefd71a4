"""Reads TensorBoard event files from the definition of the format and prints their events as JSON lines:
event_file_reader.py FILE...  Exits with 1 where a frame, a checksum or a message is not well formed.

TFRecord: uint64 length, uint32 masked CRC-32C of the length's bytes, the data, uint32 masked CRC-32C of the data.
Messages: tensorflow.Event (wall_time 1 double, step 2 int64, file_version 3 string, summary 5, session_log 7),
Summary (value 1), Summary.Value (tag 1 string, simple_value 2 float), SessionLog (status 1 enum)."""
import json
import struct
import sys


def crc32c(data):
    """Bit by bit, by polynomial division: reflected 0x1EDC6F41."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def unmask(masked):
    rotated = (masked - 0xA282EAD8) & 0xFFFFFFFF
    return ((rotated >> 17) | (rotated << 15)) & 0xFFFFFFFF


def records(data):
    at = 0
    while at < len(data):
        head, rest = data[at:at + 8], data[at + 8:at + 12]
        assert len(head) == 8 and len(rest) == 4, f"a frame ends early at {at}"
        assert unmask(struct.unpack("<I", rest)[0]) == crc32c(head), f"the checksum of a length is wrong at {at}"
        length = struct.unpack("<Q", head)[0]
        body, tail = data[at + 12:at + 12 + length], data[at + 12 + length:at + 16 + length]
        assert len(body) == length and len(tail) == 4, f"a frame ends early at {at}"
        assert unmask(struct.unpack("<I", tail)[0]) == crc32c(body), f"the checksum of data is wrong at {at}"
        yield body
        at += 16 + length


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def fields(data):
    """(number, wire type, value) of each field of a message."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = varint(data, at)
        elif kind == 1:
            value, at = data[at:at + 8], at + 8
        elif kind == 2:
            length, at = varint(data, at)
            value, at = data[at:at + length], at + length
            assert len(value) == length, "a field ends early"
        elif kind == 5:
            value, at = data[at:at + 4], at + 4
        else:
            raise AssertionError(f"wire type {kind}")
        assert at <= len(data), "a field ends early"
        yield number, kind, value


def read_value(data):
    value = {}
    for number, kind, raw in fields(data):
        if (number, kind) == (1, 2):
            value["tag"] = raw.decode()
        elif (number, kind) == (2, 5):
            value["value"] = struct.unpack("<f", raw)[0]
        else:
            raise AssertionError(f"field {number} of a value, wire type {kind}")
    return value


def read_event(data):
    event = {"step": 0}
    for number, kind, raw in fields(data):
        if (number, kind) == (1, 1):
            event["wall_time"] = struct.unpack("<d", raw)[0]
        elif (number, kind) == (2, 0):
            event["step"] = raw
        elif (number, kind) == (3, 2):
            event["file_version"] = raw.decode()
        elif (number, kind) == (5, 2):
            values = [read_value(inner) for field, wire, inner in fields(raw) if (field, wire) == (1, 2)]
            event["values"] = {value["tag"]: value["value"] for value in values}
        elif (number, kind) == (7, 2):
            event["session_status"] = next(inner for field, _, inner in fields(raw) if field == 1)
        else:
            raise AssertionError(f"field {number} of an event, wire type {kind}")
    return event


def main():
    assert crc32c(b"123456789") == 0xE3069283  # RFC 3720
    for path in sys.argv[1:]:
        with open(path, "rb") as file:
            for record in records(file.read()):
                print(json.dumps(read_event(record)))


if __name__ == "__main__":
    try:
        main()
    except AssertionError as problem:
        sys.exit(f"{problem}")
