"""What an example of each class counts in the loss."""

from collections.abc import Sequence

from pipelines.runtime.errors import InputError


def balanced_class_weights(class_counts: Sequence[int]) -> list[float]:
    """examples / (classes * examples of the class), as scikit-learn's 'balanced'.

    Their mean over the examples is 1, so that the learning rate keeps its meaning.

    Args:
        class_counts: Training examples of each class.

    Raises:
        InputError: if a class has none.
    """
    if not all(class_counts):
        counts = ", ".join(map(str, class_counts))
        raise InputError(
            f"received --class_weights=balanced for classes with {counts} "
            "training examples, expected at least one of each; leave it out."
        )
    return [sum(class_counts) / (len(class_counts) * count) for count in class_counts]
