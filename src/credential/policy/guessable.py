#!/usr/bin/env python3
"""Makes guessable.bin, the list of common passwords, of two packages whose licences are in NOTICE.

    pip download --no-deps django==5.2.19
    npm pack @zxcvbn-ts/language-common@4.1.3
    ./guessable.py django-5.2.19-py3-none-any.whl zxcvbn-ts-language-common-4.1.3.tgz

Each word of five or more characters is folded as login names are (NFKC, lower case, no blanks around it) and kept as the first
five bytes of its SHA-256, so that the list can be looked up and not read. First come four bytes, big-endian, with the number of
words that are among the first 5,000 of either package: those are looked for inside of longer passwords too. Then these, sorted,
then the rest, sorted. The same packages always give the same bytes.
"""

import gzip
import hashlib
import json
import pathlib
import sys
import tarfile
import unicodedata
import zipfile

SHORTEST = 5
FREQUENT = 5000
PREFIX = 5


def fold(word):
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", word.strip()).lower())


def main(wheel, package):
    with zipfile.ZipFile(wheel) as archive:
        django = gzip.decompress(archive.read("django/contrib/auth/common-passwords.txt.gz")).decode().split("\n")
    with tarfile.open(package) as archive:
        zxcvbn = json.load(archive.extractfile("package/src/passwords.json"))
    ranks = {}
    for words in (django, zxcvbn):
        for rank, word in enumerate(words):
            word = fold(word)
            if len(word) >= SHORTEST:
                ranks[word] = min(rank, ranks.get(word, rank))
    prefix = lambda word: hashlib.sha256(word.encode()).digest()[:PREFIX]
    frequent = sorted({prefix(word) for word, rank in ranks.items() if rank < FREQUENT})
    rest = sorted({prefix(word) for word, rank in ranks.items() if rank >= FREQUENT} - set(frequent))
    out = pathlib.Path(__file__).with_name("guessable.bin")
    out.write_bytes(len(frequent).to_bytes(4, "big") + b"".join(frequent) + b"".join(rest))
    print(f"{len(frequent)} frequent words, {len(rest)} others, {out.stat().st_size} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
