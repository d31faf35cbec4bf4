"""The evaluated images that the model is most confidently wrong about."""

from PIL import Image

from pipelines.runtime.drawing import BAD, GOOD
from trainer.judging.judged import Judged
from trainer.summaries.contact_sheet import MAX_TILES, Tile, draw_sheet


def draw_misclassified(judged: Judged) -> Image.Image:
    """Draws up to `MAX_TILES` of them with prediction, confidence, truth and file name."""
    predictions, names = judged.predictions, judged.class_names
    wrong, count = judged.wrong, len(predictions.labels)
    numbers = [int(number) for number in wrong[:MAX_TILES]]
    if not numbers:
        return draw_sheet(f"{judged.split}: none of {count:,} is wrong", [])
    tiles = [
        Tile(
            image,
            [
                (f"{predictions.confidence[n]:.0%} {names[predictions.predicted[n]]}", BAD),
                (f"is {names[predictions.labels[n]]}", GOOD),
                (file_name, None),
            ],
        )
        for n, image, file_name in zip(
            numbers,
            judged.examples.images(numbers),
            judged.examples.file_names(numbers),
            strict=True,
        )
    ]
    title = f"{judged.split}: {len(wrong):,} of {count:,} wrong, most confident first"
    return draw_sheet(title, tiles)
