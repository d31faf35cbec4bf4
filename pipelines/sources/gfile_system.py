"""TensorFlow's own file systems in fsspec's words, for addresses that only TensorFlow can read."""

from typing import Any, cast

from fsspec.spec import AbstractFileSystem

from pipelines.runtime.tensorflow_runtime import import_tensorflow


def reads(protocol: str) -> bool:
    """Whether TensorFlow has a file system for addresses that begin with `protocol`://."""
    import_tensorflow()
    import tensorflow as tf

    return protocol in tf.io.gfile.get_registered_schemes()


class GfileSystem(AbstractFileSystem):
    """Lists and reads through `tf.io.gfile`; a path is a whole address."""

    protocol = "gfile"

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return path.rstrip("/")

    def info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        import tensorflow as tf

        try:
            status = tf.io.gfile.stat(path)
        except tf.errors.NotFoundError:
            raise FileNotFoundError(path) from None
        kind = "directory" if tf.io.gfile.isdir(path) else "file"
        return {"name": path, "type": kind, "size": status.length, "mtime": status.mtime_nsec}

    def ls(self, path: str, detail: bool = True, **kwargs: Any) -> list[Any]:
        import tensorflow as tf

        try:
            names = tf.io.gfile.listdir(path)
        except tf.errors.NotFoundError:
            raise FileNotFoundError(path) from None
        # Buckets give folders with a slash behind them.
        paths = [f"{path.rstrip('/')}/{name.rstrip('/')}" for name in sorted(names)]
        return [self.info(path) for path in paths] if detail else paths

    def _open(self, path: str, mode: str = "rb", **kwargs: Any) -> Any:
        import tensorflow as tf

        return cast(Any, tf.io.gfile.GFile(path, mode))
