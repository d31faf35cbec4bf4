import pytest

TESTS = """
    import pytest

    def test_a_cut_file(note_fault, tmp_path):
        happened = note_fault("second")
        happened(ValueError(f"received '{tmp_path / 'a.jpg'}', cut, expected one that is whole"))

    @pytest.mark.parametrize("size", [1, 2])
    def test_sizes(size, note_fault):
        happened = note_fault("first", "small" * 20)
        happened(f"{size} byte\\n")
        happened = note_fault("first", "twice")
        happened("seen")

    def test_that_fails(note_fault):
        note_fault("first")("it lasts")
        assert False

    @pytest.mark.xfail(strict=True, reason="not mended")
    def test_that_is_known_to_fail(note_fault):
        note_fault("first")
        assert False

    def test_that_is_skipped(note_fault):
        note_fault("first")
        pytest.skip("no disk")

    def test_without_a_fault():
        pass
"""
# The order of the tests is that of the table, also where pytest-randomly is there.
PLUGINS = ("-p", "tests.fault_table", "-p", "no:randomly")
TABLE = """\
first (7)
  smallsmallsmallsmallsmallsmallsmallsmallsma…  2 x, as 1 byte\\n
  twice                                         2 x seen
  that fails                                    FAILED
  that is known to fail                         known to fail: not mended
  that is skipped                               Skipped: no disk
second (1)
  a cut file                                    refused: 'a.jpg', cut
"""


def test_the_table(pytester: pytest.Pytester):
    pytester.makepyfile(TESTS)
    output = pytester.runpytest(*PLUGINS).stdout
    assert TABLE in output.str()
    output = pytester.runpytest(*PLUGINS, "-k", "without").stdout
    output.no_fnmatch_line("*what happened*")
