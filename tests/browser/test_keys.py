"""A server that asks for a key: the page asks the person."""

import time

import pytest
from conftest import PATIENCE_S

KEY = "0123456789abcdef"


@pytest.fixture
def guarded(start_server, tmp_path):
    (tmp_path / "keys").write_text(KEY + "\n")
    return start_server("--access-keys", str(tmp_path / "keys"))


def alert(driver):
    """The prompt that is open, or None."""
    from selenium.common.exceptions import NoAlertPresentException

    try:
        return driver.switch_to.alert
    except NoAlertPresentException:
        return None


def prompt(driver):
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if asked := alert(driver):
            return asked
        time.sleep(0.1)
    raise AssertionError("the page does not ask")


def test_the_page_asks_for_the_key_and_detects_with_it(blank, driver, guarded, sample):
    driver.get(guarded.url)
    asked = prompt(driver)
    assert "API key" in asked.text
    asked.send_keys("wrong-wrong-wrong")
    asked.accept()
    asked = prompt(driver)  # because that one was wrong
    asked.send_keys(f" {KEY} ")
    asked.accept()
    blank.wait(lambda: blank.script("return !document.getElementById('model').disabled"), "models")
    blank.choose(sample)
    assert blank.objects()


def test_a_person_who_has_no_key_is_asked_once(blank, driver, guarded):
    driver.get(guarded.url)
    prompt(driver).dismiss()
    time.sleep(5)  # the page goes on asking the server how it does
    assert alert(driver) is None
