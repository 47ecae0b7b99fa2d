"""Serves a second of sound as any `*.wav`, and takes its time: a download that is under way while
workers are replaced. Runs in a pod, with nothing but the standard library."""

import http.server
import io
import time
import wave

PORT = 8080
PARTS = 40
PART_S = 0.2


def sound() -> bytes:
    written = io.BytesIO()
    with wave.open(written, "wb") as tone:
        tone.setnchannels(1)
        tone.setsampwidth(2)
        tone.setframerate(8000)
        tone.writeframes(bytes(range(160)) * 100)
    return written.getvalue()


class Slow(http.server.BaseHTTPRequestHandler):
    """Sends a file in parts."""

    def do_GET(self) -> None:
        content = sound()
        self.send_response(200)
        self.send_header("Content-Type", "audio/wav")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        size = len(content) // PARTS + 1
        for start in range(0, len(content), size):
            self.wfile.write(content[start : start + size])
            time.sleep(PART_S)


if __name__ == "__main__":
    http.server.ThreadingHTTPServer(("", PORT), Slow).serve_forever()
