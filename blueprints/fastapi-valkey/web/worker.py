"""Does the jobs, one after the other: here it counts the words of a text."""

import os
import signal
import sys

import valkey

store = valkey.from_url(os.environ["VALKEY_URL"], decode_responses=True)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))


def main() -> None:
    print("Waiting for jobs.", flush=True)
    while True:
        found = store.brpop("queue", timeout=5)
        if found is None:
            continue
        number = found[1]
        text = store.get(f"text:{number}") or ""
        store.set(f"result:{number}", f"{len(text.split())} words", ex=86400)
        store.incr("done")
        print(f"Did job {number}.", flush=True)


if __name__ == "__main__":
    main()
