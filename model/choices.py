"""The words by which networks and their parts are chosen; nothing here imports Keras."""

# What each is called, for the reader.
TITLES = {
    "strided_net": "StridedNet",
    "residual": "ResidualNet",
    "inception": "InceptionNet",
    "fire": "FireNet",
    "vgg": "VggNet",
}
NETWORKS = tuple(TITLES)

# Keras' names. The slope of its leaky_relu below 0 is 0.2; its gelu is the exact one.
ACTIVATIONS = ("relu", "leaky_relu", "elu", "gelu", "silu", "tanh")
INITIALIZERS = (
    "he_normal",
    "he_uniform",
    "glorot_normal",
    "glorot_uniform",
    "lecun_normal",
    "orthogonal",
    "random_normal",
)

# Of StridedNet.
DOWNSAMPLING = ("stride", "max_pool")
PADDING = ("valid", "same")
