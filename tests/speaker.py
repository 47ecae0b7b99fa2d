"""Speech for tests: sentences spoken by espeak-ng's library, which a wheel brings."""

import ctypes
import os
import wave
from pathlib import Path

RETRIEVAL = 1
UTF8 = 1
END_PAUSE = 0x1000
RATE_PARAMETER = 1

_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


COUNTING = "One two three four five."


def counting(folder: Path) -> Path:
    """A WAV file in the folder in which somebody counts; spoken when it is not there yet."""
    ready = folder / "counting.wav"
    if not ready.is_file():
        fresh = folder / f"counting-{os.getpid()}.wav"
        speak(COUNTING, fresh)
        fresh.rename(ready)
    return ready


def speak(text: str, target: Path, *, words_per_minute: int = 130) -> None:
    """Write a WAV file of the English text."""
    import espeakng_loader  # its library is large

    library = ctypes.CDLL(espeakng_loader.get_library_path())
    data = espeakng_loader.get_data_path().encode()
    sample_rate = library.espeak_Initialize(RETRIEVAL, 0, data, 0)
    assert sample_rate > 0
    sound = bytearray()

    def keep(samples: "ctypes._Pointer[ctypes.c_short]", count: int, _: object) -> int:
        if count:
            sound.extend(ctypes.string_at(samples, 2 * count))
        return 0

    callback = _Callback(keep)
    library.espeak_SetSynthCallback(callback)
    library.espeak_SetVoiceByName(b"en-us")
    library.espeak_SetParameter(RATE_PARAMETER, words_per_minute, 0)
    spoken = text.encode() + b"\0"
    library.espeak_Synth(spoken, len(spoken), 0, 0, 0, UTF8 | END_PAUSE, None, None)
    library.espeak_Synchronize()
    library.espeak_Terminate()
    with wave.open(str(target), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(bytes(sound))
