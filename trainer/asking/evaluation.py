"""An evaluation, from checked data to its directory."""

from pathlib import Path

from pipelines.tfrecords.manifest import Rejected
from trainer.asking.asked_data import AskedData, StoredData
from trainer.asking.asked_model import AskedModel
from trainer.asking.evaluation_directory import write_evaluation
from trainer.asking.evaluation_report import evaluation_report
from trainer.asking.labelled_source import judge_source
from trainer.asking.stored_split import judge_split
from trainer.judging.pictures import write_pictures
from trainer.report import Report
from trainer.run_data import config_of


def evaluate(
    asked: AskedModel, data: AskedData, directory: Path, with_pictures: bool
) -> tuple[Report, list[Path]]:
    """Asks a model about labelled data, and writes what comes of it.

    Args:
        asked: The model.
        data: What it is asked about.
        directory: Where the report and the pictures go.
        with_pictures: Whether there are to be any.

    Returns:
        The report, and the files of the pictures.

    Raises:
        InputError: for data that are damaged, or a directory that cannot be written.
    """
    left_out: list[Rejected] = []
    if isinstance(data, StoredData):
        judged = judge_split(asked, data)
    else:
        judged, left_out = judge_source(asked, data)
    report = evaluation_report(asked, judged, data, left_out, config_of(asked.trained.run_dir))

    def draw(place: Path) -> list[Path]:
        return write_pictures(place, judged, asked.trained.model) if with_pictures else []

    return report, write_evaluation(directory, data, report, draw)
