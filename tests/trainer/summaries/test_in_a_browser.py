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


def test_curves(page, address):
    page.goto(f"{address}#timeseries")
    for tag in ("accuracy", "loss", "gradient_norm", "learning_rate"):
        page.get_by_text(tag, exact=True).first.wait_for()
    for run in ("shapes/test", "shapes/train", "shapes/steps"):
        page.get_by_text(run, exact=True).first.wait_for()
    page.locator("scalar-card line-chart").first.wait_for()


def test_images(page, address):
    page.goto(f"{address}#images")
    for tag in ("evaluation/confusion_counts", "evaluation/misclassified", "training/batch"):
        page.get_by_text(tag, exact=True).first.wait_for()
    picture = page.locator("tf-image-loader img").first
    picture.wait_for()
    page.wait_for_function("e => e.complete && e.naturalWidth > 300", arg=picture.element_handle())


def test_texts(page, address):
    page.goto(f"{address}#text")
    for said in ("Not the defaults", "--mixup", "macro avg"):
        page.get_by_text(said).first.wait_for()


def test_hparams(page, address):
    page.goto(f"{address}#hparams")
    page.get_by_text("TABLE VIEW").wait_for()
    for heading in ("Trial ID", "final/accuracy"):
        page.get_by_text(heading).first.wait_for()
