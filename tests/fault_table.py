"""A table, at the end of the test run, of each fault that was tried and what happened."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator

import pytest

PROPERTY = "fault"  # of a test's report: a row
FAULT_WIDTH, HAPPENED_WIDTH = 44, 62


@pytest.fixture
def note_fault(
    request: pytest.FixtureRequest, record_property: Callable[[str, object], None]
) -> Callable[..., Callable[[object], None]]:
    """Notes a row: first `happened = note_fault("bad input", "an empty file")`, then, once it is
    seen and before any assertion, `happened(error or text)`.

    Without a name the fault is called as its test is. Rows of the same name are shown as one.
    """
    test_name = request.node.originalname.removeprefix("test_").replace("_", " ")

    def note(group: str, fault: str = "") -> Callable[[object], None]:
        row = {"group": group, "fault": _in_utf8(fault or test_name), "happened": ""}
        record_property(PROPERTY, row)
        return lambda happened: row.update(happened=_told(happened))

    return note


def _told(happened: object) -> str:
    text = str(happened)
    if isinstance(happened, Exception):
        # Of a message's three parts the first, and of a path in it, which is temporary, the end.
        received = text.removeprefix("received ").partition(", expected")[0]
        text = "refused: " + re.sub(r"[^\s'=(]*/([^\s'/]+)", r"\1", received, count=1)
    return _in_utf8(re.sub(r"\w+-(\w+)\.tfrecord-(\d+)-of-\d+", r"\1 \2", text))


def _in_utf8(text: str) -> str:
    """Rows go from process to process where tests run side by side."""
    return text.encode("utf-8", "backslashreplace").decode()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    table: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for group, fault, happened in _rows(terminalreporter):
        table[group][fault].append(happened)
    if table:
        terminalreporter.section("the faults that were tried, and what happened")
    for group, faults in sorted(table.items()):
        terminalreporter.write_line(f"{group} ({sum(map(len, faults.values())):,})")
        for fault, all_happened in faults.items():
            fault = _shortened(fault, FAULT_WIDTH)
            happened = _shortened(_in_one(all_happened), HAPPENED_WIDTH)
            terminalreporter.write_line(f"  {fault:{FAULT_WIDTH}}  {happened}".rstrip())


def _rows(terminalreporter: pytest.TerminalReporter) -> Iterator[tuple[str, str, str]]:
    reports = (report for some in terminalreporter.stats.values() for report in some)
    calls = [report for report in reports if getattr(report, "when", "") == "call"]
    for report in sorted(calls, key=lambda report: report.start):
        for name, row in report.user_properties:
            if name == PROPERTY:
                yield row["group"], row["fault"], _outcome(report) or row["happened"]


def _outcome(report: pytest.TestReport) -> str:
    """What is to be said of a test that has not passed."""
    if report.failed:
        return "FAILED"
    if hasattr(report, "wasxfail"):
        return f"known to fail: {report.wasxfail}"
    return report.longrepr[2] if report.skipped else ""


def _in_one(happened: list[str]) -> str:
    if "FAILED" in happened:
        return "FAILED"
    if len(happened) == 1:
        return happened[0]
    return f"{len(happened)} x{', as' * (len(set(happened)) > 1)} {happened[0]}"


def _shortened(text: str, width: int) -> str:
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    return shown if len(shown) <= width else f"{shown[: width - 1].rstrip()}\u2026"
