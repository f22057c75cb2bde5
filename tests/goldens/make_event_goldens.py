#!/usr/bin/env python3
"""events.hex: the bytes that TensorBoard's own writer makes of some numbers (editor/session/event_file.h).

Usage: make_event_goldens.py        Needs tensorboard.
"""
import io
import pathlib

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

WALL_TIME = 1764532800.5
SCALARS = [("evaluation", 0, 0.5), ("loss", 1, 0.25), ("rate", 1, 1e-4), ("loss", 300, -2.5), ("loss", 20000, 1e30)]


def main():
    file = io.BytesIO()
    writer = RecordWriter(file)
    events = [Event(wall_time=WALL_TIME, file_version="brain.Event:2")]
    for tag, step, value in SCALARS:
        summary = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
        events.append(Event(wall_time=WALL_TIME, step=step, summary=summary))
    for event in events:
        writer.write(event.SerializeToString())
    path = pathlib.Path(__file__).parent / "events.hex"
    path.write_text(file.getvalue().hex() + "\n")


if __name__ == "__main__":
    main()
