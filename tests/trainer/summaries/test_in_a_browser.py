"""TensorBoard, looked at with a real browser, finds what a run has written."""

import os
import shutil

import pytest
from tensorboard import program

# Where to look for one that is not Playwright's own.
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MOST_MS = 60_000


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs the extra [test]")
    with sync_api.sync_playwright() as playwright:
        found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
        path = found or playwright.chromium.executable_path
        if not os.path.exists(path):
            pytest.skip("no Chromium: set CHROMIUM, or run `playwright install chromium`")
        # Without a user of its own, as in a container, Chromium refuses to run in its sandbox.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    """An empty page: on one that TensorBoard has drawn, other tabs would stay, hidden."""
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(MOST_MS)
    yield page
    page.close()


@pytest.fixture(scope="module")
def address(shown_run):
    """Of a TensorBoard over all runs."""
    server = program.TensorBoard()
    logdir = str(shown_run.parent)
    server.configure((None, "--logdir", logdir, "--port", "0", "--load_fast", "false"))
    return server.launch()


def shows(page, *texts, exact=False):
    """Waits for texts; gives those that are to be seen then."""
    for text in texts:
        page.get_by_text(text, exact=exact).first.wait_for()
    return {text for text in texts if page.get_by_text(text, exact=exact).first.is_visible()}


def test_curves(page, address):
    page.goto(f"{address}#timeseries")
    tags = {"accuracy", "loss", "gradient_norm", "learning_rate"}
    runs = {"shapes/test", "shapes/train", "shapes/steps"}
    assert shows(page, *tags, *runs, exact=True) == tags | runs
    chart = page.locator("scalar-card line-chart").first  # others are drawn when they are reached
    chart.wait_for()
    assert chart.bounding_box()["width"] > 100


def test_images(page, address):
    page.goto(f"{address}#images")
    tags = {"evaluation/confusion_counts", "evaluation/misclassified", "training/batch"}
    assert shows(page, *tags, exact=True) == tags
    picture = page.locator("tf-image-loader img").first
    picture.wait_for()
    page.wait_for_function("e => e.complete && e.naturalWidth", arg=picture.element_handle())
    assert picture.evaluate("e => e.naturalWidth") > 300


def test_texts(page, address):
    page.goto(f"{address}#text")
    said = {"Not the defaults", "--mixup", "macro avg"}
    assert shows(page, *said) == said


def test_hparams(page, address):
    page.goto(f"{address}#hparams")
    shown = {"TABLE VIEW", "Trial ID", "final/accuracy"}
    assert shows(page, *shown) == shown
