"""Random changes of training images and labels, as pure functions of uniform draws.

Everywhere here, unless a function says otherwise: `images` are float32 (batch, height, width,
channels) in [0, 1], and what comes back has the same shape and range; `draws` are float32 (batch,
DRAWS_PER_EXAMPLE), uniform in [0, 1), a column for each `rng.Draw`; sizes are in pixels.

Each example depends on its own row of the draws alone, so the size of the batch changes nothing.
That must hold to the last bit, also compiled by XLA, which may round the last bits as it likes. So
what decides on a pixel is computed in float64, and sums over pixels in integers.
"""
