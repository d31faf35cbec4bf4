"""The model card: `README.md` of a run directory, as in M. Mitchell et al. (arXiv:1810.03993)."""

from collections.abc import Iterator

from model.registry import TITLES
from pipelines.runtime.console import counted
from trainer.card.finished_run import FinishedRun
from trainer.card.licence import licence_of
from trainer.card.limits import known_limits
from trainer.card.markdown import escaped, facts, interval, percent, table
from trainer.card.repeat import changed_flags
from trainer.card.results import results
from trainer.card.use import how_to_repeat, use, versions
from trainer.data_name import data_name
from trainer.model_description import DESCRIPTION_NAME, MODEL_NAME

CARD_NAME = "README.md"
MOST_NAMES = 40  # of classes that are written out in a line


def model_card(run: FinishedRun) -> str:
    """The whole of a model card, in Markdown as GitHub shows it."""
    sections = {
        "Model": _model(run),
        "Data": _data(run),
        "Training": _training(run),
        "Results": results(run),
        "Shortcuts in the data": _shortcuts(run),
        "Known limits": ["\n".join(f"- {limit}" for limit in known_limits(run))],
        "Use": use(run),
        "To repeat it": how_to_repeat(run),
        "Versions": [facts(list(versions()))],
    }
    parts = list(_head(run))
    for title, content in sections.items():
        parts += [f"## {title}", *content]
    return "\n\n".join(parts) + "\n"


def _head(run: FinishedRun) -> Iterator[str]:
    report, data = run.report, escaped(data_name(run.manifest))
    yield f"# {TITLES[run.description.architecture]} on {data}"
    yield (
        f"Tells which of {len(run.description.class_names)} classes an image is of. "
        f"**{percent(report['accuracy'])} of {counted(report['examples'], 'test image')} right** "
        f"(95% interval {interval(*report['accuracy_interval'])})."
    )


def _model(run: FinishedRun) -> Iterator[str]:
    description = run.description
    yield facts(
        [
            ("architecture", f"`{description.architecture}`"),
            (
                "parameters",
                f"{description.parameters:,}, of which {run.trainable_parameters:,} were trained",
            ),
            ("multiply-adds of an image", f"{description.multiply_adds:,}"),
            ("input", description.input),
            ("output", f"float32 probabilities (batch, {len(description.class_names)})"),
            ("classes, in the order of the output", _names(run)),
            ("file", f"`{MODEL_NAME}`, of Keras; `{DESCRIPTION_NAME}` has its SHA-256"),
        ]
    )


def _names(run: FinishedRun) -> str:
    names = run.description.class_names
    shown = ", ".join(map(escaped, names[:MOST_NAMES]))
    if len(names) <= MOST_NAMES:
        return shown
    return f"{shown} and {len(names) - MOST_NAMES:,} more, in `{DESCRIPTION_NAME}`"


def _data(run: FinishedRun) -> Iterator[str]:
    manifest = run.manifest
    source = manifest.source
    yield facts(
        [
            ("name", escaped(data_name(manifest))),
            (
                "source",
                f"{escaped(source['kind'])} {escaped(source['name'])}, "
                f"{counted(source['num_images'], 'image')}, "
                f"fingerprint `{source['fingerprint']}`",
            ),
            ("shards", f"fingerprint `{manifest.fingerprint}`"),
            ("licence of the images", escaped(licence_of(manifest))),
        ]
    )
    splits = manifest.splits
    rows = [
        [escaped(name), *(f"{split.class_counts[label]:,}" for split in splits.values())]
        for label, name in enumerate(manifest.class_names[:MOST_NAMES])
    ]
    more = len(manifest.class_names) - MOST_NAMES
    if more > 0:
        rows.append([f"and {more:,} more", *("" for _ in splits)])
    rows.append(["all", *(f"{split.num_examples:,}" for split in splits.values())])
    yield table(["images", *splits], rows)


def _training(run: FinishedRun) -> Iterator[str]:
    config, world = run.config, run.world
    epochs = f"{counted(run.epochs, 'epoch')} of {counted(_steps(run), 'step')}"
    if run.epochs < config.epochs:
        epochs += f", ended early of {config.epochs}"
    if run.kept_epoch is not None:
        epochs += f"; the weights of epoch {run.kept_epoch} were kept"
    changed = " ".join(f"`{flag}`" for flag in changed_flags(config))
    replicas = counted(world["replicas"], "replica") + f" on {run.device}"
    if world["workers"] > 1:
        replicas += f", {world['workers']} workers"
    yield facts(
        [
            ("length", epochs),
            ("batch", counted(config.batch_size, "image")),
            (
                "optimizer",
                f"{config.optimizer}, learning rate {config.learning_rate}, {config.schedule}",
            ),
            ("precision", world["precision"]),
            ("devices", f"{replicas}, `--strategy={config.strategy}`"),
            (
                "time",
                f"{run.report['train_seconds']:,.0f} s, "
                f"{run.report['images_per_second']:,.0f} images/s",
            ),
            ("flags that are not the defaults", changed or "none"),
        ]
    )
    yield "All flags are in `config.json`, the figures of each epoch in `history.csv`."
    yield "![Loss and accuracy over the epochs](plot.png)"


def _steps(run: FinishedRun) -> int:
    return run.state.records[0].step


def _shortcuts(run: FinishedRun) -> Iterator[str]:
    audit = run.audit
    if audit is None:
        yield "Not looked into: the run had `--noaudit`."
        return
    yield (
        "What small classifiers reach that see nothing of an image but one trait, fitted on "
        f"{counted(audit['train_images'], 'training image')} and scored on "
        f"{counted(audit['test_images'], 'test image')}:"
    )
    rows = [
        [f"{one['name']}: {one['of']}", percent(one["accuracy"]), percent(one["balanced_accuracy"])]
        for one in audit["baselines"]
    ]
    recalls = [one["recall"] for one in run.report["per_class"].values() if one["support"]]
    mean = sum(recalls) / len(recalls)
    rows.append(
        ["**this model**", f"**{percent(run.report['accuracy'])}**", f"**{percent(mean)}**"]
    )
    yield table(["", "accuracy", "mean of the classes' recalls"], rows)
    if run.manifest.encoding == "raw":
        yield "The size and shape that the images had are not in a set of pixels."
