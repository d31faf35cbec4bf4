"""Carries out a conversion with Apache Beam: on this machine, on Flink, Spark or Dataflow.

Two pipelines, with the same plan made between them as for the local engine. The first prepares the
images wherever there is a worker, and leaves the records and what is known of them in the output
directory, which all workers must be able to write. The second brings together the records of each
shard. Records are keyed by the names of their images, so that nothing depends on an order.
"""

import contextlib
import io
import logging
import os
import pickle
import shlex
import sys
import uuid
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import Any

from etils import epath

from pipelines.conversion.validation import BATCH, Choices, Prepared, prepare
from pipelines.runtime.errors import InputError
from pipelines.runtime.files import is_remote
from pipelines.sources import Source
from pipelines.tfrecords.manifest import Shard
from pipelines.tfrecords.record import read_records
from pipelines.tfrecords.writer import PlannedShard, write_shard

try:
    logging.getLogger().setLevel(logging.ERROR)  # Beam warns of what we do not use
    import apache_beam as beam
    from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions
except ImportError as error:
    raise InputError(
        "received --engine=beam where Apache Beam is not installed, expected the extra [beam]; "
        "`pip install -c constraints.txt -e '.[beam]'`, or leave --engine out."
    ) from error

_RECORDS, _KNOWN, _WRITTEN = "beam.records", "beam.known", "beam.written"


class BeamEngine:
    """Apache Beam, to the same bytes as the local engine.

    Args:
        options: Beam's own, as NAME=VALUE: runner=DataflowRunner, and so on. One that Beam does not
            know is an `InputError`.
    """

    def __init__(self, options: Sequence[str] = ()):
        self._options = PipelineOptions([f"--{option.lstrip('-')}" for option in options])
        parse = self._options.get_all_options
        try:
            with contextlib.redirect_stderr(io.StringIO()) as complaint:
                known = parse()
                unknown = sorted(parse(retain_unknown_options=True).keys() - known)
        except SystemExit:  # argparse, for a value of the wrong type
            unknown = complaint.getvalue().strip().splitlines()[-1:]
        if unknown:
            raise InputError(
                f"received --beam_pipeline_options={','.join(options)}, which Beam does not take "
                f"({unknown[0]}), expected NAME=VALUE,... as in runner=DirectRunner; see Beam's "
                "list of options."
            )

    def prepare(
        self, source: Source, choices: Choices, directory: os.PathLike[str]
    ) -> Generator[Prepared, None, None]:
        """Prepares all images on the workers; yields what is known of each when all are done."""
        self._names: list[str] = []
        with self._pipeline() as pipeline:
            prepared = (
                pipeline
                | "Source" >> beam.Create([source])
                | "List" >> beam.FlatMap(lambda source: source.images())
                # A worker lists, or unpacks an archive; from here on all of them work.
                | "Spread" >> beam.Reshuffle()
                | "Batch" >> beam.BatchElements(min_batch_size=BATCH, max_batch_size=BATCH)
                | "Prepare" >> beam.FlatMap(prepare, choices)
            )
            accepted = prepared | "Accepted" >> beam.Filter(lambda item: not item[0].rejected)
            keyed = accepted | "Key" >> beam.Map(lambda item: (_key(item[0].file_name), item[1]))
            keyed | "Keep records" >> _write(directory, _RECORDS)
            prepared | "Known" >> beam.Map(lambda item: item[0]) | _write(directory, _KNOWN)
        for known in _read(directory, _KNOWN):
            if not known.rejected:
                self._names.append(known.file_name)
            yield known

    def write(self, plan: Sequence[PlannedShard], directory: os.PathLike[str]) -> list[Shard]:
        """Writes the planned shards, where index i is the i-th image that was not rejected."""
        places = [
            (_key(self._names[index]), (shard, position))
            for shard, planned in enumerate(plan)
            for position, index in enumerate(planned.indices)
        ]
        names = [planned.name for planned in plan]
        with self._pipeline() as pipeline:
            records = (
                pipeline
                | "Records" >> beam.io.ReadFromTFRecord(os.path.join(directory, f"{_RECORDS}-*"))
                | "Unpack" >> beam.Map(pickle.loads)
            )
            where = pipeline | "Plan" >> beam.Create(places)
            (
                {"record": records, "place": where}
                | "Place" >> beam.CoGroupByKey()
                | "By shard" >> beam.Map(_placed)
                | "Gather" >> beam.GroupByKey()
                | "Write shards" >> beam.Map(_write_gathered, os.fspath(directory), names)
                | "Written" >> _write(directory, _WRITTEN)
            )
        written = {shard.name: shard for shard in _read(directory, _WRITTEN)}
        for path in epath.Path(directory).iterdir():
            if path.name not in written:  # our own notes, and what a repeated piece of work left
                path.unlink()
        return [written[name] for name in names]

    @contextlib.contextmanager
    def _pipeline(self) -> Iterator[beam.Pipeline]:
        try:
            pipeline = beam.Pipeline(options=self._options)
        except (ValueError, ImportError) as error:
            raise InputError(
                f"received Beam options with which no pipeline can be made ({error}), expected a "
                "runner that is installed, and all that it needs; see to --beam_pipeline_options."
            ) from error
        plain = sys.executable
        try:
            # There Beam starts workers with the interpreter by way of a shell.
            if self._options.view_as(DirectOptions).direct_running_mode == "multi_processing":
                sys.executable = shlex.quote(plain)
            with pipeline:
                yield pipeline
        except Exception as error:
            raise _as_input_error(error) from error
        finally:
            sys.executable = plain


def _key(file_name: str) -> bytes:
    # As bytes: Beam's coder for text refuses what is no UTF-8.
    return file_name.encode("utf-8", "surrogateescape")


def _placed(item: tuple[bytes, dict[str, Iterable[Any]]]) -> tuple[int, tuple[int, bytes]]:
    _, found = item
    ((shard, position),) = found["place"]
    (record,) = found["record"]
    return shard, (position, record)


def _write_gathered(
    item: tuple[int, Iterable[tuple[int, bytes]]], directory: str, names: list[str]
) -> Shard:
    number, records = item
    target = epath.Path(directory, names[number])
    # Work may be done twice, even at the same time: a file appears whole or not at all, as an
    # object in a store does by itself.
    draft = target if is_remote(target) else target.with_name(f"{target.name}.{uuid.uuid4().hex}")
    shard = write_shard(draft, (record for _, record in sorted(records)))
    if draft != target:
        os.replace(draft, target)
    return Shard(target.name, shard.num_examples, shard.num_bytes, shard.sha256)


@beam.ptransform_fn
def _write(items: beam.PCollection, directory: os.PathLike[str], name: str) -> Any:
    return items | beam.Map(pickle.dumps) | beam.io.WriteToTFRecord(os.path.join(directory, name))


def _read(directory: os.PathLike[str], name: str) -> Iterator[Any]:
    for path in sorted(epath.Path(directory).iterdir()):
        if path.name.startswith(f"{name}-"):
            yield from map(pickle.loads, read_records(path.read_bytes()))


def _as_input_error(error: Exception) -> Exception:
    """An `InputError` of a worker, which Beam wraps; any other error stays what it is."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, InputError):
            return InputError(str(seen).split(" [while running")[0])
        seen = seen.__cause__ or seen.__context__
    return error
