"""Which Host the listening test answers to."""

import socket

import pytest

from experiments.listen.names import ARRIVED_AT, OnlyByName, lan_address, machine_names, name_of


def answers(host, names=("localhost",), arrived="192.168.1.5"):
    """Whether a request for this host is passed on."""
    asked = []

    def app(environ, start_response):
        asked.append(environ)
        return [b"fine"]

    def start_response(status, headers):
        assert status == "400 Bad Request" and ("X-A", "b") in headers

    environ = {"HTTP_HOST": host, ARRIVED_AT: arrived}
    body = OnlyByName(app, names, {"X-A": "b"})(environ, start_response)
    assert bool(asked) == (body == [b"fine"])
    return bool(asked)


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "LocalHost", "localhost.", "192.168.1.5:80"])
def test_this_machine(host):
    assert answers(host)


def test_the_address_that_was_reached_in_any_form():
    assert answers("[::1]:80", arrived="::1") and answers("[0:0::1]", arrived="::1")
    assert answers("[fe80::1]", arrived="fe80::1%eth0") and answers("10.0.0.1", arrived="::ffff:10.0.0.1")
    assert not answers("[::1]", arrived="::2") and not answers("10.0.0.1", arrived=None)


def test_names_given():
    given = ("Test.Example.", "10.9.8.7", "[2001:db8::1]")
    assert all(answers(host, given) for host in ("test.example:443", "10.9.8.7", "[2001:db8:0::1]:8000"))
    assert not any(answers(host, given) for host in ("example", "a.test.example", "2001:db8::1", "localhost"))


@pytest.mark.parametrize("name", ["Desk", "desk.lan", "DESK.fritz.box", ""])
def test_what_this_machine_is_called(name, monkeypatch):
    monkeypatch.setattr(socket, "gethostname", lambda: name)
    names = machine_names()
    assert {"localhost", "127.0.0.1", "::1"} <= set(names) and "" not in names
    if name:
        assert {name.lower(), "desk", "desk.local"} <= set(names)
        assert answers("desk.local:8000", names) and not answers("desk.evil.example", names)
    assert not any(answers(host, names) for host in (".local", ".", "", "local"))


def test_names_of_hosts():
    assert name_of("a:1") == "a" and name_of("a:") == name_of("a:b") == name_of("[a]") == name_of("a b") == ""
    assert name_of("x" * 254) == "" and name_of("\u212aelvin") == "kelvin"  # as browsers do


def test_without_a_network(monkeypatch):
    def none(*given):
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(socket, "socket", none)
    assert lan_address() is None
