"""A server of one file on this machine that misbehaves as told."""

import contextlib
import http.server
import threading


class Server(http.server.ThreadingHTTPServer):
    """Answers with `payload`, or as the next of `script` does.

    Attributes:
      payload: bytes of the file, at any path.
      etag: sent with it, unless None.
      script: functions of the request handler, each answers one request.
      requests: (path, Range, If-Range) of each request.
    """

    daemon_threads = True

    def __init__(self, payload):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.payload, self.etag = payload, '"1"'
        self.script, self.requests = [], []
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        asked = self.headers["Range"], self.headers["If-Range"]
        self.server.requests.append((self.path, *asked))
        script = self.server.script
        (script.pop(0) if script else ok)(self)

    def answer(self, status, body=b"", length=None, **headers):
        self.send_response(status)
        if self.server.etag is not None:
            headers.setdefault("ETag", self.server.etag)
        if length is not False:
            headers["Content-Length"] = str(len(body) if length is None else length)
        headers.setdefault("Content-Type", "application/octet-stream")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(body)
        self.close_connection = True


def ok(handler, end=None):
    """The file, or the rest that is asked for if the ETag is still right."""
    server = handler.server
    if handler.headers["Range"] and handler.headers["If-Range"] == server.etag:
        rest(handler, end)
    else:
        handler.answer(200, server.payload[:end], len(server.payload))


def rest(handler, end=None):
    """The rest that is asked for, whatever If-Range says."""
    payload = handler.server.payload
    start = int(handler.headers["Range"].removeprefix("bytes=").removesuffix("-"))
    handler.answer(
        206,
        payload[start:end],
        len(payload) - start,
        Content_Range=f"bytes {start}-{len(payload) - 1}/{len(payload)}",
    )


def cut(end):
    """As `ok`, but the connection breaks at that byte of the file."""
    return lambda handler: ok(handler, end)


def whole(handler):
    """The whole file, whatever is asked for."""
    handler.answer(200, handler.server.payload)


def without_length(end=None):
    """The file up to that byte, without a word about its size."""
    return lambda handler: handler.answer(200, handler.server.payload[:end], False)


def page(handler):
    """A web page where the file should be."""
    handler.answer(200, b"<html>Sign in</html>", Content_Type="text/html; charset=utf8")


def status(code):
    """An error."""
    return lambda handler: handler.answer(code, b"no")


@contextlib.contextmanager
def serving(payload):
    with Server(payload) as server:
        # The default poll of half a second is what shutdown() would wait for.
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
