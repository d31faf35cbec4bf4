"""Rates: counted right, whatever the clock says."""

import tensorflow as tf

from trainer.timing.measure import Rate, rate_of, rate_of_calls, rate_of_dataset


def test_a_rate_is_images_over_time():
    assert rate_of(200, seconds=4.0, cpu_seconds=1.0) == Rate(50.0, 5.0)


def test_the_first_call_does_not_count(monkeypatch):
    clock = iter(range(100))
    monkeypatch.setattr("trainer.timing.measure.time.perf_counter", lambda: float(next(clock)))
    monkeypatch.setattr("trainer.timing.measure.time.process_time", lambda: 0.0)
    calls = []
    # The clock is read at the start (0), before the second call (1) and third (2), and at the end.
    rate = rate_of_calls(lambda: calls.append(1), 8, seconds=2.0)
    assert len(calls) == 3
    assert rate.images_per_second == 2 * 8 / 3


def test_elements_of_a_data_set_are_counted():
    taken = tf.Variable(0, dtype=tf.int64)
    dataset = tf.data.Dataset.range(10**6).map(lambda number: taken.assign_add(1))
    rate = rate_of_dataset(dataset, 4, seconds=0.05)
    assert rate.images_per_second > 0
    assert taken.numpy() >= 3
