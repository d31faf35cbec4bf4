import itertools
import os
import tracemalloc

from pipelines.sources.base import fingerprint

IDENTITIES = [
    ("a.jpg", "cats", "train", "00"),
    ("b.jpg", "cats", "test", "01"),
    (os.fsdecode(b"\xff.jpg"), "dogs", "train", "02"),
]


def test_the_order_does_not_matter():
    orders = itertools.permutations(IDENTITIES)
    assert len({fingerprint(iter(order)) for order in orders}) == 1


def test_everything_else_does():
    name, class_name, split, sha256 = IDENTITIES[2]
    others = [
        ("c.jpg", class_name, split, sha256),
        (name, "cats", split, sha256),
        (name, class_name, "", sha256),
        (name, class_name, split, "03"),
        (name + class_name, "", split, sha256),
        (name, class_name, split + sha256),
    ]
    prints = {fingerprint([*IDENTITIES[:2], other]) for other in [IDENTITIES[2], *others]}
    prints |= {fingerprint(IDENTITIES[:2]), fingerprint([*IDENTITIES, IDENTITIES[0]])}
    assert len(prints) == len(others) + 3


def test_no_character_in_a_name_makes_two_sets_alike():
    one = [("a\0cats\n", "b"), ("c", "d")]
    other = [("a", "cats\n\0b"), ("c", "d")]
    assert fingerprint(one) != fingerprint(other)
    # Two files whose names look the same, composed and decomposed.
    assert fingerprint([("\u00e9.jpg",)]) != fingerprint([("e\u0301.jpg",)])


def test_it_needs_little_memory():
    identities = ((f"{number:0100}.jpg", "cats", "train", "00" * 32) for number in range(20_000))
    tracemalloc.start()
    fingerprint(identities)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 * 20_000  # the file names alone would be more
