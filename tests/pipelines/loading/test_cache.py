"""Where decoded images stay, by what there is room for."""

import pytest

from pipelines.loading.cache import choose_cache
from pipelines.runtime.errors import InputError
from pipelines.runtime.machine import free_memory

IMAGES, SIZE = 1000, 96
NEEDED = 1000 * 96 * 96 * 3  # 27.6 MB


def choose(wanted, free, **more):
    return choose_cache(wanted, IMAGES, SIZE, free, **more)


@pytest.mark.parametrize("wanted", ["disk", "none"])
def test_what_takes_no_memory_is_taken_as_asked_for(wanted):
    assert choose(wanted, 0).cache == wanted


def test_auto_takes_memory_where_half_of_it_is_enough():
    assert choose("auto", 2 * NEEDED).cache == "memory"
    refused = choose("auto", 2 * NEEDED - 2)
    assert refused.cache == "none"
    assert "1,000 decoded images take 27.6 MB" in refused.reason
    assert "50% of the free memory are 27.6 MB" in refused.reason
    assert "--cache=disk" in refused.reason


def test_memory_that_does_not_fit_is_refused_before_it_is_taken():
    assert choose("memory", 1.2 * NEEDED).cache == "memory"
    with pytest.raises(InputError) as caught:
        choose("memory", NEEDED)
    assert "--cache=memory where 1,000 decoded images take 27.6 MB" in str(caught.value)
    assert "90% of the free memory are 24.9 MB" in str(caught.value)
    assert "use --cache=disk, none or auto" in str(caught.value)


def test_a_budget_is_kept():
    assert choose("auto", 10 * NEEDED, budget_bytes=NEEDED).cache == "memory"
    assert choose("auto", 10 * NEEDED, budget_bytes=NEEDED - 1).cache == "none"
    with pytest.raises(InputError, match="--cache_memory_mb allows 20.0 MB"):
        choose("memory", 10 * NEEDED, budget_bytes=20_000_000)


def test_services_keep_nothing():
    assert choose("auto", 10 * NEEDED, services=True).cache == "none"


def write_group(directory, limit, used, inactive):
    for name, text in (
        ("memory.max", limit),
        ("memory.current", used),
        ("memory.stat", f"anon 5\ninactive_file {inactive}"),
    ):
        (directory / name).write_text(f"{text}\n")


def test_a_container_has_what_its_limit_leaves(tmp_path):
    write_group(tmp_path, 1_000_000, 700_000, 200_000)
    assert free_memory(tmp_path) == 500_000


def test_a_container_that_is_full_has_nothing(tmp_path):
    write_group(tmp_path, 1_000_000, 1_000_000, 0)
    assert free_memory(tmp_path) == 0


@pytest.mark.parametrize("limit", ["max", None])
def test_without_a_limit_the_machine_counts(tmp_path, limit):
    if limit:
        write_group(tmp_path, limit, 1, 0)
    assert free_memory(tmp_path) > 1_000_000
