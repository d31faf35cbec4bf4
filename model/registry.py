"""From the name of a network to the network."""

from typing import Any

import keras

from model.choices import NETWORKS
from model.fire_net import build_fire_net
from model.inception_net import build_inception_net
from model.layers import Blocks, check_choice
from model.other_networks import build_vgg_net
from model.residual_net import build_residual_net
from model.strided_net import build_strided_net

_OTHERS = {
    "residual": build_residual_net,
    "inception": build_inception_net,
    "fire": build_fire_net,
    "vgg": build_vgg_net,
}


def build_model(
    name: str,
    width: int,
    height: int,
    depth: int,
    classes: int,
    *,
    strided: dict[str, Any] | None = None,
    **common: Any,
) -> keras.Model:
    """Builds one of the networks, untrained.

    Args:
        name: One of `model.choices.NETWORKS`.
        width: Width of the images in pixels.
        height: Height of the images in pixels.
        depth: Channels of the images.
        classes: Number of classes, at least 2.
        strided: What only StridedNet takes: its keywords, such as `stem_filters`.
        common: What all networks take: the fields of `model.layers.Blocks`.

    Returns:
        A model as `model.strided_net.build_strided_net` returns it.

    Raises:
        ValueError: for a value that cannot be, or `strided` for another network.
    """
    check_choice("name", name, NETWORKS)
    if name == "strided_net":
        return build_strided_net(width, height, depth, classes, **common, **(strided or {}))
    if strided:
        raise ValueError(
            f"received {', '.join(strided)} for name={name!r}; expected them for 'strided_net' "
            "alone."
        )
    return _OTHERS[name](width, height, depth, classes, Blocks(**common))
