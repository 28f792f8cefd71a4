"""A push gateway for tests: push_gateway.py FILE. Prints its port, then writes each PUT to FILE as a JSON line (path,
content type, body). Answers 200, or the number in FILE.status while that file exists."""
import http.server
import json
import pathlib
import sys

LOG = pathlib.Path(sys.argv[1])
STATUS = pathlib.Path(sys.argv[1] + ".status")


class Gateway(http.server.BaseHTTPRequestHandler):
    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        with LOG.open("a") as log:
            log.write(json.dumps({"path": self.path, "type": self.headers["Content-Type"], "body": body}) + "\n")
        self.send_response(int(STATUS.read_text()) if STATUS.exists() else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    server = http.server.HTTPServer(("127.0.0.1", 0), Gateway)
    print(server.server_address[1], flush=True)
    server.serve_forever()
