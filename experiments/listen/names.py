"""By which names the server may be called.

The page of another site can have its own name lead to this machine (DNS rebinding), and the browser would
then let it read what is answered. So only those requests are answered whose Host is a name of this machine:
localhost, what the machine is called, alone and with .local, the address at which the request arrived, and
names given by a flag.
"""

import ipaddress
import re
import socket

ARRIVED_AT = "listen.arrived_at"  # in the WSGI environment: the address of the connection's end here
HOST = re.compile(r"(\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]{1,253})(:[0-9]{1,5})?", re.ASCII)
REFUSED = """The listening test does not answer to this name.

Open the address that it was started with. Who runs it can let it answer to another name: --name NAME
"""


class OnlyByName:
    """A WSGI application that refuses requests to other names: 400.

    app : WSGI application
    names : iterable of str, host names or addresses
    headers : dict, sent with the refusal
    """

    def __init__(self, app, names, headers):
        self.app, self.names = app, {plain(name) for name in names}
        self.headers = [*headers.items(), ("Content-Type", "text/plain; charset=utf-8")]

    def __call__(self, environ, start_response):
        name = name_of(environ.get("HTTP_HOST", ""))
        if name and (name in self.names or name == plain(environ.get(ARRIVED_AT) or "")):
            return self.app(environ, start_response)
        body = REFUSED.encode()
        start_response("400 Bad Request", [*self.headers, ("Content-Length", str(len(body)))])
        return [body]


def name_of(host):
    """The name in a Host header, as `plain` writes it; "" if there is none."""
    found = HOST.fullmatch(host.lower())
    return plain(found[1]) if found else ""


def plain(name):
    """A name or address in its only form: lower case, no brackets, no dot at the end, no zone."""
    name = name.lower().strip("[]").removesuffix(".").partition("%")[0]
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return name
    return str(getattr(address, "ipv4_mapped", None) or address)


def machine_names():
    """What this machine is called by itself and by its neighbours: list of str."""
    name = socket.gethostname().lower()
    short = name.partition(".")[0]
    names = ["localhost", "127.0.0.1", "::1", name, *([short, f"{short}.local"] if short else [])]
    return list(filter(None, dict.fromkeys(names)))


def lan_address():
    """The address of this machine in its network, IPv4; None without one. Nothing is sent."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(("192.0.2.1", 9))  # of documentation: which way would it go?
            address = probe.getsockname()[0]
    except OSError:
        return None
    return None if ipaddress.ip_address(address).is_loopback else address
