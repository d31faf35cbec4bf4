"""Which tests `-m quick` runs: in less than a minute on two cores, what breaks most often.

All of a file, unless it stands here; of some files that do, the tests that say most.
"""

import pytest

# Beginnings of paths.
LONG = (
    "tests/benchmarks/",
    "tests/interruptions/",
    "tests/model/test_networks.py",
    "tests/model/test_strided_choices.py",
    "tests/pipelines/augmentation/test_augment.py",
    "tests/pipelines/conversion/test_beam_engine.py",
    "tests/pipelines/conversion/test_validation.py",
    "tests/pipelines/data_service/",
    "tests/pipelines/inspection/",
    "tests/pipelines/loading/test_dataset.py",
    "tests/pipelines/loading/test_disk_cache.py",
    "tests/pipelines/loading/test_order_contract.py",
    "tests/pipelines/runtime/test_memory.py",
    "tests/pipelines/runtime/test_tensorflow_runtime.py",
    "tests/pipelines/sources/test_remote.py",
    "tests/pipelines/sources/test_sample.py",
    "tests/pipelines/sources/test_tfds.py",
    "tests/pipelines/test_make_tfrecords.py",
    "tests/pipelines/tfrecords/test_damage.py",
    "tests/pipelines/tfrecords/test_index.py::test_the_index_of_a_set_is_what_its_shards_hold",
    "tests/pipelines/verification/",
    "tests/test_acceptance.py",
    "tests/test_docs.py",
    "tests/test_fault_table.py",
    "tests/trainer/asking/",
    "tests/trainer/exporting/",
    "tests/trainer/judging/",
    "tests/trainer/rehearsal/",
    "tests/trainer/studying/",
    "tests/trainer/summaries/",
    "tests/trainer/test_averaged_weights.py",
    "tests/trainer/test_checkpoint.py",
    "tests/trainer/test_disk_cache.py",
    "tests/trainer/test_launch.py",
    "tests/trainer/test_loop.py",
    "tests/trainer/test_loop_setup.py",
    "tests/trainer/test_not_finite.py",
    "tests/trainer/test_objective.py",
    "tests/trainer/test_precision.py",
    "tests/trainer/test_preview.py",
    "tests/trainer/test_study.py",
    "tests/trainer/test_train.py",
    "tests/trainer/test_training_model.py",
    "tests/trainer/test_update.py",
    "tests/trainer/timing/",
    "tests/trainer/workers/",
)
ALL_THE_SAME = (
    "tests/model/test_strided_choices.py::test_the_stem",
    "tests/pipelines/conversion/test_validation.py::test_a_bad_image",
    "tests/pipelines/inspection/test_inspect.py::test_the_grid_is_a_picture",
    "tests/pipelines/loading/test_dataset.py::test_batches_have_the_documented_form",
    "tests/pipelines/loading/test_dataset.py::test_evaluation_counts_every_example_once",
    "tests/pipelines/loading/test_order_contract.py::test_a_resumed_run_continues_the_sequence[12-",
    "tests/pipelines/loading/test_order_contract.py::test_an_epoch_visits_every_example_once",
    "tests/pipelines/loading/test_order_contract.py::test_neither_readers_threads_replicas_nor_"
    "cache_change_a_bit[none",
    "tests/pipelines/test_make_tfrecords.py::test_another_set_is_refused",
    "tests/pipelines/test_make_tfrecords.py::test_overwrite",
    "tests/pipelines/tfrecords/test_index.py::test_the_index_of_a_set_is_what_its_shards_hold[jpeg-l",
    "tests/pipelines/verification/test_whole_sets.py",
    "tests/test_docs.py::test_every",
    "tests/trainer/test_checkpoint.py::test_a_file_cut_at_any_length_is_refused",
    "tests/trainer/test_loop.py::test_a_restored_loop_takes_the_same_steps_bit_for_bit[1]",
    "tests/trainer/test_train.py::test_leaves_everything_behind",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not item.nodeid.startswith(LONG) or item.nodeid.startswith(ALL_THE_SAME):
            item.add_marker(pytest.mark.quick)
