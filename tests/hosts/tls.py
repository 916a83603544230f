"""TLS for clients that send and receive at the same time.

Python's TLS sockets are for one thread at a time, and give up receiving when they cannot send. Here
one thread owns the TLS state of a connection and carries bytes between it and a socket pair, whose
other end behaves like any socket.
"""

import select
import socket
import ssl
import struct
import threading

# Bytes on their way in one direction; the relay reads no more before they have left.
PIECE = 16 * 1024


class TlsSocket(socket.socket):
    """The end of a TLS connection that a test works with."""

    # Whether the connection ends with RST and without goodbye.
    abrupt = False


def wrap(plain, context, name):
    """Does the handshake on `plain`, which belongs to the relay from then on."""
    inner, outer = socket.socketpair()
    near = TlsSocket(fileno=inner.detach())
    near.settimeout(plain.gettimeout())
    relay = Relay(plain, outer, near, context, name)
    relay.handshake()
    threading.Thread(target=relay.run, daemon=True).start()
    return near


class Relay:
    def __init__(self, plain, outer, near, context, name):
        self.plain, self.outer, self.near = plain, outer, near
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=name)
        # What is to be sent to the server and to the client.
        self.to_server = self.to_client = b""
        self.server_takes = self.server_gives = self.client_gives = True

    def handshake(self):
        while True:
            try:
                self.tls.do_handshake()
                self.plain.sendall(self.outgoing.read())
                return
            except ssl.SSLWantReadError:
                self.plain.sendall(self.outgoing.read())
                self.incoming.write(self.plain.recv(PIECE) or self.incoming_ends())

    def incoming_ends(self):
        raise ConnectionError("the server left during the handshake")

    def run(self):
        self.plain.setblocking(False)
        self.outer.setblocking(False)
        try:
            while self.client_gives and (self.server_gives or self.to_client):
                self.turn()
        except OSError:
            pass
        self.close()

    def turn(self):
        """Waits until something can be carried, and carries it."""
        readers = [self.outer] if not self.to_server else []
        readers += [self.plain] if self.server_gives and not self.to_client else []
        writers = [self.plain] if self.to_server else []
        writers += [self.outer] if self.to_client else []
        readable, writable, _ = select.select(readers, writers, [])
        if self.plain in writable:
            self.send_to_server()
        if self.outer in writable:
            self.to_client = self.to_client[self.outer.send(self.to_client) :]
        if self.outer in readable:
            self.take_from_client()
        if self.plain in readable:
            self.take_from_server()

    def take_from_client(self):
        data = self.outer.recv(PIECE)
        self.client_gives = bool(data)
        if data and self.server_takes:
            self.tls.write(data)
            self.to_server = self.outgoing.read()

    def send_to_server(self):
        try:
            self.to_server = self.to_server[self.plain.send(self.to_server) :]
        except OSError:
            # The server has closed; what it has said before can still be read.
            self.server_takes, self.to_server = False, b""

    def take_from_server(self):
        try:
            data = self.plain.recv(PIECE)
        except ConnectionError:
            data = b""
        if not data:
            self.server_gives = False
            return
        self.incoming.write(data)
        try:
            while data := self.tls.read(PIECE):
                self.to_client += data
            # It has said goodbye.
            self.server_gives = False
        except ssl.SSLWantReadError:
            pass

    def close(self):
        if self.near.abrupt:
            self.plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif self.server_takes:
            self.say_goodbye()
        self.plain.close()
        self.outer.close()

    def say_goodbye(self):
        try:
            self.tls.unwrap()
        except (ssl.SSLError, OSError):
            pass
        try:
            self.plain.send(self.to_server + self.outgoing.read())
        except OSError:
            pass
