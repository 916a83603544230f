"""What sysmond serves beside emcp, asked byte by byte: own_pages.py URL. Only a whole head is
answered, and none that names another host."""

import socket
import sys
from urllib.parse import urlsplit

from expect import Checks

SECONDS_MAX = 20

# What sysmond keeps of a head, in bytes.
HEAD_MAX = 8192


def ask(address, request):
    """Sends bytes and their end; returns the status of the answer."""
    with socket.create_connection(address, SECONDS_MAX) as peer:
        peer.sendall(request)
        peer.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := peer.recv(65536):
            answer += piece
    return int(answer.split(b" ", 2)[1])


def main(url):
    parts = urlsplit(url)
    address = parts.hostname, parts.port
    checks = Checks()

    def expect(status, request, what):
        checks.equal(ask(address, request), status, what)

    page, known, other = b"GET / HTTP/1.1\r\n", b"Host: localhost\r\n\r\n", b"Host: evil.example\r\n\r\n"
    expect(200, page + known, "the status page")
    expect(403, page + other, "for another host")
    expect(200, b"\r\n\r\n" + page + known, "behind empty lines")
    expect(403, b"\r\n\r\n" + page + other, "for another host, behind empty lines")
    # The Host field may still come.
    expect(400, b"\r\n\r\n" + page, "a head that ends early")
    expect(400, b"\r\n\r\n" + page[:9], "a request line that ends early")
    endless = b"\r\n\r\n" + page + b"Host:"
    expect(431, endless.ljust(HEAD_MAX), "a head that does not end")
    expect(200, page + known, "the status page afterwards")
    print(f"{checks.count} checks")


main(sys.argv[1])
