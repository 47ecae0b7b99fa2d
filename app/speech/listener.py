"""The program that recognises speech: `python -m app.speech.listener PATH`.

PATH is raw sound: 16 kHz, mono, 16 bits, little-endian. It prints a JSON object a line: what is
said, with its times, or how far it is, in seconds. It runs pocketsphinx with the model of English
that the package brings.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SAMPLE_RATE = 16_000

SAMPLE_BYTES = 2

UTTERANCE_S = 20.0
"""Who speaks without a pause is cut there: memory and delay stay bounded."""


def main() -> None:
    """Listen to the file, and tell what is said as soon as it is known."""
    for line in heard(Path(sys.argv[1])):
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


def heard(path: Path) -> Iterator[dict[str, Any]]:  # JSON objects
    """What is said, utterance by utterance, each followed by how far we are."""
    import pocketsphinx  # its model takes a moment to load

    decoder = pocketsphinx.Decoder(samprate=SAMPLE_RATE, loglevel="FATAL")
    with path.open("rb") as file:
        for start_s, end_s, sound in utterances(file):
            decoder.start_utt()
            decoder.process_raw(sound, full_utt=True)
            decoder.end_utt()
            hypothesis = decoder.hyp()
            if hypothesis is not None and hypothesis.hypstr:
                yield {"start_s": start_s, "end_s": end_s, "text": hypothesis.hypstr}
            yield {"done_s": end_s}


def utterances(file: Any) -> Iterator[tuple[float, float, bytes]]:  # a binary file
    """The stretches of sound in which somebody speaks, with their times."""
    import pocketsphinx

    endpointer = pocketsphinx.Endpointer(sample_rate=SAMPLE_RATE)
    frame_bytes = endpointer.frame_bytes
    most_bytes = int(UTTERANCE_S * SAMPLE_RATE * SAMPLE_BYTES)
    start_s, sound = 0.0, bytearray()
    position_s = 0.0
    while frame := file.read(frame_bytes):
        is_last = len(frame) < frame_bytes
        spoken = endpointer.end_stream(frame) if is_last else endpointer.process(frame)
        position_s += len(frame) / SAMPLE_BYTES / SAMPLE_RATE
        if spoken is not None:
            start_s = start_s if sound else endpointer.speech_start
            sound += spoken
        if sound and (not endpointer.in_speech or len(sound) >= most_bytes):
            end_s = start_s + len(sound) / SAMPLE_BYTES / SAMPLE_RATE
            yield round(start_s, 3), round(end_s, 3), bytes(sound)
            start_s, sound = end_s, bytearray()
    if sound:
        yield round(start_s, 3), round(position_s, 3), bytes(sound)


if __name__ == "__main__":
    main()
