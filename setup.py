"""Metadata of the distribution; tools are configured in pyproject.toml."""

from pathlib import Path

from setuptools import find_packages, setup

setup(
    name="strided-net-pipeline",
    version="0.2.0",
    description="A TensorFlow training pipeline: images to TFRecords to a trained StridedNet",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    packages=find_packages(include=["pipelines", "pipelines.*", "model", "trainer", "trainer.*"]),
    package_data={package: ["py.typed"] for package in ("pipelines", "model", "trainer")},
    python_requires=">=3.10",
    install_requires=[
        "absl-py>=2.1",
        "etils[epath]>=1.10",
        "fsspec>=2025.2",
        "google-crc32c>=1.6",
        "grpcio>=1.70",
        "imagehash>=4.3.2",
        "importlib_resources>=6.0",  # TensorFlow Datasets imports it without saying so
        # Earlier ones load a model file less safely; 3.12 is the last for Python 3.10.
        'keras>=3.13.2; python_version >= "3.11"',
        'keras>=3.12.1; python_version < "3.11"',
        "matplotlib>=3.9",
        "numpy>=2.0",
        "pillow>=11.0",
        "protobuf>=6.31",
        "psutil>=6.0",
        "rich>=13.0",
        "scikit-learn>=1.5",
        "scipy>=1.13",
        "tensorboard>=2.19",  # TensorFlow no longer brings it
        "tensorflow>=2.21",
        "tensorflow-datasets>=4.9.8",
        "tqdm>=4.66",
    ],
    extras_require={
        "beam": [
            "apache-beam>=2.70",
            "tensorflow-metadata>=1.17",  # Beam's protobuf would else have a very old one chosen
        ],
        "cuda": ["tensorflow[and-cuda]>=2.21"],
        "export": [
            "ai-edge-litert>=2.0",
            "backports.strenum<1.3",  # of ai-edge-litert; later ones are for Python 3.10 alone
            "onnx>=1.18",
            "onnxruntime>=1.20",
            "tf2onnx>=1.17",  # earlier ones want protobuf 3
        ],
        "remote": ["fsspec[gcs,http,s3]>=2025.2"],
        # TensorBoard's tab Profile; what was tensorboard-plugin-profile.
        "profile": ['xprof>=2.20; python_version >= "3.11"'],
        "test": [
            "ai-edge-litert>=2.0",
            "apache-beam>=2.70",
            "backports.strenum<1.3",
            "fsspec[http]>=2025.2",
            "onnx>=1.18",
            "onnxruntime>=1.20",
            "playwright>=1.50",
            "pytest>=8.0",
            "pytest-xdist>=3.6",
            "tf2onnx>=1.17",
        ],
        "dev": ["mypy>=1.15", "pre-commit>=4.0", "ruff>=0.12"],
    },
)
