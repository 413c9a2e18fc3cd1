"""Event files of TensorBoard are those that TensorFlow would write."""

import os
import resource

import pytest
import tensorflow as tf

from dmt.utils.event_file import EventFile


def curves(directory):
    """{name: [(step, value)]} as TensorFlow reads it, which checks the checksums."""
    found = {}
    for name in os.listdir(directory):
        for record in tf.data.TFRecordDataset(os.path.join(directory, name)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                assert value.metadata.plugin_data.plugin_name == "scalars"
                number = float(tf.make_ndarray(value.tensor))
                found.setdefault(value.tag, []).append((event.step, number))
    return found


def test_values_are_read_back_by_tensorflow(tmp_path):
    file = EventFile(str(tmp_path))
    assert os.listdir(tmp_path) == []
    file.add(0, {"loss": 1.5, "Verlust %s": float("inf")})
    file.add(3_000_000_000, {"loss": -0.25})
    assert curves(tmp_path) == {
        "loss": [(0, 1.5), (3_000_000_000, -0.25)],
        "Verlust %s": [(0, float("inf"))],
    }


def test_a_full_disk_leaves_whole_records(tmp_path):
    file = EventFile(str(tmp_path))
    file.add(1, {"loss": 1.0})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, limits[1]))
    try:
        with pytest.raises(OSError, match="too large: .*events.out.tfevents"):
            file.add(2, {"loss": 2.0, "name" * 30: 1.0})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    file.add(3, {"loss": 3.0})
    assert curves(tmp_path) == {"loss": [(1, 1.0), (3, 3.0)]}
