"""Names that no font has, that are too long, or that no terminal could show."""

import pytest

from trainer.judging import names


@pytest.fixture
def only_dejavu(monkeypatch):
    """As on a machine that has no other font."""
    monkeypatch.setattr(names, "families", lambda: ["DejaVu Sans"])
    names._has_glyph.cache_clear()
    yield
    names._has_glyph.cache_clear()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("image_0001.jpg", "image_0001.jpg"),
        ("naïve Ελληνικά Кот", "naïve Ελληνικά Кот"),
        ("猫/画像.jpg", "\\u732b/\\u753b\\u50cf.jpg"),
        ("a\nb", "'a\\nb'"),
        ("bad\udcff", "'bad\\udcff'"),
    ],
)
def test_drawable(text, shown, only_dejavu):
    assert names.drawable(text) == shown


def test_the_middle_is_left_out_where_there_is_no_room():
    name = "a_long_folder/image_0001.jpg"
    shown = names.fitted(name, 90, 8)
    start, end = shown.split("…")
    assert name.startswith(start) and name.endswith(end) and len(shown) < len(name)
    assert 75 < names.width_of(shown, 8) <= 90
    assert names.fitted(name, 300, 8) == name
    assert names.fitted(name, 1, 8) == "…"
