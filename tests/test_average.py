"""The running mean of weights."""

import pytest
import torch
from torch import nn

from s2vkit.engine.callbacks.averaging import RunningMean


def follow(decay, values):
    module = nn.Linear(1, 1, bias=False)
    average = RunningMean(module, decay)
    for value in values:
        nn.init.constant_(module.weight, value)
        average.update(module)
    return average.module.weight.item()


def test_the_mean_is_young_at_first():
    assert follow(0.99, [3.0]) == 3.0  # the start counts for nothing
    # After one step the decay is 2/11, after two 3/12.
    one = 2 / 11 * 3.0 + 9 / 11 * 5.0
    assert follow(0.99, [3.0, 5.0]) == pytest.approx(one)
    assert follow(0.99, [3.0, 5.0, 6.0]) == pytest.approx(3 / 12 * one + 9 / 12 * 6.0)
    assert follow(0.1, [3.0, 5.0]) == pytest.approx(0.1 * 3.0 + 0.9 * 5.0)


def test_running_figures_are_averaged_and_counts_copied():
    module = nn.BatchNorm1d(1)
    average = RunningMean(module, 0.5)
    for mean in (0.0, 10.0, 10.0):
        module.running_mean.fill_(mean)
        module.num_batches_tracked.add_(1)
        average.update(module)
    assert 0 < float(average.module.running_mean) < 10
    assert int(average.module.num_batches_tracked) == 3
    assert not torch.equal(average.module.running_mean, module.running_mean)


def test_the_number_of_steps_is_read_without_waiting_for_a_device():
    """On `meta`, as on a GPU without waiting, no value can be read: the average must not try to."""
    with torch.device("meta"):
        module = nn.Linear(2, 2)
        average = RunningMean(module, 0.9)
    assert average.n_averaged.device.type == "cpu"
    average.update(module)
    average.update(module)
    assert int(average.n_averaged) == 2
