"""The camera, played by Chromium's own: frames go to the server one at a time."""

import pytest


@pytest.fixture
def running(page):
    page.id("camera").click()
    page.wait(lambda: len(page.requests("/detect")) >= 3, "three frames")
    yield page
    if page.text("camera") == "Stop the camera":
        page.id("camera").click()


def test_frames_are_shown_and_asked_about_one_at_a_time(running):
    assert running.text("camera") == "Stop the camera"
    assert running.text("caption").startswith("camera, ")
    running.id("camera").click()
    frames = running.requests("/detect")
    for before, after in zip(frames, frames[1:]):
        assert after["startTime"] >= before["responseEnd"]


def test_the_button_stops_it(running):
    running.id("camera").click()
    assert running.text("camera") == "Use the camera"
    count = len(running.requests("/detect"))
    running.driver.execute_async_script("setTimeout(arguments[0], 700)")
    assert len(running.requests("/detect")) <= count + 1
    assert running.text("problem") == ""


def test_a_chosen_picture_takes_the_place_of_the_camera(running, sample):
    running.choose(sample)
    running.wait(lambda: len(running.objects()) == 4, "boxes")
    assert running.text("camera") == "Use the camera"
    running.driver.execute_async_script("setTimeout(arguments[0], 500)")
    assert running.text("caption").startswith("sample.jpg")
    assert len(running.objects()) == 4


def test_the_stop_button_lets_the_camera_go(page):
    page.script("""
        const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
        navigator.mediaDevices.getUserMedia = async (wish) => (window.stream = await open(wish));""")
    page.id("camera").click()
    page.wait(lambda: len(page.requests("/detect")) >= 1, "a frame")
    page.id("camera").click()
    page.wait(lambda: page.script("return stream.getTracks().every((t) => t.readyState === 'ended')"),
              "the end of the camera's tracks")


@pytest.mark.parametrize("name, message", [
    ("NotAllowedError", "The browser may not use the camera. Allow it for this page, then try again."),
    ("NotFoundError", "There is no camera on this device."),
    ("NotReadableError", "The camera is in use by another program."),
])
def test_a_camera_that_cannot_be_used(page, name, message):
    page.script("navigator.mediaDevices.getUserMedia = () =>"
                " Promise.reject(new DOMException('x', arguments[0]))", name)
    page.id("camera").click()
    page.wait(page.problem, "a message")
    assert page.problem() == message
    assert page.text("camera") == "Use the camera"


def test_a_page_from_a_plain_http_address_says_why_there_is_no_camera(page):
    page.script("Object.defineProperty(navigator, 'mediaDevices', { value: undefined })")
    page.id("camera").click()
    page.wait(page.problem, "a message")
    assert page.problem() == "Browsers allow the camera only on pages from https:// or localhost."
