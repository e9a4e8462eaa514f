#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How many pages are there, and how many different ones? The script that people write for that."""
import hashlib
import sys

pages = 0
seen = {}
for path in sys.argv[1:]:
    with open(path, "rb") as dump:
        while page := dump.read(4096):
            digest = hashlib.sha256(page).digest()
            seen[digest] = seen.get(digest, 0) + 1
            pages += 1
print(pages, len(seen))
