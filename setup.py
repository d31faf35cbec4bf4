"""Metadata of the distribution; tools are configured in pyproject.toml."""

from pathlib import Path

from setuptools import find_packages, setup

setup(
    name="strided-net-pipeline",
    version="0.1.0",
    description="A TensorFlow training pipeline: images to TFRecords to a trained StridedNet",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    packages=find_packages(include=["pipelines", "pipelines.*", "model", "trainer"]),
    python_requires=">=3.10",
    install_requires=[
        "absl-py>=2.1",
        # Earlier ones load a model file less safely; 3.12 is the last for Python 3.10.
        'keras>=3.13.2; python_version >= "3.11"',
        'keras>=3.12.1; python_version < "3.11"',
        "matplotlib>=3.9",
        "numpy>=2.0",
        "pillow>=11.0",
        "scikit-learn>=1.5",
        "tensorboard>=2.19",  # TensorFlow no longer brings it
        "tensorflow>=2.21",
        "tensorflow-datasets>=4.9.8",
        "tqdm>=4.66",
    ],
    extras_require={
        "cuda": ["tensorflow[and-cuda]>=2.21"],
        "test": ["pytest>=8.0", "scipy>=1.13"],  # SciPy: the legacy generator that we compare with
        "dev": ["mypy>=1.15", "pre-commit>=4.0", "ruff>=0.12"],
    },
)
