"""The first signal is noted, the second does what it did before."""

import signal

import pytest

from trainer.stop import StopSignals

NUMBERS = [signal.SIGINT, signal.SIGTERM]


@pytest.fixture(autouse=True)
def seen():
    """The signals that reach the handlers of before."""
    seen = []
    old = {number: signal.signal(number, lambda n, frame: seen.append(n)) for number in NUMBERS}
    yield seen
    for number, handler in old.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", NUMBERS)
def test_the_first_signal_is_noted(number, seen):
    with StopSignals() as signals:
        assert not signals.wanted() and signals.received is None
        signal.raise_signal(number)
        assert signals.wanted() and signals.received == number
    assert seen == []


@pytest.mark.parametrize("first", NUMBERS)
@pytest.mark.parametrize("second", NUMBERS)
def test_the_second_does_what_it_did_before(first, second, seen):
    with StopSignals() as signals:
        signal.raise_signal(first)
        signal.raise_signal(second)
        assert signals.received == first
    assert seen == [second]


def test_the_handlers_are_put_back(seen):
    before = [signal.getsignal(number) for number in NUMBERS]
    with StopSignals():
        assert [signal.getsignal(number) for number in NUMBERS] != before
    assert [signal.getsignal(number) for number in NUMBERS] == before
    with pytest.raises(ValueError, match="mine"), StopSignals():
        raise ValueError("mine")
    assert [signal.getsignal(number) for number in NUMBERS] == before


def test_what_interrupted_before_interrupts_again():
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with pytest.raises(KeyboardInterrupt), StopSignals():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)


def test_a_signal_that_is_ignored_stays_ignored():
    """As Ctrl-C is by what a script starts in the background."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with StopSignals() as signals:
            signal.raise_signal(signal.SIGINT)
            assert not signals.wanted()
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
