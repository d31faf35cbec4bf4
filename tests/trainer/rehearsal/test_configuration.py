"""The flags of a run as text."""

from pipelines.runtime.command import define_flags, parse_config
from trainer.config import TrainConfig
from trainer.rehearsal.configuration import configuration_text


def test_every_flag_is_there_and_what_is_not_the_default_is_marked():
    config = TrainConfig(
        data_dir="data/a", classes=("x", "y"), oversample=True, clip_norm=1.5, seed=3
    )
    lines = configuration_text(config).splitlines()
    marked = [line for line in lines if line.startswith("* ")]
    assert marked == [
        "* --data_dir=data/a  (default: data/tfrecords)",
        "* --seed=3  (default: 0)",
        "* --classes=x,y  (default: not given)",
        "* --clip_norm=1.5  (default: not given)",
        "* --oversample  (default: False)",
    ]
    assert "  --run_dir=(not given)" in lines and "  --nokeep_best" in lines
    assert lines.index("Output:") < lines.index("Augmentation:")


def test_the_lines_are_flags_that_give_the_same_run():
    config = TrainConfig(epochs=3, horizontal_flip=False, data_service=("grpc://a:1",))
    lines = [line[2:].partition("  (")[0] for line in configuration_text(config).splitlines()]
    given = [line for line in lines if line.startswith("--") and "(not given)" not in line]
    assert parse_config(TrainConfig, define_flags(TrainConfig), ["main", *given]) == config
