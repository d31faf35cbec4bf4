import io
import itertools
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from pipelines.conversion.duplicates import HASH_BYTES, MAX_DISTANCE, find_groups, hash_encoded


def _picture(seed: int) -> Image.Image:
    """Smooth coloured blots, another picture for every seed."""
    pixels = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((320, 240), Image.Resampling.BICUBIC)


def _jpeg(picture: Image.Image, quality: int = 90) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def _png(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()


def _resized(picture: Image.Image, factor: float) -> Image.Image:
    return picture.resize((round(factor * picture.width), round(factor * picture.height)))


COPIES = {
    "PNG": _png,
    "quality 50": lambda picture: _jpeg(picture, 50),
    "quality 95": lambda picture: _jpeg(picture, 95),
    "half the size": lambda picture: _jpeg(_resized(picture, 0.5)),
    "twice the size": lambda picture: _jpeg(_resized(picture, 2)),
    "eight times the size": lambda picture: _jpeg(_resized(picture, 8)),
    "squeezed": lambda picture: _jpeg(picture.resize((224, 224))),
    "grey": lambda picture: _jpeg(picture.convert("L")),
    "brighter": lambda picture: _jpeg(ImageEnhance.Brightness(picture).enhance(1.05)),
}


@pytest.mark.parametrize("copy", COPIES)
def test_copies_are_found_among_other_pictures(copy: str):
    pictures = [_picture(seed) for seed in range(4)]
    originals = [hash_encoded(_jpeg(picture)) for picture in pictures]
    copies = [hash_encoded(COPIES[copy](picture)) for picture in pictures]
    assert find_groups(originals + copies) == [(0, 4), (1, 5), (2, 6), (3, 7)]


def test_other_pictures_are_no_copies():
    hashes = [hash_encoded(_jpeg(_picture(seed))) for seed in range(100)]
    assert {len(value) for value in hashes} == {HASH_BYTES}
    assert find_groups(hashes) == []


def test_a_large_jpeg_is_not_decoded_in_full(monkeypatch: pytest.MonkeyPatch):
    sizes = []

    def remember(image: Image.Image) -> bytes:
        sizes.append(image.size)
        return b""

    monkeypatch.setattr("pipelines.conversion.duplicates.perceptual_hash", remember)
    for factor in (1, 8):
        hash_encoded(_jpeg(_resized(_picture(0), factor)))
    assert sizes == [(320, 240), (640, 480)]


def _striped(period: int, axis: int) -> Image.Image:
    stripes = np.indices((120, 160))[axis] // period % 2 * 255
    return Image.fromarray(stripes.astype(np.uint8))


@pytest.mark.parametrize("encode", [_png, _jpeg])
def test_plain_pictures_are_copies_only_of_their_like(encode: Callable[[Image.Image], bytes]):
    colours = ["black", "white", "red", (76, 76, 76)]  # red, too, has brightness 76
    plain = [Image.new("RGB", (160, 120), colour) for colour in colours]
    plain += [_striped(period, axis) for period in (10, 13, 40) for axis in (0, 1)]
    plain += [Image.linear_gradient("L"), Image.linear_gradient("L").rotate(90)]
    hashes = [hash_encoded(encode(picture)) for picture in plain]
    assert {len(value) for value in hashes} == {HASH_BYTES}
    assert find_groups(hashes) == []
    others = [hash_encoded(encode(Image.new("RGB", (37, 53), colour))) for colour in colours]
    assert find_groups(hashes + others) == [(i, i + len(plain)) for i in range(len(colours))]


def _random_hashes(count: int, seed: int = 0) -> list[bytes]:
    rng = np.random.default_rng(seed)
    return [rng.bytes(HASH_BYTES) for _ in range(count)]


def _flipped(value: bytes, bits: Sequence[int] | np.ndarray) -> bytes:
    unpacked = np.unpackbits(np.frombuffer(value, np.uint8))
    unpacked[np.asarray(bits)] ^= 1
    return np.packbits(unpacked).tobytes()


def test_groups_are_transitive():
    (one,) = _random_hashes(1)
    near = _flipped(one, range(MAX_DISTANCE))
    far = _flipped(near, range(100, 100 + MAX_DISTANCE))
    other = _flipped(one, range(128))
    assert find_groups([other, far, near, one]) == [(1, 2, 3)]
    assert find_groups([other, far, one]) == []


@pytest.mark.parametrize("spared", range(MAX_DISTANCE + 1))
def test_no_pair_is_missed_wherever_its_bits_differ(spared: int):
    (one,) = _random_hashes(1)
    bits = [bit for bit in range(MAX_DISTANCE + 1) if bit != spared]
    assert find_groups([one, _flipped(one, bits)]) == [(0, 1)]
    width = 8 * HASH_BYTES // (MAX_DISTANCE + 1)
    assert find_groups([one, _flipped(one, [bit * width for bit in bits])]) == [(0, 1)]


def _groups_by_brute_force(hashes: list[bytes]) -> list[tuple[int, ...]]:
    numbers = [int.from_bytes(value, "big") for value in hashes]
    labels = list(range(len(numbers)))
    for i, j in itertools.combinations(range(len(numbers)), 2):
        if (numbers[i] ^ numbers[j]).bit_count() <= MAX_DISTANCE:
            labels = [labels[i] if label == labels[j] else label for label in labels]
    groups = [[i for i, x in enumerate(labels) if x == label] for label in dict.fromkeys(labels)]
    return [tuple(group) for group in groups if len(group) > 1]


@pytest.mark.parametrize("seed", range(3))
def test_equals_a_comparison_of_all_with_all(seed: int):
    rng = np.random.default_rng(seed)
    hashes = _random_hashes(100, seed)
    for distance in (0, 1, MAX_DISTANCE, MAX_DISTANCE, MAX_DISTANCE + 1):
        for value in hashes[:80:4]:
            hashes.append(_flipped(value, rng.choice(8 * HASH_BYTES, distance, replace=False)))
    hashes = [hashes[i] for i in rng.permutation(len(hashes))]
    groups = find_groups(hashes)
    assert groups == _groups_by_brute_force(hashes)
    # 20 planted originals; each has at least the copies at 0, 1 and twice MAX_DISTANCE with it.
    assert len(groups) == 20 and min(map(len, groups)) == 5


def test_the_limit_is_exact():
    (one,) = _random_hashes(1)
    for shift in range(20):
        # All in one band, so that the two are compared whichever way.
        bits = np.arange(MAX_DISTANCE + 1) * (MAX_DISTANCE + 1) + shift
        assert find_groups([one, _flipped(one, bits[:-1])]) == [(0, 1)]
        assert find_groups([one, _flipped(one, bits)]) == []


def test_the_order_does_not_matter():
    hashes = _random_hashes(50)
    hashes += [_flipped(value, range(MAX_DISTANCE)) for value in hashes[:30]]
    hashes += [_flipped(value, range(50, 50 + MAX_DISTANCE)) for value in hashes[:60:2]]
    order = np.random.default_rng(0).permutation(len(hashes)).tolist()
    permuted = find_groups([hashes[i] for i in order])
    place = {old: new for new, old in enumerate(order)}
    expected = sorted(tuple(sorted(place[i] for i in group)) for group in find_groups(hashes))
    assert permuted == expected
    assert len(expected) == 40


def test_repeated_hashes_are_grouped():
    distinct = _random_hashes(2000)
    expected = [tuple(range(number, 180_000, 2000)) for number in range(2000)]
    assert find_groups(distinct * 90) == expected


def test_many_that_are_near_each_other_are_one_group():
    (centre,) = _random_hashes(1)
    rng = np.random.default_rng(1)
    near = [_flipped(centre, rng.choice(256, MAX_DISTANCE // 2)) for _ in range(1000)]
    assert find_groups(near) == [tuple(range(1000))]


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_have_no_groups(count: int):
    assert find_groups(_random_hashes(count)) == []


def test_a_hash_of_another_length_is_refused():
    with pytest.raises(ValueError) as raised:
        find_groups([*_random_hashes(2), b"short"])
    assert "received a hash of 5 bytes at index 2, expected 32; hash" in str(raised.value)
