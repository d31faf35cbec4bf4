import hashlib

import pytest

from pipelines.conversion.catalog import Catalog
from pipelines.conversion.validation import Prepared
from pipelines.runtime.errors import InputError


def _prepared(name: str, content: str, **options: object) -> Prepared:
    sha256 = hashlib.sha256(content.encode()).digest()
    return Prepared(name, name.split("/")[0], "", sha256, 10, 20, **options)  # type: ignore[arg-type]


def _inventory(*images: Prepared) -> Catalog:
    catalog = Catalog(("cats", "dogs"))
    for image in images:
        catalog.add(image)
    return catalog


ONE, TWO = _prepared("cats/1.jpg", "a"), _prepared("dogs/2.jpg", "b")
COPY = _prepared("dogs/3.jpg", "b")
BAD = _prepared("cats/4.jpg", "c", rejected="empty file")


def test_counts():
    catalog = _inventory(ONE, BAD, TWO, COPY)
    assert catalog.file_names == ["cats/1.jpg", "dogs/2.jpg", "dogs/3.jpg"]
    assert catalog.class_counts([0, 2]) == (1, 1) and catalog.class_counts([]) == (0, 0)
    assert catalog.seen_counts == {"": {"cats": 2, "dogs": 2}}
    assert catalog.num_seen == 4


def test_copies_are_found_by_their_bytes():
    assert _inventory(TWO, ONE, COPY).copies() == [(0, 2)]
    assert _inventory(ONE, TWO).copies() == [] == _inventory().copies()
    twice = _prepared("dogs/9.jpg", "b")
    assert _inventory(TWO, ONE, COPY, twice).copies() == [(0, 2, 3)]


def test_the_fingerprint_is_of_everything_in_any_order():
    whole = _inventory(ONE, BAD, TWO, COPY).fingerprint()
    assert whole == _inventory(COPY, TWO, ONE, BAD).fingerprint()
    moved = Prepared(ONE.file_name, "cats", "test", ONE.sha256, 10, 20)
    renamed, other = _prepared("cats/one.jpg", "a"), _prepared("cats/1.jpg", "x")
    for changed in (moved, renamed, other):
        assert _inventory(changed, BAD, TWO, COPY).fingerprint() != whole
    assert _inventory(ONE, TWO, COPY).fingerprint() != whole


def test_the_same_picture_under_two_labels_is_an_error_that_names_both():
    catalog = _inventory(ONE, TWO, COPY, _prepared("cats/5.jpg", "b"))
    with pytest.raises(InputError) as caught:
        catalog.check_labels(catalog.copies())
    assert "'dogs/2.jpg' (dogs) and 'cats/5.jpg' (cats)" in str(caught.value)
    _inventory(ONE, TWO, COPY).check_labels([(1, 2)])


def test_many_such_pairs_are_counted():
    images = [_prepared(f"{c}/{n}.jpg", str(n)) for n in range(9) for c in ("cats", "dogs")]
    catalog = _inventory(*images)
    with pytest.raises(InputError, match="and 6 more"):
        catalog.check_labels(catalog.copies())
