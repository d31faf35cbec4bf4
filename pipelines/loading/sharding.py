"""Which examples of an epoch are whose, where several workers train together."""

import dataclasses

from pipelines.loading.options import SHARD_BY
from pipelines.loading.order import Window
from pipelines.runtime.errors import InputError
from pipelines.tfrecords.manifest import Shard


@dataclasses.dataclass(frozen=True)
class Worker:
    """One of the processes among which every global batch is divided.

    Attributes:
        index: Which one, from 0.
        count: How many there are.
        shard_by: 'example': all read all shards, and each decodes its share of every batch; the
            global batches are those of a single worker. 'file': each reads its own shards only,
            and draws its share of every batch from them.

    Raises:
        InputError: when made with values that cannot be.
    """

    index: int = 0
    count: int = 1
    shard_by: str = "example"

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count:
            raise InputError(
                f"received worker {self.index} of {self.count}, expected 0 to {self.count - 1}."
            )
        if self.shard_by not in SHARD_BY:
            raise InputError(
                f"received shard_by={self.shard_by!r}, expected {' or '.join(SHARD_BY)}."
            )

    def share(self, batch_size: int) -> int:
        """Examples of a global batch that are this worker's.

        Raises:
            InputError: if the batch does not divide by the number of workers.
        """
        if batch_size % self.count:
            raise InputError(
                f"received a batch size of {batch_size} for {self.count} workers, expected a "
                f"multiple of {self.count}; choose another --batch_size."
            )
        return batch_size // self.count

    def shards(self, shards: tuple[Shard, ...]) -> tuple[Shard, ...]:
        """The shards that this worker reads.

        Raises:
            InputError: if by file and the shards do not divide by the number of workers, so that
                some would have to leave out what others have too much.
        """
        if self.shard_by == "example":
            return shards
        if len(shards) % self.count:
            raise InputError(
                f"received {len(shards)} shards for {self.count} workers that read files of their "
                f"own, expected a multiple of {self.count}; shard by example, or make the set "
                f"again with --shards={-(-len(shards) // self.count) * self.count}."
            )
        return shards[self.index :: self.count]

    def fewest_examples(self, shards: tuple[Shard, ...]) -> int:
        """Examples in the shards of the worker that has the fewest, by file."""
        parts = [
            dataclasses.replace(self, index=index).shards(shards) for index in range(self.count)
        ]
        return min(sum(shard.num_examples for shard in part) for part in parts)

    def take(self, window: Window, batch_size: int) -> Window:
        """What this worker takes of a window of its shards, at positions in the global epoch.

        Args:
            window: A window of an epoch over the worker's shards.
            batch_size: Of the global batch.
        """
        share = self.share(batch_size)
        positions = window.positions
        if self.shard_by == "example":
            return window.visiting(positions % batch_size // share == self.index)
        # Its own epoch, laid into its places of the global batches.
        step, place = positions // share, positions % share
        return window._replace(positions=step * batch_size + self.index * share + place)


ALONE = Worker()
