"""Says where numbers stopped being finite."""

from pipelines.runtime.errors import InputError
from trainer.loop import Loop, layer_of
from trainer.progress import Progress


class NotFiniteError(InputError):
    """Loss or weights are no finite numbers any more."""


def check_numbers(loop: Loop, progress: Progress, steps_per_epoch: int) -> None:
    """Checks what the steps so far have left behind.

    Args:
        loop: Whose weights are looked at.
        progress: After the last step.
        steps_per_epoch: For the epoch of the step.

    Raises:
        NotFiniteError: naming the step, the epoch and the layer.
    """
    step = int(progress.broken_step)
    where = _where_it_broke(loop, progress) if step else _broken_weights(loop)
    if where:
        step = step or int(progress.step)
        epoch = -(-step // steps_per_epoch)
        raise NotFiniteError(
            f"received NaN or infinity {where} in step {step} (epoch {epoch}), expected finite "
            "numbers; lower --learning_rate, or set --clip_norm."
        )


def _where_it_broke(loop: Loop, progress: Progress) -> str:
    # Moving statistics go through the network with the images, gradients come back through it: the
    # first layer of the former, or the last of the latter, is nearest to where it began.
    places = progress.broken_statistics.numpy().nonzero()[0]
    if len(places):
        return f"on the way to the layer {loop.statistics.layer_of(places[0])}"
    places = progress.broken_gradients.numpy().nonzero()[0]
    if len(places):
        return (
            f"in the gradients of the layer {layer_of(loop.model.trainable_variables[places[-1]])}"
        )
    return "in the loss"


def _broken_weights(loop: Loop) -> str:
    layers = loop.broken_weights()
    return f"in the weights of the layer {layers[0]}" if layers else ""
