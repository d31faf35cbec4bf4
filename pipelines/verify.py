"""Re-reads a finished set and says everything that is wrong with it.

    python -m pipelines.verify --data_dir=data/my_pictures
    python -m pipelines.verify --data_dir=data/my_pictures --json=findings.json

Every byte is held against the manifest, and every record is read. Whatever is missing, cut, changed
or added is listed, with the file and the number of the record, from 0.
"""

import dataclasses
import json

from etils import epath

from pipelines.runtime.command import option, run
from pipelines.runtime.console import counted, printable, readable_size, table
from pipelines.runtime.errors import InputError
from pipelines.runtime.files import check_output_file, write_output_file
from pipelines.tfrecords.verification import remedy, verify


@dataclasses.dataclass(frozen=True)
class VerifyConfig:
    """The command's flags, checked."""

    data_dir: str = option("data/tfrecords", "The finished set.", group="Input")
    json: str | None = option(
        None, "File that the findings are written to as JSON, outside the set.", group="Output"
    )


def main(config: VerifyConfig) -> None:
    """Verifies one set and prints what was found."""
    if config.json:
        check_output_file("--json", config.json, config.data_dir)
    if not epath.Path(config.data_dir).expanduser().is_dir():
        raise InputError(
            f"received --data_dir={config.data_dir}, where there is no directory, expected a set "
            "of shards; see to the path."
        )
    found = verify(config.data_dir)
    if found.manifest and found.problems:
        rows = [("file", "record", "problem")]
        for problem in found.problems:
            record = "-" if problem.record is None else str(problem.record)
            # A file that does not belong here may have any name.
            rows.append((printable(problem.file), record, " ".join(problem.problem.split())))
        print("\n".join(table(rows, last_is_text=True)), flush=True)
    elif found.manifest:
        print(
            f"{found.manifest.name} in {config.data_dir}: {found.num_shards} shards, "
            f"{found.num_records:,} records, {readable_size(found.num_bytes)}: all as written."
        )
    if config.json:
        document = {
            "data_dir": config.data_dir,
            "name": found.manifest.name if found.manifest else None,
            "shards": found.num_shards,
            "records": found.num_records,
            "bytes": found.num_bytes,
            "problems": [dataclasses.asdict(problem) for problem in found.problems],
        }
        data = (json.dumps(document, indent=2) + "\n").encode()
        write_output_file("--json", config.json, data)
    if found.manifest is None:  # there is no set, or nothing is known of it
        raise InputError(found.problems[0].problem)
    if found.problems:
        of_the_set = [problem.file in found.manifest.file_names for problem in found.problems]
        advice = [] if all(of_the_set) else ["move what is not of it away"]
        if any(of_the_set):
            advice.append(remedy(config.data_dir, found.manifest))
        raise InputError(
            f"received {config.data_dir!r} with {counted(len(found.problems), 'problem')}, "
            f"expected a set as it was written; {', then '.join(advice)}."
        )


if __name__ == "__main__":
    run(main, VerifyConfig)
